package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Bounds of one answer where the engine set none: so that no plugin can fill the engine's memory.
const (
	maxSeries = 4 << 20
	maxAnswer = 512 << 20 // bytes
)

// receiver puts an answer together and refuses what a well-made plugin does not send.
type receiver struct {
	limit  int // series
	bytes  int // received
	layout *frame.Layout
	epoch  uint64
	fresh  bool // the layout came with this answer

	before []frame.Series // of the layout that the plugin was told we know
	taken  []bool         // columns of before that are in layout; nil while there are none
	named  uniqueSeries   // the others of layout

	collection Collection
	ended      bool
}

func newReceiver(had knownLayout, limits Limits) *receiver {
	r := &receiver{limit: maxSeries}
	if limits.Series > 0 {
		r.limit = min(limits.Series, maxSeries)
	}
	if had.epoch != 0 {
		r.layout, r.epoch = had.layout, had.epoch
		r.collection.Frame.Values = make([]float64, 0, len(had.layout.Series))
	}
	return r
}

func (r *receiver) take(response *pluginpb.CollectResponse) error {
	if r.bytes += proto.Size(response); r.bytes > maxAnswer {
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	switch part := response.GetPart().(type) {
	case *pluginpb.CollectResponse_Layout:
		return r.takeLayout(part.Layout)
	case *pluginpb.CollectResponse_Row:
		return r.takeRow(part.Row)
	case *pluginpb.CollectResponse_End:
		return r.takeEnd(part.End)
	default:
		return errors.New("a part of no known kind")
	}
}

func (r *receiver) takeLayout(part *pluginpb.LayoutPart) error {
	switch {
	case part.GetEpoch() == 0:
		return errors.New("a layout of epoch 0")
	case len(r.collection.Frame.Values) > 0:
		return errors.New("a layout after the first values")
	case !r.fresh:
		if r.layout != nil {
			r.before = r.layout.Series
		}
		r.layout, r.epoch, r.fresh = &frame.Layout{Series: make([]frame.Series, 0, len(r.before))}, part.GetEpoch(), true
	case part.GetEpoch() != r.epoch:
		return errors.New("two layouts in one answer")
	}
	counts, labels, kinds, table, taken := part.GetLabelCounts(), part.GetLabels(), part.GetKinds(), part.GetStrings(), part.GetTaken()
	switch {
	case part.GetFirst() != uint64(len(r.layout.Series)):
		return fmt.Errorf("a layout part begins at series %d where %d is next", part.GetFirst(), len(r.layout.Series))
	case len(kinds) != len(counts):
		return fmt.Errorf("a layout part has %d kinds for %d series", len(kinds), len(counts))
	case len(counts) > r.limit-len(r.layout.Series):
		return fmt.Errorf("a layout of more than %d series", r.limit)
	case len(taken)%3 != 0:
		return errors.New("a layout part takes columns with numbers that are not three each")
	}
	for _, s := range table {
		if s == "" || !utf8.ValidString(s) {
			return errors.New("a label name or value is empty or no UTF-8")
		}
	}
	var backing []frame.Label
	if len(r.before) == 0 { // else each series has memory of its own: one of many that stays should not keep that of all
		backing = make([]frame.Label, 0, len(labels)/2)
	}
	named := 0 // since the last column that was taken
	for i, count := range counts {
		for ; len(taken) > 0 && int(taken[0]) == named; taken, named = taken[3:], 0 {
			if err := r.takeColumns(taken[1], taken[2]); err != nil {
				return err
			}
		}
		if uint64(len(labels)) < 2*uint64(count) {
			return errors.New("a layout part has fewer labels than it says")
		}
		if len(r.before) > 0 {
			backing = make([]frame.Label, 0, count)
		}
		start := len(backing)
		for j := range count {
			name, value := labels[2*j], labels[2*j+1]
			if uint64(max(name, value)) >= uint64(len(table)) {
				return errors.New("a label refers to a string that is not there")
			}
			backing = append(backing, frame.Label{Name: table[name], Value: table[value]})
		}
		labels = labels[2*count:]
		if err := r.addSeries(backing[start:len(backing):len(backing)], frame.Kind(kinds[i])); err != nil {
			return err
		}
		named++
	}
	for ; len(taken) > 0; taken, named = taken[3:], 0 {
		if int(taken[0]) != named {
			return fmt.Errorf("a layout part takes columns after %d series of its own where it has %d", taken[0], named)
		}
		if err := r.takeColumns(taken[1], taken[2]); err != nil {
			return err
		}
	}
	if len(labels) > 0 {
		return errors.New("a layout part has more labels than it says")
	}
	return nil
}

// takeColumns takes a stretch of columns of the layout before.
func (r *receiver) takeColumns(from, n uint32) error {
	switch {
	case uint64(from)+uint64(n) > uint64(len(r.before)):
		return fmt.Errorf("a layout part takes columns %d to %d of %d", from, uint64(from)+uint64(n), len(r.before))
	case int(n) > r.limit-len(r.layout.Series):
		return fmt.Errorf("a layout of more than %d series", r.limit)
	case r.taken == nil:
		r.taken = make([]bool, len(r.before))
	}
	for i := from; i < from+n; i++ {
		if r.taken[i] {
			return fmt.Errorf("a layout takes column %d twice", i)
		}
		r.taken[i] = true
	}
	r.layout.Series = append(r.layout.Series, r.before[from:from+n]...)
	return nil
}

func (r *receiver) addSeries(labels frame.Labels, kind frame.Kind) error {
	if kind > frame.StateSet {
		return fmt.Errorf("series %s has the unknown kind %d", describe(labels), kind)
	}
	named := false
	for i, l := range labels {
		if i > 0 && labels[i-1].Name >= l.Name {
			return fmt.Errorf("the labels of series %s are not sorted by name, or one name occurs twice", describe(labels))
		}
		named = named || l.Name == frame.MetricName
	}
	if !named {
		return fmt.Errorf("series %s has no metric name", describe(labels))
	}
	if !r.named.add(labels) {
		return fmt.Errorf("series %s occurs twice", describe(labels))
	}
	r.layout.Series = append(r.layout.Series, frame.Series{Labels: labels, Kind: kind})
	return nil
}

// checkTaken makes sure that no series that was taken is also named.
func (r *receiver) checkTaken() error {
	if r.named.empty() {
		return nil
	}
	for i, taken := range r.taken {
		if taken && r.named.has(r.before[i].Labels) {
			return fmt.Errorf("series %s occurs twice", describe(r.before[i].Labels))
		}
	}
	return nil
}

// describe is the label set, short enough for an error.
func describe(labels frame.Labels) string {
	const limit = 200
	text := labels[:min(len(labels), 20)].String()
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return text
}

func (r *receiver) takeRow(part *pluginpb.RowPart) error {
	f := &r.collection.Frame
	values, times := part.GetValues(), part.GetTimes()
	n := len(values) / 8
	switch {
	case r.layout == nil:
		return errors.New("values without a layout")
	case part.GetFirst() != uint64(len(f.Values)):
		return fmt.Errorf("a row part begins at column %d where %d is next", part.GetFirst(), len(f.Values))
	case len(values)%8 != 0:
		return errors.New("a row part ends inside a value")
	case len(times) != 0 && len(times) != len(values):
		return errors.New("a row part has another number of times than of values")
	case n > len(r.layout.Series)-len(f.Values):
		return fmt.Errorf("more values than the %d series of the layout", len(r.layout.Series))
	case len(f.Values) > 0 && (len(times) > 0) != (f.Times != nil):
		return errors.New("some row parts have times and others do not")
	}
	for ; len(values) > 0; values = values[8:] {
		f.Values = append(f.Values, math.Float64frombits(binary.LittleEndian.Uint64(values)))
	}
	for ; len(times) > 0; times = times[8:] {
		f.Times = append(f.Times, int64(binary.LittleEndian.Uint64(times)))
	}
	return nil
}

func (r *receiver) takeEnd(end *pluginpb.End) error {
	f := &r.collection.Frame
	switch {
	case r.layout == nil:
		return errors.New("an End without a layout")
	case end.GetEpoch() != r.epoch:
		return fmt.Errorf("an End of epoch %d where the layout is of %d", end.GetEpoch(), r.epoch)
	case len(f.Values) != len(r.layout.Series) || end.GetSeries() != uint64(len(f.Values)):
		return fmt.Errorf("%d values and an End that says %d for a layout of %d series", len(f.Values), end.GetSeries(), len(r.layout.Series))
	case end.GetTimeMs() < 0 || end.GetPageBytes() < 0:
		return errors.New("a negative time or size")
	}
	if err := r.checkTaken(); err != nil {
		return err
	}
	f.Time, r.collection.Truncated, r.collection.Bytes, r.ended = end.GetTimeMs(), end.GetTruncated(), end.GetPageBytes(), true
	return nil
}

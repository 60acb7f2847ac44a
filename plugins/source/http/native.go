package httpsource

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// maxPartLabels bounds the memory of new native histograms: all labels of their columns. A histogram with many labels
// and many buckets has the product of both.
const maxPartLabels = 8 << 20

// learnNative appends the native histograms of a page: of each the columns that [frame.PartLabel] describes, count
// first. One that has too many buckets even in the widest grid, or very many, is left out; one that is broken is an
// error, as in Prometheus.
//
// What stands in fixed for a column is the series for the count, and for the others only their part: that they follow
// it says whose they are.
func (d *draft) learnNative(in []byte) error {
	if d.old.native == 0 {
		return nil
	}
	if in, d.short = histograms(in, maxPageBuckets); len(in) == 0 {
		return nil
	}
	parser := textparse.NewProtobufParser(in, false, false, false, false, labels.NewSymbolTable())
	n := natives{draft: d, old: d.predictable(), previous: -1}
	for {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return clip(err)
		case entry == textparse.EntryType:
			family, kind := parser.Type()
			d.meta = d.metaOf(family, kind, d.meta)
			continue
		case entry != textparse.EntryHistogram:
			continue
		}
		series, stamp, integer, float := parser.Histogram()
		h, err := n.fit(integer, float)
		if err != nil {
			return fmt.Errorf("native histogram %.200s: %w", d.metas[d.meta].family, clip(err))
		}
		if h == nil {
			d.short = true
			continue
		}
		n.begin(series, parser, d.own(stamp))
		if err := n.add(h); err != nil {
			return err
		}
	}
}

// natives adds native histograms to a draft.
type natives struct {
	*draft
	old      bool // there is a page before
	previous int32
	cells    int // labels of new columns

	// the histogram at hand
	series []byte
	parser textparse.Parser
	stamp  int64
	kind   frame.Kind
	grid   frame.Grid
	first  bool // its first column comes
	same   bool // its columns so far are those of the page before, in the same place
	set    bool // its labels are in pairs
	at     int  // where in pairs the part goes
	part   []byte
}

func (n *natives) begin(series []byte, parser textparse.Parser, stamp int64) {
	n.series, n.parser, n.stamp = series, parser, stamp
	n.first, n.same, n.set = true, n.old, false
	n.kind = frame.Histogram
	if n.metas[n.meta].kind == model.MetricTypeGaugeHistogram {
		n.kind = frame.Gauge
	}
}

// fit checks a histogram and makes it coarse enough, nil if that is not possible.
func (n *natives) fit(integer *histogram.Histogram, float *histogram.FloatHistogram) (h *histogram.FloatHistogram, err error) {
	if integer != nil {
		if err := tame(integer.Schema, integer.PositiveSpans, integer.NegativeSpans, integer.ReduceResolution); err != nil {
			return nil, err
		}
		if err := integer.Validate(); err != nil {
			return nil, err
		}
		h = integer.ToFloat(nil)
	} else {
		if err := tame(float.Schema, float.PositiveSpans, float.NegativeSpans, float.ReduceResolution); err != nil {
			return nil, err
		}
		if err := float.Validate(); err != nil {
			return nil, err
		}
		h = float
	}
	if !(h.ZeroThreshold >= 0) || math.IsInf(h.ZeroThreshold, 1) {
		return nil, fmt.Errorf("its zero threshold is %g", h.ZeroThreshold)
	}
	for len(h.PositiveBuckets)+len(h.NegativeBuckets) > n.draft.old.native {
		if h.Schema == histogram.ExponentialSchemaMin {
			return nil, nil
		}
		if err := h.ReduceResolution(h.Schema - 1); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// tame refuses schemas that are none and bucket numbers that overflow, and brings those that are too fine to one that
// Prometheus computes with.
func tame(schema int32, positive, negative []histogram.Span, reduce func(int32) error) error {
	if err := errors.Join(checkSpans(positive), checkSpans(negative)); err != nil {
		return err
	}
	switch {
	case !histogram.IsExponentialSchemaReserved(schema):
		return fmt.Errorf("its schema is %d", schema)
	case schema > histogram.ExponentialSchemaMax:
		return reduce(histogram.ExponentialSchemaMax)
	}
	return nil
}

// checkSpans refuses buckets whose numbers overflow.
func checkSpans(spans []histogram.Span) error {
	at := int64(0)
	for _, s := range spans {
		if at += int64(s.Offset); at < math.MinInt32 || at+int64(s.Length) > math.MaxInt32 {
			return errors.New("its spans overflow")
		}
		at += int64(s.Length)
	}
	return nil
}

func (n *natives) add(h *histogram.FloatHistogram) error {
	n.grid = frame.Grid{Schema: h.Schema, Threshold: h.ZeroThreshold}
	if err := errors.Join(n.column(frame.Observations, 0, h.Count), n.column(frame.Sum, 0, h.Sum), n.column(frame.Zero, 0, h.ZeroCount)); err != nil {
		return err
	}
	if err := n.buckets(frame.Positive, h.PositiveSpans, h.PositiveBuckets); err != nil {
		return err
	}
	return n.buckets(frame.Negative, h.NegativeSpans, h.NegativeBuckets)
}

func (n *natives) buckets(side frame.Piece, spans []histogram.Span, counts []float64) error {
	index := int32(0)
	for _, s := range spans {
		index += s.Offset
		for range s.Length {
			if counts[0] != 0 {
				if err := n.column(side, index, counts[0]); err != nil {
					return err
				}
			}
			index, counts = index+1, counts[1:]
		}
	}
	return nil
}

// column appends one number of the histogram at hand.
func (n *natives) column(piece frame.Piece, index int32, value float64) (err error) {
	i := len(n.lines)
	if i >= maxLines {
		return fmt.Errorf("the page has more than %d samples", maxLines)
	}
	n.part = append(n.part[:0], 0xff) // no series begins like that
	n.part = frame.Part{Grid: n.grid, Piece: piece, Index: index}.Append(n.part)
	from := len(n.fixed)
	if n.first {
		n.fixed = append(n.fixed, n.series...)
	}
	n.fixed = append(n.fixed, n.part...)
	l := line{meta: n.meta, kind: n.kind}
	if l.ref, err = n.refOf(i, n.fixed[from:]); err != nil {
		return err
	}
	n.previous, n.first = l.ref, false
	n.draft.add(l, value, n.stamp)
	return nil
}

// refOf finds the series of a column; fixed is what stands for it.
func (n *natives) refOf(i int, fixed []byte) (int32, error) {
	old := n.draft.old
	if n.same = n.same && i < len(old.lines); n.same {
		before := old.before(i)
		if string(before) == string(fixed) && n.draft.same(n.meta, old.lines[i].meta) {
			return old.lines[i].ref, nil
		}
		// Another part of the same histogram stood there: those that follow may be as they were, unless it was its last.
		n.same = !n.first && len(before) > 0 && before[0] == 0xff
	}
	if !n.set {
		n.name()
	}
	n.pairs[n.at].Value = string(n.part[1:])
	if n.cells += len(n.pairs); n.cells > maxPartLabels {
		return 0, fmt.Errorf("the native histograms of the page have more than %d labels together", maxPartLabels)
	}
	return n.resolve(n.previous)
}

// name puts the labels of the histogram at hand into pairs, with room for the part.
func (n *natives) name() {
	var set labels.Labels
	n.parser.Labels(&set)
	n.collect(set)
	n.set, n.at = true, 0
	for n.at < len(n.pairs) && n.pairs[n.at].Name < frame.PartLabel {
		n.at++
	}
	n.pairs = append(n.pairs, frame.Label{})
	copy(n.pairs[n.at+1:], n.pairs[n.at:])
	n.pairs[n.at] = frame.Label{Name: frame.PartLabel}
}

package source

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

func layoutMessage(part *pluginpb.LayoutPart) *pluginpb.CollectResponse {
	return &pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Layout{Layout: part}}
}

func rowMessage(part *pluginpb.RowPart) *pluginpb.CollectResponse {
	return &pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_Row{Row: part}}
}

func endMessage(end *pluginpb.End) *pluginpb.CollectResponse {
	return &pluginpb.CollectResponse{Part: &pluginpb.CollectResponse_End{End: end}}
}

// oneSeries is a good layout of the series a{x="1"}.
func oneSeries() *pluginpb.LayoutPart {
	return &pluginpb.LayoutPart{Epoch: 5, Strings: []string{"__name__", "a", "x", "1"}, LabelCounts: []uint32{2}, Labels: []uint32{0, 1, 2, 3}, Kinds: []byte{1}}
}

func value(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }

func TestReceiverRefuses(t *testing.T) {
	layout := func(change func(*pluginpb.LayoutPart)) *pluginpb.CollectResponse {
		part := oneSeries()
		change(part)
		return layoutMessage(part)
	}
	good := layoutMessage(oneSeries())
	row := rowMessage(&pluginpb.RowPart{Values: value(1)})
	for want, messages := range map[string][]*pluginpb.CollectResponse{
		"no known kind":          {{}},
		"epoch 0":                {layout(func(l *pluginpb.LayoutPart) { l.Epoch = 0 })},
		"two layouts":            {good, layout(func(l *pluginpb.LayoutPart) { l.Epoch = 6 })},
		"after the first values": {good, row, good},
		"begins at series 7":     {layout(func(l *pluginpb.LayoutPart) { l.First = 7 })},
		"begins at series 0":     {good, good},
		"2 kinds for 1 series":   {layout(func(l *pluginpb.LayoutPart) { l.Kinds = []byte{1, 2} })},
		"more than 3 series": {layout(func(l *pluginpb.LayoutPart) {
			l.LabelCounts, l.Kinds = make([]uint32, 4), make([]byte, 4)
		})},
		"is empty or no UTF-8":     {layout(func(l *pluginpb.LayoutPart) { l.Strings[3] = "" })},
		"empty or no UTF-8":        {layout(func(l *pluginpb.LayoutPart) { l.Strings[3] = "\xff" })},
		"fewer labels":             {layout(func(l *pluginpb.LayoutPart) { l.LabelCounts[0] = math.MaxUint32 })},
		"more labels":              {layout(func(l *pluginpb.LayoutPart) { l.LabelCounts[0] = 1 })},
		"more labels than":         {layout(func(l *pluginpb.LayoutPart) { l.Labels = append(l.Labels, 0) })},
		"string that is not there": {layout(func(l *pluginpb.LayoutPart) { l.Labels[3] = 4 })},
		"unknown kind 7":           {layout(func(l *pluginpb.LayoutPart) { l.Kinds[0] = 7 })},
		"not sorted by name":       {layout(func(l *pluginpb.LayoutPart) { l.Labels = []uint32{2, 3, 0, 1} })},
		"one name occurs twice":    {layout(func(l *pluginpb.LayoutPart) { l.Labels = []uint32{0, 1, 0, 1} })},
		"has no metric name":       {layout(func(l *pluginpb.LayoutPart) { l.Labels, l.LabelCounts = []uint32{2, 3}, []uint32{1} })},
		`series a{x="1"} occurs twice`: {layout(func(l *pluginpb.LayoutPart) {
			l.LabelCounts, l.Kinds, l.Labels = []uint32{2, 2}, []byte{1, 1}, append(l.Labels, l.Labels...)
		})},
		"values without a layout": {row},
		"begins at column 1":      {good, rowMessage(&pluginpb.RowPart{First: 1, Values: value(1)})},
		"ends inside a value":     {good, rowMessage(&pluginpb.RowPart{Values: value(1)[:7]})},
		"another number of times": {good, rowMessage(&pluginpb.RowPart{Values: value(1), Times: make([]byte, 16)})},
		"more values than the 1":  {good, row, rowMessage(&pluginpb.RowPart{First: 1, Values: value(1)})},
		"End without a layout":    {endMessage(&pluginpb.End{})},
		"End of epoch 6":          {good, row, endMessage(&pluginpb.End{Epoch: 6, Series: 1})},
		"0 values and an End":     {good, endMessage(&pluginpb.End{Epoch: 5, Series: 1})},
		"an End that says 2":      {good, row, endMessage(&pluginpb.End{Epoch: 5, Series: 2})},
		"negative time":           {good, row, endMessage(&pluginpb.End{Epoch: 5, Series: 1, TimeMs: -1})},
		"a negative time or size": {good, row, endMessage(&pluginpb.End{Epoch: 5, Series: 1, PageBytes: -1})},
	} {
		r := newReceiver(knownLayout{}, Limits{Series: 3})
		var err error
		for i, m := range messages {
			if err = r.take(m); err != nil && i < len(messages)-1 {
				t.Errorf("%s: already message %d: %v", want, i, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestReceiverBoundsTheAnswer(t *testing.T) {
	r := newReceiver(knownLayout{}, Limits{})
	part := layoutMessage(&pluginpb.LayoutPart{Epoch: 1, Strings: []string{strings.Repeat("x", 8<<20)}})
	for range maxAnswer/(8<<20) + 1 {
		if err := r.take(part); err != nil {
			return
		}
	}
	t.Error("it takes whatever comes")
}

// stream collects what is sent.
type stream struct {
	grpc.ServerStream
	sent []*pluginpb.CollectResponse
}

func (s *stream) Send(m *pluginpb.CollectResponse) error {
	s.sent = append(s.sent, m)
	return nil
}

// What is sent arrives, in messages below 1 MiB, and below 32 KiB for values.
func TestSendAndReceive(t *testing.T) {
	const part = rowBytes / 8
	for _, n := range []int{0, 1, 3, part / 2, part, part + 1, 13 * part} {
		for _, times := range []bool{false, true} {
			f := frame.Frame{Layout: &frame.Layout{}, Values: make([]float64, n)}
			for i := range n {
				f.Layout.Series = append(f.Layout.Series, frame.Series{
					Labels: frame.FromMap(map[string]string{frame.MetricName: "m", "i": fmt.Sprint(i), "code": "200"}), Kind: frame.Kind(i % 7),
				})
				f.Values[i] = float64(i)
			}
			if n > 1 {
				f.Values[1] = math.Float64frombits(0x7ff0000000000002) // Prometheus' stale marker must survive
			}
			if times {
				f.Times = make([]int64, n)
				for i := range f.Times {
					f.Times[i] = int64(-i)
				}
			}
			s := &stream{}
			if err := sendLayout(s, 9, f.Layout, nil); err != nil {
				t.Fatal(err)
			}
			if err := sendRow(s, &f); err != nil {
				t.Fatal(err)
			}
			s.sent = append(s.sent, endMessage(&pluginpb.End{Epoch: 9, Series: uint64(n)}))
			r := newReceiver(knownLayout{}, Limits{})
			for _, m := range s.sent {
				limit := 1 << 20
				if m.GetRow() != nil {
					limit = 32 << 10
				}
				if size := proto.Size(m); size > limit {
					t.Errorf("a message of %d bytes", size)
				}
				if err := r.take(m); err != nil {
					t.Fatal(err)
				}
			}
			got := r.collection.Frame
			if !r.layout.Equal(f.Layout) || len(got.Values) != n || !times && got.Times != nil {
				t.Fatalf("%d series: got %d and %d values", n, len(r.layout.Series), len(got.Values))
			}
			for i := range n {
				if math.Float64bits(got.Values[i]) != math.Float64bits(f.Values[i]) || times && got.Times[i] != f.Times[i] {
					t.Fatalf("value %d is %v", i, got.Values[i])
				}
			}
		}
	}
}

func TestLayoutPartWithHugeLabels(t *testing.T) {
	series := []frame.Series{
		{Labels: frame.FromMap(map[string]string{frame.MetricName: strings.Repeat("x", 2<<20)})},
		{Labels: frame.FromMap(map[string]string{frame.MetricName: "y"})},
	}
	s := &stream{}
	if err := sendLayout(s, 1, &frame.Layout{Series: series}, nil); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, m := range s.sent {
		counts = append(counts, len(m.GetLayout().GetKinds()))
	}
	if diff := cmp.Diff([]int{1, 1}, counts); diff != "" {
		t.Error(diff)
	}
}

// FuzzReceive sends arbitrary bytes as the messages of an answer: each is refused, or the frame is a good one.
func FuzzReceive(f *testing.F) {
	for _, m := range []*pluginpb.CollectResponse{layoutMessage(oneSeries()), rowMessage(&pluginpb.RowPart{Values: value(1)}), endMessage(&pluginpb.End{Epoch: 5, Series: 1})} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	difference, err := proto.Marshal(layoutMessage(&pluginpb.LayoutPart{
		Epoch: 6, Strings: []string{"__name__", "c"}, LabelCounts: []uint32{1}, Labels: []uint32{0, 1}, Kinds: []byte{1}, Taken: []uint32{0, 1, 1, 1, 0, 1},
	}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(difference, difference)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		r := newReceiver(knownLayout{layout: layoutOf("a", "b"), epoch: 5}, Limits{Series: 1000})
		for _, data := range [][]byte{one, two, one} {
			var m pluginpb.CollectResponse
			if proto.Unmarshal(data, &m) != nil || r.take(&m) != nil {
				return
			}
			if r.ended {
				r.collection.Frame.Layout = r.layout
				if err := r.collection.Frame.Check(); err != nil {
					t.Error(err)
				}
				names := map[string]bool{}
				for _, series := range r.layout.Series {
					if text := series.Labels.String(); names[text] {
						t.Errorf("%s occurs twice", text)
					} else {
						names[text] = true
					}
				}
				return
			}
		}
	})
}

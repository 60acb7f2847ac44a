package rule

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// tb is a [testing.TB] or a [rapid.T].
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// reading is an input with one value for each series.
func reading(t tb, series []frame.Series, values []float64) *Input {
	t.Helper()
	block, err := abi.EncodeDictionary(&abi.Dictionary{Generation: 1, Series: series}, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	table := &table{}
	if table.series, err = abi.DecodeDictionary(block); err != nil {
		t.Fatalf("%v", err)
	}
	in := &abi.Input{Values: values, Flags: make([]uint8, len(series))}
	for i := range series {
		in.Series, in.Spans = append(in.Series, uint32(i)), append(in.Spans, abi.Span{Start: uint32(i), Count: 1})
	}
	return &Input{in: in, table: table}
}

// columns are the series of a native histogram.
type columns struct {
	series []frame.Series
	values []float64
}

func (c *columns) add(pod string, part string, value float64) {
	labels := frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "h"}, frame.Label{Name: "pod", Value: pod}, frame.Label{Name: frame.PartLabel, Value: part})
	c.series, c.values = append(c.series, frame.Series{Labels: labels, Kind: frame.Histogram}), append(c.values, value)
}

func (c *columns) histogram(pod string, h *histogram.FloatHistogram) {
	grid := frame.Grid{Schema: h.Schema, Threshold: h.ZeroThreshold}
	if h.UsesCustomBuckets() {
		grid = frame.CustomGrid(h.CustomValues)
	}
	piece := func(p frame.Piece, index int32, upper, value float64) {
		c.add(pod, frame.Part{Grid: grid, Piece: p, Index: index, Upper: upper}.String(), value)
	}
	piece(frame.Observations, 0, 0, h.Count)
	piece(frame.Sum, 0, 0, h.Sum)
	if h.UsesCustomBuckets() {
		for it := h.PositiveBucketIterator(); it.Next(); {
			piece(frame.Custom, 0, it.At().Upper, it.At().Count)
		}
		return
	}
	piece(frame.Zero, 0, 0, h.ZeroCount)
	for it := h.PositiveBucketIterator(); it.Next(); {
		piece(frame.Positive, it.At().Index, 0, it.At().Count)
	}
	for it := h.NegativeBucketIterator(); it.Next(); {
		piece(frame.Negative, it.At().Index, 0, it.At().Count)
	}
}

func (c *columns) sum(t tb) Histogram {
	in := reading(t, c.series, c.values)
	return in.Histograms(in.GroupBy(), nil)[0]
}

// drawHistogram draws an exponential histogram with buckets on both sides, or only of one, or one with custom buckets.
func drawHistogram(r *rapid.T, custom bool, threshold float64) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: frame.CustomSchema}
	size := func() uint32 { return rapid.Uint32Range(0, 5).Draw(r, "buckets") }
	if custom {
		h.CustomValues = rapid.SampledFrom([][]float64{{0.5, 1, 5}, {1, 5}, {-2, 0, 1}, {-3, -2, -1}, {0.25}, nil}).Draw(r, "bounds")
		h.PositiveSpans = []histogram.Span{{Length: uint32(len(h.CustomValues) + 1)}}
	} else {
		h.Schema = rapid.Int32Range(-4, 8).Draw(r, "schema")
		h.ZeroThreshold = threshold
		first := int32(-3)
		for frame.Bound(h.Schema, first-1) < threshold {
			first++
		}
		first += rapid.Int32Range(0, 9).Draw(r, "offset")
		h.PositiveSpans = []histogram.Span{{Offset: first, Length: size()}, {Offset: rapid.Int32Range(0, 3).Draw(r, "gap"), Length: size()}}
		h.NegativeSpans = []histogram.Span{{Offset: first, Length: size()}}
	}
	observe := func(into *float64) {
		n := float64(rapid.SampledFrom([]int{0, 0, 1, 2, 5, 100}).Draw(r, "observations"))
		*into += n
		h.Count += n
		h.Sum += n
	}
	h.PositiveBuckets, h.NegativeBuckets = make([]float64, length(h.PositiveSpans)), make([]float64, length(h.NegativeSpans))
	for k := range h.PositiveBuckets {
		observe(&h.PositiveBuckets[k])
	}
	for k := range h.NegativeBuckets {
		observe(&h.NegativeBuckets[k])
	}
	if !custom {
		observe(&h.ZeroCount)
		if rapid.IntRange(0, 9).Draw(r, "NaN") == 0 {
			h.Count, h.Sum = h.Count+2, math.NaN()
		}
	}
	return h
}

func length(spans []histogram.Span) (n uint32) {
	for _, s := range spans {
		n += s.Length
	}
	return n
}

// TestNativeQuantile adds up two histograms and compares quantiles with histogram_quantile of the sum in Prometheus.
func TestNativeQuantile(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		custom := rapid.IntRange(0, 3).Draw(r, "custom") == 0
		thresholds := []float64{0, 1e-128, 0.5, 4}
		a := drawHistogram(r, custom, rapid.SampledFrom(thresholds).Draw(r, "threshold"))
		b := drawHistogram(r, custom, rapid.SampledFrom(thresholds).Draw(r, "threshold"))
		var c columns
		c.histogram("a", a)
		c.histogram("b", b)
		got := c.sum(r)
		sum, _, _, err := a.Copy().Compact(0).Add(b.Copy().Compact(0))
		if err != nil {
			r.Fatal(err)
		}
		sum.Compact(0)
		if inBuckets(sum) > sum.Count {
			return // where a zero bucket is widened and buckets too, Prometheus counts some observations twice
		}
		if !got.Native || got.Mixed || !(math.Abs(got.Count()-sum.Count) < 1e-9) {
			r.Fatalf("%+v of %s", got, sum)
		}
		q := rapid.OneOf(rapid.SampledFrom([]float64{0, 0.25, 0.5, 0.9, 0.99, 1, -1, 2, math.NaN()}), rapid.Float64Range(0, 1)).Draw(r, "q")
		want, ok := quantileOf(sum, q)
		if !ok {
			return
		}
		if len(sum.CustomValues) == 0 && custom && q >= 0 && q <= 1 {
			want = math.NaN() // of the one bucket up to +Inf nothing is known; Prometheus says +Inf, or NaN
		}
		if diff := cmp.Diff(want, got.Quantile(q), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 1e-12*sum.ZeroThreshold)); diff != "" {
			r.Fatalf("quantile %v of %s, from %s and %s: %s\n%+v", q, sum, a, b, diff, got)
		}
		if upper := rapid.Float64Range(-300, 300).Draw(r, "upper"); !custom && !math.IsNaN(sum.Sum) && upper != 0 {
			want, _ := promql.HistogramFraction(math.Inf(-1), upper, sum, "h", posrange.PositionRange{})
			if diff := cmp.Diff(want, got.Share(upper), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 1e-12)); diff != "" {
				r.Fatalf("share up to %v of %s: %s\n%+v", upper, sum, diff, got)
			}
		}
	})
}

func inBuckets(h *histogram.FloatHistogram) (n float64) {
	for it := h.AllBucketIterator(); it.Next(); {
		n += it.At().Count
	}
	return n
}

// quantileOf asks Prometheus, false where its answer is of no use: its version 0.315 looks at the wrong bucket if there were
// observations that are NaN. A smaller quantile without them is the same.
func quantileOf(h *histogram.FloatHistogram, q float64) (float64, bool) {
	if math.IsNaN(h.Sum) && q >= 0 && q <= 1 {
		rank := q * h.Count
		h = h.Copy()
		h.Sum, h.Count = 0, inBuckets(h)
		if rank > h.Count {
			return math.NaN(), true
		}
		if q = rank / h.Count; q >= 0.5 {
			return 0, false
		}
	}
	v, _ := promql.HistogramQuantile(q, h, "h", posrange.PositionRange{})
	return v, true
}

// TestNativeGroups: what belongs to a group is added up, what cannot be is said.
func TestNativeGroups(t *testing.T) {
	var c columns
	c.add("a", "0/0 count", 5)
	c.add("a", "0/0 p1", 3)
	c.add("b", "0/0 p2", 1)
	c.add("a", "0/0 p3", 2)
	c.add("b", "custom/1 le1", 4)
	c.add("c", "custom/1 le1", 4)
	c.add("c", "custom/1 le+Inf", 1)
	c.add("d", "0/0 zero", 0)
	c.add("e", "0/0 p1", 1)
	c.add("f", "no part", 1)
	c.series[len(c.series)-2].Labels = c.series[len(c.series)-2].Labels.With(frame.Label{Name: frame.PartLabel}, frame.Label{Name: "le", Value: "1"})
	c.add("e", "0/0 p1", 1)
	in := reading(t, c.series, c.values)
	inf := math.Inf(1)
	want := map[string]Histogram{
		"a": {Native: true, Buckets: []Bucket{{1, 0}, {2, 3}, {4, 3}, {8, 5}, {inf, 5}}},
		"b": {Native: true, Mixed: true},
		"c": {Native: true, Buckets: []Bucket{{1, 4}, {inf, 5}}},
		"d": {Native: true, Buckets: []Bucket{{inf, 0}}},
		"e": {Native: true, Mixed: true},
		"f": {},
	}
	g := in.GroupBy("pod")
	var all []Histogram
	for range 2 { // memory is used again
		all = in.Histograms(g, all)
		for i, got := range all {
			pod := g.At(i).labels.Get("pod")
			w := want[pod]
			w.Listed = true
			if diff := cmp.Diff(w, got, cmpopts.IgnoreUnexported(Histogram{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("pod %s (-want +got):\n%s", pod, diff)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { all = in.Histograms(g, all) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNativeHostile: whatever parts there are, and whatever their values, adding them up comes to an end.
func TestNativeHostile(t *testing.T) {
	parts := []string{
		"8/0 p2147483647", "8/0 p-2147483648", "-4/0 n2147483647", "-4/1e300 zero", "8/1e300 count", "3/0.1 p-20", "3/0.1 p0", "2/0.1 n1", "2/0 sum", "2/0 zero",
	}
	customs := []string{"custom/1 le1", "custom/1 le+Inf", "custom/2 le-Inf", "custom/2 le1", "custom/1 count"}
	rapid.Check(t, func(r *rapid.T) {
		from := rapid.SampledFrom([][]string{parts, customs, slices.Concat(parts, customs)}).Draw(r, "from")
		var c columns
		for i, part := range rapid.SliceOfN(rapid.SampledFrom(from), 1, 12).Draw(r, "parts") {
			v := rapid.SampledFrom([]float64{-1, 0, 1, 3, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(r, "value")
			c.add(string(rune('a'+i)), part, v)
		}
		h := c.sum(r)
		for i := 1; i < len(h.Buckets); i++ {
			if h.Buckets[i].Count < h.Buckets[i-1].Count {
				r.Errorf("the buckets fall: %+v", h)
			}
		}
		h.Quantile(rapid.Float64Range(0, 1).Draw(r, "q"))
		h.Share(rapid.Float64().Draw(r, "upper"))
	})
}

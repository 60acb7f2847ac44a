package query

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// nativeExpressions are what people ask of native histograms.
var nativeExpressions = []string{
	"h", `h{a="0"}`, "-h", "h * 2", "sum(h)", "count(h)", "histogram_quantile(0.5, h)",
	"histogram_quantile(0.9, rate(h[1m]))", "histogram_quantile(0.5, sum(rate(h[1m])))", "histogram_quantile(0.99, sum by (a) (increase(h[2m])))",
	"histogram_fraction(0, 2, rate(h[1m]))", "histogram_count(increase(h[1m]))", "histogram_sum(rate(h[1m]))", "histogram_avg(h)",
	"resets(h[2m])", "changes(h[2m])", "count_over_time(h[1m])", "last_over_time(h[1m])", "sum_over_time(h[1m])", "avg_over_time(h[1m])",
	"irate(h[1m])", "delta(h[1m])", "absent(h)", "present_over_time(h[1m])", "h offset 30s", "rate(h[1m] offset 30s)", "timestamp(h)",
	"max_over_time(histogram_quantile(0.9, rate(h[1m]))[1m:15s])", `histogram_count(h) > 3 unless h{a="1"}`, "group by (a) (h)",
}

// TestNativeAgainstPrometheus evaluates expressions over histograms that grow, are reset, change their schema, their zero
// bucket or their bounds, turn into numbers and back, come and go; over windows and as they are. The results are the same.
func TestNativeAgainstPrometheus(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		samples := &sampleSet{}
		for _, a := range []string{"0", "1"}[:rapid.IntRange(1, 2).Draw(r, "series")] {
			samples.series = append(samples.series, drawSeries(r, labels.FromStrings(frame.MetricName, "h", "a", a)))
		}
		text := rapid.SampledFrom(nativeExpressions).Draw(r, "expression")
		ours := New(Options{})
		plain := acceptance{plain: promql.NewEngine(promql.EngineOpts{
			MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() }, Parser: parser.NewParser(parser.Options{}),
		})}
		store := window.New(window.Options{})
		rule, err := ours.Bind(t.Context(), store, text)
		if err != nil {
			r.Fatal(err)
		}
		defer rule.Close()
		feed := samples.feed(store)
		for at := time.UnixMilli(15_000); at.UnixMilli() < 300_000; at = at.Add(30 * time.Second) {
			feed.until(t, at)
			want := plain.exec(t.Context(), plain.plain, samples, text, at)
			got := plain.exec(t.Context(), ours.promql, rule.read(at), text, at)
			if diff := difference(want, got); diff != "" {
				r.Fatalf("%s at %s: %s\nPrometheus:\n%v\nover windows:\n%v", text, at.UTC(), diff, want, got)
			}
		}
	})
}

// drawSeries draws a history with a sample every 10 seconds.
func drawSeries(r *rapid.T, metric labels.Labels) promql.Series {
	s := promql.Series{Metric: metric}
	bounds := [][]float64{{0.5, 1, 5}, {1, 5}, {0.25}}
	var h *histogram.FloatHistogram
	for i := range 30 {
		at := int64(i) * 10_000
		switch rapid.IntRange(0, 24).Draw(r, "what") {
		case 0: // another grid, all that was counted goes with it or not
			h = nil
		case 1:
			continue
		case 2:
			s.Floats = append(s.Floats, promql.FPoint{T: at, F: float64(i)})
			continue
		case 3:
			if len(s.Histograms) > 0 {
				s.Floats = append(s.Floats, promql.FPoint{T: at, F: math.Float64frombits(value.StaleNaN)})
				continue
			}
		case 4: // coarser
			if h != nil && h.Schema > -4 {
				h = h.CopyToSchema(h.Schema - 1)
			}
		}
		if h == nil {
			h = &histogram.FloatHistogram{Schema: rapid.SampledFrom([]int32{-4, 0, 2, 3, 8, frame.CustomSchema}).Draw(r, "schema")}
			if h.UsesCustomBuckets() {
				h.CustomValues = rapid.SampledFrom(bounds).Draw(r, "bounds")
				h.PositiveSpans = []histogram.Span{{Length: uint32(len(h.CustomValues) + 1)}}
			} else {
				h.ZeroThreshold = rapid.SampledFrom([]float64{0, 1e-128, 0.5}).Draw(r, "threshold")
				h.PositiveSpans = []histogram.Span{{Offset: rapid.Int32Range(-2, 3).Draw(r, "offset"), Length: 2}, {Offset: rapid.Int32Range(0, 2).Draw(r, "gap"), Length: 2}}
				h.NegativeSpans = []histogram.Span{{Length: rapid.Uint32Range(0, 2).Draw(r, "negative")}}
			}
			h.PositiveBuckets, h.NegativeBuckets = make([]float64, count(h.PositiveSpans)), make([]float64, count(h.NegativeSpans))
		}
		h = h.Copy()
		observe := func(into *float64) {
			n := float64(rapid.IntRange(0, 3).Draw(r, "observations"))
			*into += n
			h.Count += n
			h.Sum += n * 1.5
		}
		for k := range h.PositiveBuckets {
			observe(&h.PositiveBuckets[k])
		}
		for k := range h.NegativeBuckets {
			observe(&h.NegativeBuckets[k])
		}
		if !h.UsesCustomBuckets() {
			observe(&h.ZeroCount)
		}
		s.Histograms = append(s.Histograms, promql.HPoint{T: at, H: h.Copy().Compact(0)})
	}
	return s
}

func count(spans []histogram.Span) (n uint32) {
	for _, s := range spans {
		n += s.Length
	}
	return n
}

// TestNativeHostile: parts that no source sends, in any combination, are never more than a strange histogram.
func TestNativeHostile(t *testing.T) {
	parts := []string{
		"3/0 count", "3/0 sum", "3/0 zero", "3/0 p1", "3/0 p2147483647", "3/0 p-2147483648", "3/0 n2147483647", "3/0 n-2147483648", "8/0 p1", "8/0 count",
		"2/0.5 count", "2/0.5 p-3", "2/1e300 count", "2/1e300 p0", "custom/1 count", "custom/1 le1", "custom/1 le-Inf", "custom/1 le+Inf", "custom/1 le5", "x", "",
	}
	ls := frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "h"})
	rapid.Check(t, func(r *rapid.T) {
		store := window.New(window.Options{})
		rule, err := New(Options{}).Bind(t.Context(), store, rapid.SampledFrom(nativeExpressions).Draw(r, "expression"))
		if err != nil {
			r.Fatal(err)
		}
		defer rule.Close()
		target := store.Open(nil, 10*time.Second)
		for i := range 6 {
			at := int64(i+1) * 10_000
			f := frame.Frame{Layout: &frame.Layout{}, Time: at}
			for _, part := range rapid.SliceOfDistinct(rapid.SampledFrom(parts), rapid.ID[string]).Draw(r, "parts") {
				labels := ls.With(frame.Label{Name: frame.PartLabel, Value: part})
				f.Layout.Series = append(f.Layout.Series, frame.Series{Labels: labels, Kind: frame.Histogram})
				f.Values = append(f.Values, rapid.SampledFrom([]float64{-1, 0, 1, 5, math.NaN(), math.Inf(1), math.Float64frombits(value.StaleNaN)}).Draw(r, "value"))
			}
			if err := target.Append(f, frame.Frame{Layout: &frame.Layout{}, Time: at}); err != nil {
				r.Fatal(err)
			}
			// An error is Prometheus' word on it; to come back is what counts.
			_, _ = rule.Eval(t.Context(), time.UnixMilli(at))
		}
	})
}

package wasm_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// counters is a window of n request counters of so many endpoints, already reduced to their increases.
func counters(n, endpoints int) (*abi.Dictionary, *abi.Window) {
	d := &abi.Dictionary{Generation: 1}
	in := abi.Input{Reduce: abi.Increase, Start: 1_700_000_000_000 - 300_000, End: 1_700_000_000_000, TargetsExpected: 1, TargetsAnswered: 1}
	codes := []string{"200", "404", "500", "503"}
	for i := range n {
		d.Series = append(d.Series, frame.Series{Kind: frame.Counter, Labels: frame.FromMap(map[string]string{
			"__name__": "http_requests_total", "code": codes[i/endpoints%4], "endpoint": fmt.Sprintf("/api/%d", i%endpoints),
			"instance": fmt.Sprintf("10.0.%d.%d:9113", i/256%256, i%256), "job": "gateway",
		})})
		in.Series = append(in.Series, uint32(i))
		in.Spans = append(in.Spans, abi.Span{Start: uint32(i), Count: 1})
		in.TimeRef = append(in.TimeRef, 0)
		in.Flags = append(in.Flags, abi.FlagCounter)
		in.Values = append(in.Values, float64(i%97))
	}
	return d, &abi.Window{Sequence: 1, Time: 1_700_000_000_000, Generation: 1, IntervalMS: 15_000, Inputs: []abi.Input{in}}
}

// BenchmarkErrorRate is one evaluation of the error_rate module, host and guest, without the reduction over time, which
// core/window does. The window is new each time, the series are not.
func BenchmarkErrorRate(b *testing.B) {
	code := build(b, "../../rules-wasm/error_rate")
	h := newHost(b, wasm.Options{})
	for _, size := range []struct{ series, endpoints int }{{10, 5}, {100, 10}, {100_000, 100}} {
		for _, trusted := range []bool{false, true} {
			name := fmt.Sprintf("%d series by %d endpoints/metered=%v", size.series, size.endpoints, !trusted)
			b.Run(name, func(b *testing.B) {
				m, err := h.Load(b.Context(), "error_rate", code, wasm.Limits{Trusted: trusted})
				if err != nil {
					b.Fatal(err)
				}
				r, err := m.NewRule(b.Context(), wasm.RuleOptions{ID: "r", Params: json.RawMessage(`{"by":["endpoint"]}`)})
				if err != nil {
					b.Fatal(err)
				}
				d, w := counters(size.series, size.endpoints)
				if _, err := r.Eval(b.Context(), d, w); err != nil { // the series are sent and grouped
					b.Fatal(err)
				}
				b.ReportAllocs()
				fuel := uint64(0)
				for b.Loop() {
					w.Sequence++
					e, err := r.Eval(b.Context(), d, w)
					if err != nil || len(e.Verdicts) != size.endpoints {
						b.Fatal(len(e.Verdicts), err)
					}
					fuel = e.Fuel
				}
				b.ReportMetric(float64(fuel), "fuel")
				if err := r.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkFuelOverhead evaluates error_rate metered and not, in turns, and reports how many times as long an evaluation
// takes with fuel, by the medians: what else the machine does meets both alike.
func BenchmarkFuelOverhead(b *testing.B) {
	code := build(b, "../../rules-wasm/error_rate")
	h := newHost(b, wasm.Options{})
	for _, size := range []struct{ series, endpoints int }{{100, 10}, {10_000, 100}, {100_000, 100}} {
		b.Run(fmt.Sprintf("%d series by %d endpoints", size.series, size.endpoints), func(b *testing.B) {
			d, w := counters(size.series, size.endpoints)
			var rules [2]*wasm.Rule
			for i, trusted := range []bool{false, true} {
				m, err := h.Load(b.Context(), "error_rate", code, wasm.Limits{Trusted: trusted})
				if err != nil {
					b.Fatal(err)
				}
				rules[i], err = m.NewRule(b.Context(), wasm.RuleOptions{ID: "r", Params: json.RawMessage(`{"by":["endpoint"]}`)})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := rules[i].Eval(b.Context(), d, w); err != nil { // the series are sent and grouped
					b.Fatal(err)
				}
			}
			var took [2][]time.Duration
			for b.Loop() {
				w.Sequence++
				for i, r := range rules {
					begun := time.Now()
					e, err := r.Eval(b.Context(), d, w)
					took[i] = append(took[i], time.Since(begun))
					if err != nil || len(e.Verdicts) != size.endpoints {
						b.Fatal(len(e.Verdicts), err)
					}
				}
			}
			var median [2]float64
			for i := range took {
				slices.Sort(took[i])
				median[i] = float64(took[i][len(took[i])/2])
				if err := rules[i].Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(median[0], "metered-ns")
			b.ReportMetric(median[1], "unmetered-ns")
			b.ReportMetric(median[0]/median[1], "overhead")
		})
	}
}

// BenchmarkSeries is what a new generation of 100,000 series costs: sent, copied, grouped, matched, and evaluated once.
func BenchmarkSeries(b *testing.B) {
	code := build(b, "../../rules-wasm/error_rate")
	h := newHost(b, wasm.Options{})
	m, err := h.Load(b.Context(), "error_rate", code, wasm.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	r, err := m.NewRule(b.Context(), wasm.RuleOptions{ID: "r", Params: json.RawMessage(`{"by":["endpoint"]}`)})
	if err != nil {
		b.Fatal(err)
	}
	d, w := counters(100_000, 100)
	fuel := uint64(0)
	for b.Loop() {
		next := *d
		next.Generation++
		d = &next
		e, err := r.Eval(b.Context(), d, w)
		if err != nil {
			b.Fatal(err)
		}
		fuel = e.Fuel
	}
	b.ReportMetric(float64(fuel), "fuel")
	if err := r.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

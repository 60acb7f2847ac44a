package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// BenchmarkEval evaluates expressions over 10,000 series with a sample every 15 seconds.
func BenchmarkEval(b *testing.B) {
	const series, targets = 10_000, 10
	for _, bm := range []struct{ name, text string }{
		{"instant", "errors_total > 1e9"},
		{"rate", "rate(errors_total[5m]) > 1e9"},
		{"sum of rates", "sum by (path) (rate(errors_total[5m])) > 1e9"},
		{"ratio", `sum by (path) (rate(errors_total{code="500"}[5m])) / sum by (path) (rate(errors_total[5m])) > 0.9`},
		{"an hour ago", "errors_total - errors_total offset 1h > 1e9"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			store := window.New(window.Options{})
			rule, err := New(Options{}).Bind(b.Context(), store, bm.text)
			if err != nil {
				b.Fatal(err)
			}
			defer rule.Close()
			at := fill(b, store, targets, series/targets, 250)
			if _, err := rule.Eval(b.Context(), at); err != nil {
				b.Fatal(err)
			}
			samples := 0
			for _, in := range rule.window.Inputs {
				samples += len(in.Values)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rule.Eval(b.Context(), at); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series), "ns/series")
			b.ReportMetric(float64(samples), "samples")
		})
	}
}

// fill appends rows to targets and returns the time of the last one.
func fill(b *testing.B, store *window.Store, targets, series, rows int) time.Time {
	at := time.Unix(1_700_000_000, 0)
	end := at.Add(time.Duration(rows) * 15 * time.Second)
	for t := range targets {
		labels := frame.NewLabels(frame.Label{Name: "job", Value: "gateway"}, frame.Label{Name: "instance", Value: fmt.Sprint("gw", t)})
		target := store.Open(labels, 15*time.Second)
		layout := &frame.Layout{}
		for i := range series {
			layout.Series = append(layout.Series, frame.Series{Kind: frame.Counter, Labels: labels.With(
				frame.Label{Name: frame.MetricName, Value: "errors_total"},
				frame.Label{Name: "code", Value: []string{"200", "404", "500", "503"}[i%4]},
				frame.Label{Name: "path", Value: fmt.Sprint("/api/", i/4)},
			)})
		}
		values := make([]float64, series)
		for row := range rows {
			for i := range values {
				values[i] += float64((i + row) % 7)
			}
			ms := at.Add(time.Duration(row+1) * 15 * time.Second).UnixMilli()
			if err := target.Append(frame.Frame{Layout: layout, Time: ms, Values: values}, frame.Frame{Layout: &frame.Layout{}, Time: ms}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return end
}

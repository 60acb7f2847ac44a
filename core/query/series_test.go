package query

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// TestIteratorAgainstPrometheus walks the same samples with our iterator and with one of Prometheus.
func TestIteratorAgainstPrometheus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours := &series{}
		var theirs promql.Series
		for at := range rapid.IntRange(0, 8).Draw(t, "samples") {
			ours.times, ours.values = append(ours.times, int64(10*at)), append(ours.values, float64(at))
			theirs.Floats = append(theirs.Floats, promql.FPoint{T: int64(10 * at), F: float64(at)})
		}
		got := ours.Iterator(ours.Iterator(nil))
		want := promql.NewStorageSeries(theirs).Iterator(nil)
		for range 12 {
			var a, b chunkenc.ValueType
			if rapid.Bool().Draw(t, "seek") {
				to := rapid.Int64Range(-5, 90).Draw(t, "to")
				a, b = got.Seek(to), want.Seek(to)
			} else {
				a, b = got.Next(), want.Next()
			}
			if a != b {
				t.Fatalf("found %v, want %v", a, b)
			}
			if a == chunkenc.ValNone {
				return // exhausted; what follows is unspecified
			}
			gotTime, gotValue := got.At()
			wantTime, wantValue := want.At()
			if gotTime != wantTime || gotValue != wantValue || got.AtT() != wantTime {
				t.Fatalf("at %d: %g, want %d: %g", gotTime, gotValue, wantTime, wantValue)
			}
		}
	})
}

func TestSeriesSetIsSortedWhenAsked(t *testing.T) {
	in := &abi.Input{
		Series: []uint32{1, 0, 2}, TimeRef: []uint32{0, 0, 0}, Times: []int64{5}, Values: []float64{1, 2},
		Spans: []abi.Span{{Start: 0, Count: 1}, {Start: 1, Count: 1}, {}},
	}
	names := &names{labels: []labels.Labels{labels.FromStrings("a", "0"), labels.FromStrings("a", "1"), labels.FromStrings("a", "2")}}
	for sorted, want := range map[bool]string{true: "01", false: "10"} {
		got := ""
		set := newSeriesSet(in, names, sorted)
		for set.Next() {
			got += set.At().Labels().Get("a")
		}
		if got != want || set.Err() != nil {
			t.Errorf("sorted %v: %s, want %s", sorted, got, want)
		}
	}
}

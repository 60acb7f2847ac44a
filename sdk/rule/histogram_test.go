package rule

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// latency is a histogram as services have it: 100 requests.
var latency = []Bucket{{0.1, 50}, {0.5, 90}, {1, 99}, {math.Inf(1), 100}}

func TestHistogramQuantile(t *testing.T) {
	none, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		buckets []Bucket
		q       float64
		want    float64
	}{
		{latency, 0.5, 0.1},
		{latency, 0.25, 0.05},
		{latency, 0.7, 0.3},
		{latency, 0.99, 1},
		{latency, 0.995, 1}, // above the highest bound nothing is known
		{latency, 0, 0},
		{latency, 1, 1},
		{latency, -0.1, -inf},
		{latency, 1.1, inf},
		{latency, none, none},
		{nil, 0.5, none},
		{[]Bucket{{inf, 5}}, 0.5, none},
		{[]Bucket{{1, 5}, {2, 5}}, 0.5, none},
		{[]Bucket{{1, 0}, {inf, 0}}, 0.5, none},
		{[]Bucket{{-1, 5}, {0, 6}, {inf, 10}}, 0.1, -1},
		{[]Bucket{{inf, 10}, {1, 4}, {0.5, 6}, {1, 1}}, 0.8, 1}, // sorted, added up, raised
	} {
		got := NewHistogram(append([]Bucket(nil), tt.buckets...)).Quantile(tt.q)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-12)); diff != "" && tt.buckets != nil {
			t.Errorf("%v of %v: %s", tt.q, tt.buckets, diff)
		}
	}
}

func TestHistogramShare(t *testing.T) {
	h := NewHistogram(append([]Bucket(nil), latency...))
	for upper, want := range map[float64]float64{0.1: 0.5, 0.3: 0.7, 0.5: 0.9, 1: 0.99, 5: 0.99, math.Inf(1): 1, 0: 0, -1: 0} {
		if got := h.Share(upper); math.Abs(got-want) > 1e-12 {
			t.Errorf("at most %v: got %v, want %v", upper, got, want)
		}
	}
	if h.Count() != 100 || !math.IsNaN(Histogram{}.Count()) || !math.IsNaN(Histogram{}.Share(1)) {
		t.Error("counts")
	}
}

// Between the lowest and the highest bound, share and quantile undo each other.
func TestShareUndoesQuantile(t *testing.T) {
	h := NewHistogram(append([]Bucket(nil), latency...))
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.Float64Range(0, 0.99).Draw(t, "q")
		if got := h.Share(h.Quantile(q)); math.Abs(got-q) > 1e-9 {
			t.Errorf("share below quantile %v: %v", q, got)
		}
	})
}

func ExampleHistogram_Quantile() {
	h := NewHistogram([]Bucket{{0.1, 50}, {0.5, 90}, {1, 99}, {math.Inf(1), 100}})
	fmt.Printf("p90 %.2f s, within 300 ms %.0f %%\n", h.Quantile(0.9), 100*h.Share(0.3))
	// Output: p90 0.50 s, within 300 ms 70 %
}

package window

import (
	"math"
	"testing"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestReduceOddValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name   string
		reduce abi.Reduce
		arg    float64
		values []float64
		want   float64
	}{
		{"NaN is not the highest", abi.Max, 0, []float64{nan, 1, 3, nan, 2}, 3},
		{"NaN is not the lowest", abi.Min, 0, []float64{nan, 2, 1, nan}, 1},
		{"only NaN", abi.Max, 0, []float64{nan, nan}, nan},
		{"sum of NaN", abi.Sum, 0, []float64{1, nan}, nan},
		{"sum keeps what is small", abi.Sum, 0, []float64{1, 1e100, 1, -1e100}, 2},
		{"sum of infinity", abi.Sum, 0, []float64{1, inf, 2}, inf},
		{"mean of great values", abi.Avg, 0, []float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64},
		{"mean with infinity", abi.Avg, 0, []float64{1, inf, 2}, inf},
		{"mean of opposite infinities", abi.Avg, 0, []float64{inf, -inf}, nan},
		{"deviation of one", abi.Stddev, 0, []float64{5}, 0},
		{"deviation of great, close values", abi.Stddev, 0, []float64{1e9 + 1, 1e9 + 2, 1e9 + 3}, math.Sqrt(2.0 / 3)},
		{"median", abi.Quantile, 0.5, []float64{4, 1, 3, 2}, 2.5},
		{"quantile below", abi.Quantile, -1, []float64{1}, -inf},
		{"quantile above", abi.Quantile, 2, []float64{1}, inf},
		{"quantile NaN", abi.Quantile, nan, []float64{1}, nan},
		{"quantile 1", abi.Quantile, 1, []float64{1, 7, 3}, 7},
		{"increase to infinity", abi.Increase, 0, []float64{1, inf}, inf},
		{"increase after infinity", abi.Increase, 0, []float64{inf, 3, 5}, 5},
		{"increase of great integers is exact", abi.Increase, 0, []float64{1 << 52, 1<<52 + 1, 1, 3}, 4},
		{"increase over resets", abi.Increase, 0, []float64{5, 8, 2, 4, 1}, 3 + 2 + 2 + 1},
	} {
		for cut := range c.values { // the ring may wrap anywhere but before the first
			m := samples{a: c.values[:cut+1], b: c.values[cut+1:], firstTime: 1000, lastTime: 2000}
			got, ok, _ := m.reduce(c.reduce, c.arg)
			if !ok || !near(got, c.want) && !(math.IsNaN(got) && math.IsNaN(c.want)) {
				t.Errorf("%s, wrapped after %d: %v %v, want %v", c.name, cut, got, ok, c.want)
			}
		}
	}
}

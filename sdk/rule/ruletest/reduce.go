package ruletest

import (
	"fmt"
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// reduced does what the engine's window store does, in the plainest way. It is false where there is no value.
func reduced(how abi.Reduce, arg float64, s samples) (float64, bool, error) {
	n := len(s.values)
	if n == 0 {
		return 0, false, nil
	}
	sum := 0.0
	for _, v := range s.values {
		sum += v
	}
	mean := sum / float64(n)
	switch how {
	case abi.Last:
		return s.values[n-1], true, nil
	case abi.Avg:
		return mean, true, nil
	case abi.Min:
		return slices.Min(s.values), true, nil
	case abi.Max:
		return slices.Max(s.values), true, nil
	case abi.Sum:
		return sum, true, nil
	case abi.Count:
		return float64(n), true, nil
	case abi.Stddev:
		square := 0.0
		for _, v := range s.values {
			square += (v - mean) * (v - mean)
		}
		return math.Sqrt(square / float64(n)), true, nil
	case abi.Quantile:
		return quantile(arg, s.values), true, nil
	case abi.Delta:
		from, _, ok := s.origin()
		if s.flags&abi.FlagBorn != 0 { // a gauge does not begin at 0
			from, ok = s.values[0], n > 1
		}
		return s.values[n-1] - from, ok, nil
	case abi.Increase:
		v, _, ok := s.increase()
		return v, ok, nil
	case abi.Rate:
		v, seconds, ok := s.increase()
		return v / seconds, ok && seconds > 0, nil
	}
	return 0, false, fmt.Errorf("reduce %s is not known here", how)
}

// origin is what is counted from: what was before the window, else the first of several samples in it.
func (s samples) origin() (v float64, t int64, ok bool) {
	if s.hasBase {
		return s.base, s.baseTime, true
	}
	return s.values[0], s.times[0], len(s.values) > 1
}

// increase is what a counter gained, and in how many seconds.
func (s samples) increase() (v, seconds float64, ok bool) {
	from, since, ok := s.origin()
	v, _ = rule.Increase(append([]float64{from}, s.values...), false)
	return v, float64(s.times[len(s.times)-1]-since) / 1000, ok
}

// quantile interpolates between the two nearest ranks, as quantile_over_time of PromQL does.
func quantile(q float64, values []float64) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	values = slices.Sorted(slices.Values(values))
	rank := q * float64(len(values)-1)
	low := int(math.Floor(rank))
	high := min(low+1, len(values)-1)
	weight := rank - float64(low)
	return values[low]*(1-weight) + values[high]*weight
}

package ruletest

import (
	"fmt"
	"math"
	"slices"

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
		if s.hasBase {
			return s.values[n-1] - s.base, true, nil
		}
		return s.values[n-1] - s.values[0], n > 1, nil
	case abi.Increase:
		v, ok := increase(s)
		return v, ok, nil
	case abi.Rate:
		v, ok := increase(s)
		from := s.times[0]
		if s.hasBase {
			from = s.baseTime
		}
		seconds := float64(s.times[n-1]-from) / 1000
		if !ok || seconds == 0 {
			return 0, false, nil
		}
		return v / seconds, true, nil
	}
	return 0, false, fmt.Errorf("reduce %s is not known here", how)
}

// increase counts what a counter gained since its last sample before the window: a fall is a restart from 0, and so is
// a birth inside the window.
func increase(s samples) (float64, bool) {
	total, last := 0.0, s.values[0]
	born := s.flags&abi.FlagBorn != 0
	switch {
	case s.hasBase:
		last = s.base
	case born:
		last = 0
	}
	for _, v := range s.values {
		if v < last {
			last = 0
		}
		total, last = total+v-last, v
	}
	return total, s.hasBase || born || len(s.values) > 1
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
	values = sorted(values)
	rank := q * float64(len(values)-1)
	low := int(math.Floor(rank))
	high := min(low+1, len(values)-1)
	weight := rank - float64(low)
	return values[low]*(1-weight) + values[high]*weight
}

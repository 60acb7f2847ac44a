package rule

import (
	"math"
	"slices"
)

// Spread computes statistics of order, which a few outliers do not move. It keeps its memory for the next call; the
// zero value is ready. Values that are NaN or infinite are left out everywhere.
type Spread struct {
	values []float64
}

// MADScale makes a median absolute deviation comparable with a standard deviation: times this it estimates the
// standard deviation of normally distributed values. It is 1/q, q the upper quartile of the standard normal
// distribution.
const MADScale = 1.4826022185056018

// Quantile interpolates between the two nearest of the values in order, as quantile_over_time of PromQL does: rank
// q*(n-1). It is NaN for no values and for a q that is NaN, and infinite for a q outside 0 to 1.
func (s *Spread) Quantile(q float64, values []float64) float64 {
	s.take(values)
	return s.quantile(q)
}

// Median is the middle value, or the mean of the two in the middle; NaN for no values.
func (s *Spread) Median(values []float64) float64 { return s.Quantile(0.5, values) }

// MAD is the median and the median absolute deviation from it, which is not scaled (see [MADScale]); NaN for no values.
// Half of the values or more must be off before it becomes useless (F. R. Hampel 1974).
func (s *Spread) MAD(values []float64) (median, mad float64) {
	median = s.Median(values)
	for i, v := range s.values {
		s.values[i] = math.Abs(v - median)
	}
	slices.Sort(s.values)
	return median, s.quantile(0.5)
}

// take sorts a copy of the finite values.
func (s *Spread) take(values []float64) {
	s.values = s.values[:0]
	for _, v := range values {
		if finite(v) {
			s.values = append(s.values, v)
		}
	}
	slices.Sort(s.values)
}

func (s *Spread) quantile(q float64) float64 {
	n := len(s.values)
	switch {
	case n == 0 || math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	rank := q * float64(n-1)
	low := int(math.Floor(rank))
	weight := rank - float64(low)
	return s.values[low]*(1-weight) + s.values[min(low+1, n-1)]*weight
}

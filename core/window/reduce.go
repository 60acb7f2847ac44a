package window

import (
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// samples are what one series has in one window: a, then b, oldest first.
type samples struct {
	a, b []float64

	base    float64 // the last sample at or before the start of the window
	hasBase bool
	born    bool // began in the window; bornAt is the time of the last row without it
	ever    bool // has a sample in or before the window

	baseTime, firstTime, lastTime, bornAt int64 // Unix milliseconds; set where they are needed

	scratch []float64
}

func (m *samples) n() int { return len(m.a) + len(m.b) }

func (m *samples) last() float64 {
	if len(m.b) > 0 {
		return m.b[len(m.b)-1]
	}
	return m.a[len(m.a)-1]
}

// fallsItself tells whether a reduction notices resets on its way.
func fallsItself(r abi.Reduce) bool { return r == abi.Increase || r == abi.Rate }

// reduce computes one value, if there are samples enough for it, and tells whether increase and rate saw a reset.
func (m *samples) reduce(r abi.Reduce, arg float64) (v float64, ok, fell bool) {
	if m.n() == 0 {
		return 0, false, false
	}
	switch r {
	case abi.Increase:
		return m.increase()
	case abi.Rate:
		return m.rate()
	case abi.Delta:
		v, ok = m.delta()
	case abi.Last:
		v, ok = m.last(), true
	case abi.Count:
		v, ok = float64(m.n()), true
	case abi.Sum:
		v, ok = m.sum(), true
	case abi.Avg:
		v, ok = m.avg(), true
	case abi.Min:
		v, ok = m.lowest(), true
	case abi.Max:
		v, ok = m.highest(), true
	case abi.Stddev:
		v, ok = m.stddev(), true
	case abi.Quantile:
		v, ok = m.quantile(arg), true
	}
	return v, ok, false
}

// origin is what an increase counts from.
func (m *samples) origin() (v float64, t int64, ok bool) {
	switch {
	case m.hasBase:
		return m.base, m.baseTime, true
	case m.born:
		return 0, m.bornAt, true
	default:
		return m.a[0], m.firstTime, m.n() > 1
	}
}

// increase is how much a counter grew: from where it stood to each reset, and from 0 after each. The differences of a
// stretch without reset telescope, so that integers below 2^53 add up exactly.
func (m *samples) increase() (v float64, ok, fell bool) {
	from, _, ok := m.origin()
	if !ok {
		return 0, false, false
	}
	prev, grown := from, 0.0
	if m.born {
		prev = m.a[0] // what is born below 0 was not reset
	}
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			if v < prev {
				if prev != from { // infinity less infinity is no growth
					grown += prev - from
				}
				from, fell = 0, true
			}
			prev = v
		}
	}
	return grown + (prev - from), true, fell
}

// rate is the increase for each second between the samples that it was counted from and to.
func (m *samples) rate() (v float64, ok, fell bool) {
	v, ok, fell = m.increase()
	if !ok {
		return 0, false, false
	}
	_, from, _ := m.origin()
	seconds := float64(m.lastTime-from) / 1000
	return v / seconds, seconds > 0, fell
}

// fell tells whether a value lies below the one before, baseline included.
func (m *samples) fell() bool {
	if m.n() == 0 {
		return false
	}
	prev := m.a[0]
	if m.hasBase {
		prev = m.base
	}
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			if v < prev {
				return true
			}
			prev = v
		}
	}
	return false
}

// delta is the difference of a gauge.
func (m *samples) delta() (float64, bool) {
	if m.hasBase {
		return m.last() - m.base, true
	}
	return m.last() - m.a[0], m.n() > 1
}

// sum adds with Neumaier's compensation, as Prometheus does.
func (m *samples) sum() float64 {
	var sum, low float64
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			t := sum + v
			switch {
			case math.IsInf(t, 0):
				low = 0
			case math.Abs(sum) >= math.Abs(v):
				low += (sum - t) + v
			default:
				low += (v - t) + sum
			}
			sum = t
		}
	}
	return sum + low
}

// avg is the mean; where the sum of finite values is too big for a float64, it is computed step by step.
func (m *samples) avg() float64 {
	n := float64(m.n())
	if sum := m.sum(); !math.IsInf(sum, 0) {
		return sum / n
	}
	var mean, count float64
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			count++
			if math.IsInf(v, 0) || math.IsInf(mean, 0) {
				mean += v // infinity stays, the opposite one makes NaN
				continue
			}
			mean += v/count - mean/count
		}
	}
	return mean
}

// lowest is the smallest value; NaN counts only if there is nothing else, as in Prometheus.
func (m *samples) lowest() float64 {
	best := m.a[0]
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			if v < best || best != best {
				best = v
			}
		}
	}
	return best
}

// highest is the greatest value; NaN counts only if there is nothing else, as in Prometheus.
func (m *samples) highest() float64 {
	best := m.a[0]
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			if v > best || best != best {
				best = v
			}
		}
	}
	return best
}

// stddev is the standard deviation of the population, by Welford's method.
func (m *samples) stddev() float64 {
	var count, mean, squares float64
	for _, part := range [2][]float64{m.a, m.b} {
		for _, v := range part {
			count++
			d := v - mean
			mean += d / count
			squares += d * (v - mean)
		}
	}
	return math.Sqrt(squares / count)
}

// quantile interpolates linearly between the two closest ranks, as Prometheus' quantile_over_time does.
func (m *samples) quantile(q float64) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	m.scratch = append(append(m.scratch[:0], m.a...), m.b...)
	slices.Sort(m.scratch) // NaN first
	rank := q * float64(len(m.scratch)-1)
	low := int(rank)
	high := min(low+1, len(m.scratch)-1)
	weight := rank - float64(low)
	return m.scratch[low]*(1-weight) + m.scratch[high]*weight
}

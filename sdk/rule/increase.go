package rule

// Increase is how much a counter grew over its samples, oldest first. A fall is a restart from 0, as in PromQL; nothing is
// extrapolated to the ends of the window, and nothing is guessed: from 10 to 12 is 2. A counter that was born inside the
// window ([Series.Born]) counts from 0. It is false where there is nothing to compare with: one sample, not born.
func Increase(values []float64, born bool) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	previous, total := values[0], 0.0
	if born {
		total = previous
	}
	for _, v := range values[1:] {
		if v < previous {
			total += v
		} else {
			total += v - previous
		}
		previous = v
	}
	return total, born || len(values) > 1
}

// Increase is how much the series grew in the window, as a counter: see the function [Increase]. The series must not be
// reduced.
//
// An input with reduce:"increase" is computed by the engine, much faster, and also sees the last sample before the window:
// raw samples are for what reductions cannot do.
func (s Series) Increase() (float64, bool) {
	if s.Times() == nil {
		return 0, false
	}
	return Increase(s.Values(), s.Born())
}

// Rate is the increase for each second from the first sample to the last. What a counter had when it was born is left
// out: it is not known since when.
func (s Series) Rate() (float64, bool) {
	times := s.Times()
	grown, ok := Increase(s.Values(), false)
	if !ok || len(times) < 2 {
		return 0, false
	}
	seconds := float64(times[len(times)-1]-times[0]) / 1000
	return grown / seconds, seconds > 0
}

// Delta is the difference of a gauge, from the first sample to the last. It is false for fewer than two.
func (s Series) Delta() (float64, bool) {
	values := s.Values()
	if len(values) < 2 || s.Times() == nil {
		return 0, false
	}
	return values[len(values)-1] - values[0], true
}

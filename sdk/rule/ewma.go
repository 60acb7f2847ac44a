package rule

import (
	"math"
	"time"
)

// EWMA follows the mean and the variance of a value for each instance, exponentially weighted by time: what was measured
// one HalfLife ago counts half of what is measured now, whatever the interval between.
//
// With the weight a = 1 - 2^(-dt/HalfLife) of a new value x after dt, d = x - mean:
//
//	mean     += a*d
//	variance  = (1-a) * (variance + a*d*d)
//
// (T. Finch, "Incremental calculation of weighted mean and variance", University of Cambridge 2009, section 9, after
// B. P. Welford 1962 and D. H. D. West 1979.) The first value is the mean, with a variance of 0.
type EWMA struct {
	HalfLife time.Duration // more than 0
	Keep     time.Duration // how long an instance that is not seen is remembered; 0: four half-lives, at least an hour

	memory Memory[Average]
}

// Average is what is known of an instance's value.
type Average struct {
	Mean, Variance float64
	Count          uint64 // how many values went into it; 0: nothing is known

	at int64 // when the last one was added, Unix milliseconds
}

// Deviation is the standard deviation.
func (a Average) Deviation() float64 { return math.Sqrt(a.Variance) }

// Score tells by how many standard deviations x lies above the mean, or, negative, below it. It is infinite where the
// value has never varied and x differs, 0 where it does not.
func (a Average) Score(x float64) float64 {
	if x == a.Mean {
		return 0
	}
	return (x - a.Mean) / a.Deviation()
}

// At returns what was known of an instance before this evaluation's value is added: what to compare it with.
func (e *EWMA) At(w Window, i Instance) Average { return *e.at(w, i) }

// Add takes a value of the instance, measured at the time of the evaluation. NaN, infinities and values whose squares are
// (beyond 1e150) are left out: they would never be forgotten.
func (e *EWMA) Add(w Window, i Instance, x float64) Average {
	a := e.at(w, i)
	a.add(w.w.Time, x, e.HalfLife)
	return *a
}

func (e *EWMA) at(w Window, i Instance) *Average {
	e.memory.Keep = e.Keep
	if e.Keep <= 0 {
		e.memory.Keep = max(DefaultKeep, 4*e.HalfLife)
	}
	a, _ := e.memory.At(w, i)
	return a
}

func (a *Average) add(at int64, x float64, halfLife time.Duration) {
	if !moderate(x) {
		return
	}
	a.Count++
	if a.Count == 1 {
		a.Mean, a.Variance, a.at = x, 0, at
		return
	}
	weight := 1 - math.Exp2(-float64(max(0, at-a.at))/(float64(halfLife)/float64(time.Millisecond)))
	d := x - a.Mean
	a.Mean += weight * d
	a.Variance = (1 - weight) * (a.Variance + weight*d*d)
	a.at = max(a.at, at)
}

// moderate tells whether sums of squares of x are finite.
func moderate(x float64) bool { return math.Abs(x) <= 1e150 }

// Save writes what is remembered.
func (e *EWMA) Save(w *StateWriter) {
	e.memory.Save(w, func(w *StateWriter, a *Average) {
		w.Float(a.Mean)
		w.Float(a.Variance)
		w.Uint(a.Count)
		w.Int(a.at)
	})
}

// Load reads what Save wrote.
func (e *EWMA) Load(r *StateReader) error {
	return e.memory.Load(r, func(r *StateReader, a *Average) {
		*a = Average{Mean: r.Float(), Variance: r.Float(), Count: r.Uint(), at: r.Int()}
		if !moderate(a.Mean) || !(a.Variance >= 0) || !moderate(math.Sqrt(a.Variance)/2) {
			r.Fail("a mean or variance that is no number")
		}
	})
}

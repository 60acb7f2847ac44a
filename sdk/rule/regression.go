package rule

import (
	"math"
	"time"
)

// Line is a straight line through samples.
type Line struct {
	Slope float64 // a second

	at    int64 // a time, Unix milliseconds
	value float64
}

// At is the value of the line at a time, which may lie ahead: a prediction.
func (l Line) At(t time.Time) float64 { return l.value + l.Slope*float64(t.UnixMilli()-l.at)/1000 }

// Reaches tells in how long after a time the line reaches a value. It is false where the line leads away from it, has
// reached it before, or takes longer than a Duration can say.
func (l Line) Reaches(value float64, after time.Time) (time.Duration, bool) {
	seconds := (value - l.At(after)) / l.Slope
	if !(seconds >= 0) || seconds > math.MaxInt64/float64(time.Second) {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// Regression fits a line to samples by least squares (times in Unix milliseconds), as deriv and predict_linear of PromQL
// do. NaN and infinite values are left out. It is false for fewer than two different times.
//
// With the means t and v of times and values:
//
//	slope = sum((ti-t)*(vi-v)) / sum((ti-t)^2)
//
// and the line goes through (t, v). Differences from the mean are summed, not squares of times: Unix times are large.
func Regression(times []int64, values []float64) (Line, bool) {
	if len(times) == 0 || len(times) != len(values) {
		return Line{}, false
	}
	origin, n := times[0], 0.0
	var meanT, meanV float64
	for i, v := range values {
		if finite(v) {
			n++
			meanT += (float64(times[i]-origin)/1000 - meanT) / n
			meanV += (v - meanV) / n
		}
	}
	var tt, tv float64
	for i, v := range values {
		if finite(v) {
			t := float64(times[i]-origin)/1000 - meanT
			tt += t * t
			tv += t * (v - meanV)
		}
	}
	if tt == 0 {
		return Line{}, false
	}
	slope := tv / tt
	return Line{Slope: slope, at: origin, value: meanV - slope*meanT}, true
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Line fits a line to the samples of a series that is not reduced, see [Regression].
func (s Series) Line() (Line, bool) { return Regression(s.Times(), s.Values()) }

package main

import (
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Anomaly compares each series with what it used to be: a mean and a deviation that follow it slowly.
type Anomaly struct {
	Deviations   float64       `param:"deviations" default:"4" min:"0" doc:"how many standard deviations from the mean are normal"`
	HalfLife     time.Duration `param:"half_life" default:"6h" min:"1m" doc:"what was so long ago counts half of what is now"`
	MinSamples   int           `param:"min_samples" default:"100" min:"2" doc:"with fewer values so far: unknown"`
	Tolerance    float64       `param:"tolerance" default:"0.05" min:"0" doc:"share of the mean that is normal in any case"`
	MinDeviation float64       `param:"min_deviation" default:"0" min:"0" doc:"difference from the mean that is normal in any case"`
	Direction    string        `param:"direction" default:"both" enum:"both,above,below" doc:"which differences count"`
	Series       rule.Input    `input:"series" reduce:"avg" choices:"last,increase,rate,delta,avg,min,max,count" window:"5m" doc:"what is watched"`

	average rule.EWMA
	message []byte // scratch
}

// Describe names the module.
func (*Anomaly) Describe() rule.Info {
	return rule.Info{Name: "anomaly", Version: "1.0.0", Description: "a value far from what it used to be"}
}

// Configure tells the average how fast to forget.
func (a *Anomaly) Configure() error {
	a.average.HalfLife = a.HalfLife
	return nil
}

// State describes what survives a restart: what is usual.
func (*Anomaly) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (a *Anomaly) Snapshot(w *rule.StateWriter) { a.average.Save(w) }

// Restore reads it.
func (a *Anomaly) Restore(r *rule.StateReader) error { return a.average.Load(r) }

// Eval gives one verdict a series. Its value is that of the series.
func (a *Anomaly) Eval(w rule.Window, out *rule.Verdicts) error {
	for s := range a.Series.All() {
		v, ok := s.Value()
		switch {
		case s.Ended() && !s.Missing(): // the engine sees it go
		case !ok || s.Missing() || math.IsNaN(v) || math.IsInf(v, 0):
			a.average.At(w, s.Instance()) // stays in mind
			out.Unknown(s.Instance())
		default:
			a.judge(w, out, s.Instance(), v)
		}
	}
	return nil
}

func (a *Anomaly) judge(w rule.Window, out *rule.Verdicts, i rule.Instance, v float64) {
	usual := a.average.At(w, i)
	far := max(a.Deviations*usual.Deviation(), a.Tolerance*math.Abs(usual.Mean), a.MinDeviation)
	by := v - usual.Mean
	known := usual.Count >= uint64(a.MinSamples)
	learn := v
	if known && far > 0 { // what is odd is learned as the edge of what is not: an incident does not spoil the profile
		learn = usual.Mean + max(-far, min(far, by))
	}
	a.average.Add(w, i, learn)
	switch {
	case !known:
		out.Unknown(i)
	case a.odd(by, far):
		edge := usual.Mean + math.Copysign(far, by)
		out.Active(i, v).Threshold(edge).Text(a.text(usual))
	default:
		out.Healthy(i, v)
	}
}

func (a *Anomaly) odd(by, far float64) bool {
	switch a.Direction {
	case "above":
		return by > far
	case "below":
		return -by > far
	}
	return math.Abs(by) > far
}

// text says what is usual: "usually 120, give or take 8.5".
func (a *Anomaly) text(usual rule.Average) string {
	t := strconv.AppendFloat(append(a.message[:0], "usually "...), usual.Mean, 'g', 4, 64)
	a.message = strconv.AppendFloat(append(t, ", give or take "...), usual.Deviation(), 'g', 3, 64)
	return string(a.message)
}

package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Anomaly compares each series with what it used to be: a mean and a deviation that follow it slowly.
type Anomaly struct {
	Deviations   float64        `param:"deviations" default:"4" min:"0" doc:"how many standard deviations from the mean are normal"`
	HalfLife     time.Duration  `param:"half_life" default:"6h" min:"1m" doc:"what was so long ago counts half of what is now"`
	MinSamples   int            `param:"min_samples" default:"100" min:"2" doc:"with fewer values so far: unknown"`
	Tolerance    float64        `param:"tolerance" default:"0.05" min:"0" doc:"share of the mean that is normal in any case"`
	MinDeviation float64        `param:"min_deviation" default:"0" min:"0" doc:"difference from the mean that is normal in any case"`
	Direction    rule.Direction `param:"direction" default:"both" enum:"both,above,below" doc:"which differences count"`
	Aggregate    string         `param:"aggregate" enum:"sum,avg,min,max,count" doc:"watch groups of series instead of series"`
	By           []string       `param:"by" doc:"with aggregate: one instance for each combination of these labels; without it, one for all series"`
	Series       rule.Input     `input:"series" reduce:"avg" choices:"last,increase,rate,delta,avg,min,max,count" window:"5m" doc:"what is watched"`

	average  rule.EWMA
	readings []rule.Reading // scratch
	message  []byte         // scratch
}

// Describe names the module.
func (*Anomaly) Describe() rule.Info {
	return rule.Info{Name: "anomaly", Version: "1.0.0", Description: "a value far from what it used to be"}
}

// Configure tells the average how fast to forget, and refuses groups that nobody sums up.
func (a *Anomaly) Configure() error {
	a.average.HalfLife = a.HalfLife
	if len(a.By) > 0 && a.Aggregate == "" {
		return errors.New("by needs aggregate: how are the series of a group to be summed up?")
	}
	return nil
}

// State describes what survives a restart: what is usual.
func (*Anomaly) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (a *Anomaly) Snapshot(w *rule.StateWriter) { a.average.Save(w) }

// Restore reads it.
func (a *Anomaly) Restore(r *rule.StateReader) error { return a.average.Load(r) }

// Eval gives one verdict a series or group. Its value is what is watched.
func (a *Anomaly) Eval(w rule.Window, out *rule.Verdicts) error {
	a.readings = a.Series.Readings(a.Aggregate, a.By, a.readings)
	for _, r := range a.readings {
		if !r.Known || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
			a.average.At(w, r.Instance) // stays in mind
			out.Unknown(r.Instance)
			continue
		}
		a.judge(w, out, r.Instance, r.Value)
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
	case a.Direction.Counts(by, far):
		edge := usual.Mean + math.Copysign(far, by)
		out.Active(i, v).Threshold(edge).Text(a.text(usual))
	default:
		out.Healthy(i, v)
	}
}

// text says what is usual: "usually 120, give or take 8.5".
func (a *Anomaly) text(usual rule.Average) string {
	t := strconv.AppendFloat(append(a.message[:0], "usually "...), usual.Mean, 'g', 4, 64)
	a.message = strconv.AppendFloat(append(t, ", give or take "...), usual.Deviation(), 'g', 3, 64)
	return string(a.message)
}

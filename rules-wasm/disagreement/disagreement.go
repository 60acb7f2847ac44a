package main

import (
	"errors"
	"math"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Disagreement finds the ones of a fleet that differ from the others.
type Disagreement struct {
	By         []string       `param:"by" doc:"series that agree in these labels are a fleet; without it, all series are one"`
	Deviations float64        `param:"deviations" default:"5" min:"0" doc:"how many deviations from the median are normal; a deviation is 1.4826 times the median absolute deviation"`
	Tolerance  float64        `param:"tolerance" default:"0.1" min:"0" doc:"share of the median that is normal in any case"`
	Absolute   float64        `param:"absolute" default:"0" min:"0" doc:"difference from the median that is normal in any case"`
	Direction  rule.Direction `param:"direction" default:"both" enum:"both,above,below" doc:"which differences count"`
	MinFleet   int            `param:"min_fleet" default:"4" min:"3" doc:"with fewer members that can be compared: unknown"`
	Series     rule.Input     `input:"series" reduce:"last" choices:"last,increase,rate,delta,avg,min,max,count" window:"5m" doc:"what should be alike"`

	spread  rule.Spread
	fleets  []fleet   // scratch
	values  []float64 // scratch: of the members that can be compared, fleet by fleet
	message []byte    // scratch
}

// fleet is what its members have in common.
type fleet struct {
	start, n    int // of its values
	median, far float64
}

// Describe names the module.
func (*Disagreement) Describe() rule.Info {
	return rule.Info{Name: "disagreement", Version: "1.0.0", Description: "one of a fleet that differs from the others"}
}

// Configure refuses a band without width.
func (d *Disagreement) Configure() error {
	if d.Deviations == 0 && d.Tolerance == 0 && d.Absolute == 0 {
		return errors.New("deviations, tolerance and absolute are all 0: every difference would count")
	}
	return nil
}

// Eval gives one verdict a series. Its value is that of the series.
func (d *Disagreement) Eval(_ rule.Window, out *rule.Verdicts) error {
	groups := d.Series.GroupBy(d.By...)
	d.measure(groups)
	for i := range d.Series.Len() {
		s := d.Series.Series(i)
		f := &d.fleets[groups.Of(i)]
		v, ok := valueOf(s)
		switch {
		case s.Ended() && !s.Missing(): // the engine sees it go
		case !ok || f.n < d.MinFleet:
			out.Unknown(s.Instance())
		case d.Direction.Counts(v-f.median, f.far):
			edge := f.median + math.Copysign(f.far, v-f.median)
			out.Active(s.Instance(), v).Threshold(edge).Text(d.text(f))
		default:
			out.Healthy(s.Instance(), v)
		}
	}
	return nil
}

// valueOf is the value of a series that can be compared with the others.
func valueOf(s rule.Series) (float64, bool) {
	v, ok := s.Value()
	return v, ok && !s.Ended() && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// measure sorts the values by fleet and works out what is normal in each.
func (d *Disagreement) measure(groups rule.Groups) {
	if cap(d.fleets) < groups.Len() {
		d.fleets = make([]fleet, groups.Len())
	}
	d.fleets = d.fleets[:groups.Len()]
	clear(d.fleets)
	if cap(d.values) < d.Series.Len() {
		d.values = make([]float64, d.Series.Len())
	}
	d.values = d.values[:d.Series.Len()]
	for i := range d.Series.Len() {
		if _, ok := valueOf(d.Series.Series(i)); ok {
			d.fleets[groups.Of(i)].n++
		}
	}
	for i := range d.fleets[:max(0, len(d.fleets)-1)] {
		d.fleets[i+1].start = d.fleets[i].start + d.fleets[i].n
		d.fleets[i].n = 0 // counted again below
	}
	if n := len(d.fleets); n > 0 {
		d.fleets[n-1].n = 0
	}
	for i := range d.Series.Len() {
		if v, ok := valueOf(d.Series.Series(i)); ok {
			f := &d.fleets[groups.Of(i)]
			d.values[f.start+f.n] = v
			f.n++
		}
	}
	for i := range d.fleets {
		f := &d.fleets[i]
		median, mad := d.spread.MAD(d.values[f.start:][:f.n])
		f.median = median
		f.far = max(d.Deviations*rule.MADScale*mad, d.Tolerance*math.Abs(median), d.Absolute)
	}
}

// text says what the others have: "the median of 12 is 0.4".
func (d *Disagreement) text(f *fleet) string {
	t := strconv.AppendInt(append(d.message[:0], "the median of "...), int64(f.n), 10)
	d.message = strconv.AppendFloat(append(t, " is "...), f.median, 'g', 4, 64)
	return string(d.message)
}

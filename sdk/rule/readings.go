package rule

import (
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Reading is one value that a rule judges: that of a series, or of a group of them.
type Reading struct {
	Instance Instance
	Value    float64
	Known    bool // else its target did not answer, or that of one series of the group, or there are too few samples

	series uint32 // in the dictionary; NoIndex for a group
	group  int
}

// Readings lists the values of the series or, with an aggregate ("sum", "avg", "min", "max" or "count"), those of the
// groups that agree in the labels by. What the targets no longer have is left out. Of a group, what a counter gained
// (reduced to increase or rate) counts also if its series has ended since. It reuses the memory of into.
func (in *Input) Readings(aggregate string, by []string, into []Reading) []Reading {
	into = into[:0]
	if aggregate == "" {
		for i, index := range in.in.Series {
			s := in.Series(i)
			if s.Ended() && !s.Missing() {
				continue
			}
			v, ok := s.Value()
			into = append(into, Reading{s.Instance(), v, ok && !s.Missing(), index, 0})
		}
		return into
	}
	groups := in.GroupBy(by...)
	for i, a := range in.aggregate(groups) {
		if a.listed {
			into = append(into, Reading{groups.At(i), a.value(aggregate), a.n > 0 && !a.missing, abi.NoIndex, i})
		}
	}
	return into
}

// Totals are the values that the readings of another input are shares of.
type Totals struct {
	values []float64
	of     *grouping // of single series
}

// Totals finds, for the readings of another input, what they are shares of: without an aggregate the series whose labels
// are equal but for the metric name, as PromQL matches vectors one to one; with one, the same group. It reuses the
// memory of into.
func (in *Input) Totals(aggregate string, by []string, into Totals) Totals {
	if aggregate == "" {
		groups := in.GroupWithout(frame.MetricName)
		into.of = groups.grouping
		into.fill(groups.Len())
		for i := range in.Len() {
			if s := in.Series(i); !s.Ended() {
				if v, ok := s.Value(); ok {
					into.values[groups.Of(i)] = v
				}
			}
		}
		return into
	}
	groups := in.GroupBy(by...)
	into.of = nil
	into.fill(groups.Len())
	for i, a := range in.aggregate(groups) {
		if a.n > 0 && !a.missing {
			into.values[i] = a.value(aggregate)
		}
	}
	return into
}

func (t *Totals) fill(n int) {
	t.values = slices.Grow(t.values[:0], n)[:n]
	for i := range t.values {
		t.values[i] = math.NaN()
	}
}

// Of is the total of a reading, NaN where it is not known.
func (t *Totals) Of(r *Reading) float64 {
	if t.of != nil {
		return t.values[t.of.of[r.series]]
	}
	return t.values[r.group]
}

// OfSeries is the total of a series. The totals are not aggregated.
func (t *Totals) OfSeries(s Series) float64 { return t.values[t.of.of[s.in.in.Series[s.i]]] }

// aggregate is what the series of a group sum up to.
type aggregate struct {
	sum, low, high float64
	n              int
	listed         bool // the input lists a series of the group
	missing        bool // the target of one series did not answer: what it would add is not known
}

func (in *Input) aggregate(groups Groups) []aggregate {
	all := slices.Grow(in.table.aggregates[:0], groups.Len())[:groups.Len()]
	in.table.aggregates = all
	clear(all)
	gains := in.in.Reduce == abi.Increase || in.in.Reduce == abi.Rate
	for i := range in.Len() {
		a, s := &all[groups.Of(i)], in.Series(i)
		if s.Ended() && !s.Missing() && !gains {
			continue
		}
		a.listed, a.missing = true, a.missing || s.Missing()
		v, ok := s.Value()
		if !ok {
			continue
		}
		if a.n == 0 {
			a.low, a.high = v, v
		}
		a.n++
		a.sum += v
		a.low, a.high = math.Min(a.low, v), math.Max(a.high, v)
	}
	return all
}

func (a *aggregate) value(how string) float64 {
	switch how {
	case "sum":
		return a.sum
	case "avg":
		return a.sum / float64(a.n)
	case "min":
		return a.low
	case "max":
		return a.high
	}
	return float64(a.n)
}

// Direction says which differences from what is normal count: "both", "above" or "below". It is a type for parameters:
//
//	Direction rule.Direction `param:"direction" default:"both" enum:"both,above,below"`
type Direction string

// Counts tells whether a difference counts that is more than far.
func (d Direction) Counts(difference, far float64) bool {
	switch d {
	case "above":
		return difference > far
	case "below":
		return -difference > far
	}
	return math.Abs(difference) > far
}

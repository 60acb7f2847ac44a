package main

import (
	"errors"
	"math"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Threshold compares the last value of each series, or an aggregate of each group of series, with a limit.
type Threshold struct {
	Op        string     `param:"op" default:">" enum:">,>=,<,<=,==,!=" doc:"an instance is active while: value OP limit"`
	Value     float64    `param:"value" required:"true" doc:"the limit"`
	Clear     *float64   `param:"clear" doc:"hysteresis: once active, an instance stays so until its value passes this, on the healthy side of the limit"`
	Aggregate string     `param:"aggregate" enum:"sum,avg,min,max,count" doc:"compare groups of series instead of series"`
	By        []string   `param:"by" doc:"with aggregate: one instance for each combination of these labels; without it, one for all series"`
	Series    rule.Input `input:"series" reduce:"last" window:"5m" doc:"what is compared"`

	now, before map[uint64]state // of each instance; kept only with hysteresis
	heardAll    bool             // every target has answered since the rule started afresh
	groups      []aggregate      // scratch
}

// state is what an instance was after an evaluation.
type state uint8

const (
	healthy state = iota
	active
	unsure // between clear and value, and not known which way it came
)

type aggregate struct {
	sum, low, high float64
	n              int
	missing        bool // the target of one series did not answer: what it would add is not known
}

// Describe names the module.
func (*Threshold) Describe() rule.Info {
	return rule.Info{Name: "threshold", Version: "1.0.0", Description: "a value beyond a limit, with hysteresis"}
}

// Configure refuses what contradicts itself.
func (t *Threshold) Configure() error {
	if len(t.By) > 0 && t.Aggregate == "" {
		return errors.New("by needs aggregate: how are the series of a group to be summed up?")
	}
	if t.Clear == nil {
		return nil
	}
	if t.Op == "==" || t.Op == "!=" {
		return errors.New("clear makes no sense with op " + t.Op)
	}
	if t.compare(*t.Clear) && *t.Clear != t.Value {
		return errors.New("clear must lie on the healthy side of value")
	}
	t.now, t.before = map[uint64]state{}, map[uint64]state{}
	return nil
}

// Eval gives one verdict a series or group. Its value is what was compared. A series whose target did not answer is
// unknown; one that its target no longer has is left out, so that the engine sees it go.
func (t *Threshold) Eval(w rule.Window, out *rule.Verdicts) error {
	t.now, t.before = t.before, t.now
	clear(t.now)
	t.heardAll = (w.First() || t.heardAll) && t.Series.Complete()
	if t.Aggregate != "" {
		t.evalGroups(w, out)
		return nil
	}
	for s := range t.Series.All() {
		v, ok := s.Value()
		switch {
		case ok && s.Ended() && !s.Missing():
		case ok && !s.Missing():
			t.judge(w, out, s.Instance(), v)
		default:
			t.remember(s.Instance(), t.was(w, s.Instance()))
			out.Unknown(s.Instance())
		}
	}
	return nil
}

func (t *Threshold) evalGroups(w rule.Window, out *rule.Verdicts) {
	groups := t.Series.GroupBy(t.By...)
	if cap(t.groups) < groups.Len() {
		t.groups = make([]aggregate, groups.Len())
	}
	t.groups = t.groups[:groups.Len()]
	clear(t.groups)
	for i := range t.Series.Len() {
		g, s := &t.groups[groups.Of(i)], t.Series.Series(i)
		v, ok := s.Value()
		g.missing = g.missing || s.Missing()
		if !ok || s.Ended() {
			continue
		}
		if g.n == 0 {
			g.low, g.high = v, v
		}
		g.n++
		g.sum += v
		g.low, g.high = math.Min(g.low, v), math.Max(g.high, v)
	}
	for i := range t.groups {
		if t.groups[i].n == 0 || t.groups[i].missing {
			t.remember(groups.At(i), t.was(w, groups.At(i)))
			out.Unknown(groups.At(i))
			continue
		}
		t.judge(w, out, groups.At(i), t.groups[i].value(t.Aggregate))
	}
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

// judge compares one value. Between clear and value it depends on what was: an instance that was active stays active.
// What was before a restart is not known here but to the engine, which keeps the state it has when told "unknown".
func (t *Threshold) judge(w rule.Window, out *rule.Verdicts, i rule.Instance, v float64) {
	is := healthy
	switch {
	case t.compare(v):
		is = active
	case t.Clear != nil && !t.cleared(v):
		is = t.was(w, i)
	}
	t.remember(i, is)
	switch is {
	case active:
		out.Active(i, v).Threshold(t.Value)
	case unsure:
		out.Unknown(i)
	default:
		out.Healthy(i, v).Threshold(t.Value)
	}
}

// was is the state of an instance after the evaluation before this one. One that is new although everything was heard
// since the start has never been active.
func (t *Threshold) was(w rule.Window, i rule.Instance) state {
	is, ok := t.before[i.ID()]
	if !ok && (w.First() || !t.heardAll) {
		return unsure
	}
	return is
}

func (t *Threshold) remember(i rule.Instance, is state) {
	if t.now != nil {
		t.now[i.ID()] = is
	}
}

func (t *Threshold) compare(v float64) bool {
	switch t.Op {
	case ">":
		return v > t.Value
	case ">=":
		return v >= t.Value
	case "<":
		return v < t.Value
	case "<=":
		return v <= t.Value
	case "==":
		return v == t.Value
	}
	return v != t.Value
}

// cleared tells whether v has passed the clear value on the healthy side. NaN passes nothing.
func (t *Threshold) cleared(v float64) bool {
	if t.Op == ">" || t.Op == ">=" {
		return v <= *t.Clear
	}
	return v >= *t.Clear
}

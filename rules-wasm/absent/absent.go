package main

import (
	"errors"
	"math"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Absent tells what was there and is gone, each by its own labels, and what was expected and never came.
type Absent struct {
	By     []string      `param:"by" doc:"one instance for each combination of these labels, gone when none of its series is left; without it, one for each series"`
	Expect []string      `param:"expect" doc:"with one label in by: the values of it that must be there, even if they never were"`
	Forget time.Duration `param:"forget" default:"24h" min:"1m" doc:"how long what is gone is missed"`

	Series  rule.Input `input:"series" reduce:"last" window:"5m" doc:"what should be there"`
	Targets rule.Input `input:"targets" reduce:"last" window:"5m" optional:"true" doc:"up of the targets: what is gone with a target that is no longer configured is not missed"`

	roster   rule.Roster[struct{}]
	expected []rule.Instance
	groups   []state // scratch
	message  []byte  // scratch
}

// state is how a group looks in this evaluation.
type state uint8

const (
	unlisted state = iota
	left           // only series that their targets no longer have
	silent         // also some whose targets do not answer
	here
)

// Describe names the module.
func (*Absent) Describe() rule.Info {
	return rule.Info{Name: "absent", Version: "1.0.0", Description: "what was there and is gone, each by its own labels"}
}

// Configure makes instances of what is expected.
func (a *Absent) Configure() error {
	if len(a.Expect) > 0 && len(a.By) != 1 {
		return errors.New("expect needs exactly one label in by: its values are what is expected")
	}
	for _, value := range a.Expect {
		a.expected = append(a.expected, rule.Of(frame.Label{Name: a.By[0], Value: value}))
	}
	a.roster.Forget = a.Forget
	return nil
}

// State describes what survives a restart: who was there.
func (*Absent) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (a *Absent) Snapshot(w *rule.StateWriter) {
	a.roster.Save(w, func(*rule.StateWriter, *struct{}) {})
}

// Restore reads it.
func (a *Absent) Restore(r *rule.StateReader) error {
	return a.roster.Load(r, func(*rule.StateReader, *struct{}) {})
}

// Eval gives one verdict for each series or group that is, or was, there. The value of one that is gone is the seconds
// since it was there, of one that is there 0. If nothing is there and nothing ever was, that is one instance without labels.
func (a *Absent) Eval(w rule.Window, out *rule.Verdicts) error {
	a.roster.Begin(w, &a.Series, &a.Targets)
	if len(a.By) > 0 {
		a.evalGroups(w, out)
	} else {
		a.evalSeries(w, out)
	}
	for _, m := range a.roster.Gone(w) {
		gone := w.Time().Sub(m.Since)
		if m.Silent {
			out.Unknown(m.Instance)
		} else {
			out.Active(m.Instance, gone.Seconds()).Text(a.text(m.Since))
		}
	}
	a.evalExpected(w, out)
	switch {
	case out.Len() > 0:
	case w.Complete():
		out.Active(rule.Whole(), math.NaN()).Text("nothing matches, and nothing did before")
	default:
		out.Unknown(rule.Whole())
	}
	return nil
}

func (a *Absent) evalSeries(w rule.Window, out *rule.Verdicts) {
	for s := range a.Series.All() {
		switch {
		case s.Missing():
			a.roster.Silent(w, s.Instance())
			out.Unknown(s.Instance())
		case !s.Ended():
			a.roster.Here(w, s.Instance())
			out.Healthy(s.Instance(), 0)
		default:
			a.roster.Left(w, s.Instance())
		}
	}
}

func (a *Absent) evalGroups(w rule.Window, out *rule.Verdicts) {
	groups := a.Series.GroupBy(a.By...)
	if cap(a.groups) < groups.Len() {
		a.groups = make([]state, groups.Len())
	}
	a.groups = a.groups[:groups.Len()]
	clear(a.groups)
	for i := range a.Series.Len() {
		g, s := &a.groups[groups.Of(i)], a.Series.Series(i)
		switch {
		case s.Missing():
			*g = max(*g, silent)
		case !s.Ended():
			*g = here
		default:
			*g = max(*g, left)
		}
	}
	for i, is := range a.groups {
		switch is {
		case silent:
			a.roster.Silent(w, groups.At(i))
			out.Unknown(groups.At(i))
		case here:
			a.roster.Here(w, groups.At(i))
			out.Healthy(groups.At(i), 0)
		case left:
			a.roster.Left(w, groups.At(i))
		}
	}
}

// evalExpected speaks of what is expected and neither there nor remembered.
func (a *Absent) evalExpected(w rule.Window, out *rule.Verdicts) {
	for _, i := range a.expected {
		switch {
		case a.spokenOf(i):
		case w.Complete():
			out.Active(i, math.NaN()).Text("expected, and not there")
		default:
			out.Unknown(i)
		}
	}
}

func (a *Absent) spokenOf(i rule.Instance) bool {
	groups := a.Series.GroupBy(a.By...)
	for g := range groups.Len() {
		if a.groups[g] >= silent && groups.At(g).ID() == i.ID() {
			return true
		}
	}
	return a.roster.Remembers(i)
}

// text says when it was there: "last seen 2026-01-01 10:02:15 UTC".
func (a *Absent) text(since time.Time) string {
	a.message = since.AppendFormat(append(a.message[:0], "last seen "...), "2006-01-02 15:04:05 UTC")
	return string(a.message)
}

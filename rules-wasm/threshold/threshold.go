package main

import (
	"errors"
	"math"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Threshold compares the value of each series, or an aggregate of each group of series, with a limit.
type Threshold struct {
	Op        string   `param:"op" default:">" enum:">,>=,<,<=,==,!=" doc:"an instance is active while: value OP limit"`
	Value     float64  `param:"value" required:"true" doc:"the limit"`
	Clear     *float64 `param:"clear" doc:"hysteresis: once active, an instance stays so until its value passes this, on the healthy side of the limit"`
	AtLeast   int      `param:"at_least" default:"1" min:"1" max:"64" doc:"with of: active when so many of the last evaluations were over the limit"`
	Of        int      `param:"of" default:"1" min:"1" max:"64" doc:"how many evaluations at_least looks back"`
	As        string   `param:"as" enum:"magnitude,until,since" doc:"compare, instead of the value, its magnitude, or the seconds until or since this Unix time"`
	Aggregate string   `param:"aggregate" enum:"sum,avg,min,max,count" doc:"compare groups of series instead of series"`
	By        []string `param:"by" doc:"with aggregate: one instance for each combination of these labels; without it, one for all series"`

	Series rule.Input `input:"series" reduce:"last" choices:"last,increase,rate,delta,avg,min,max,sum,count,stddev" window:"5m" doc:"what is compared"`
	Total  rule.Input `input:"total" reduce:"last" choices:"last,increase,rate,delta,avg,min,max,sum,count,stddev" window:"5m" optional:"true" doc:"compare shares of this: series/total, of the same labels or, with aggregate, of the same group"`

	trigger  rule.Hysteresis
	tally    rule.MofN
	readings []rule.Reading // scratch
	totals   rule.Totals    // scratch
	message  []byte         // scratch
}

// Describe names the module.
func (*Threshold) Describe() rule.Info {
	return rule.Info{Name: "threshold", Version: "1.1.0", Description: "a value beyond a limit, with hysteresis or by majority"}
}

// Configure refuses what contradicts itself.
func (t *Threshold) Configure() error {
	t.tally = rule.MofN{M: t.AtLeast, N: t.Of}
	switch {
	case t.AtLeast > t.Of:
		return errors.New("at_least must not be more than of")
	case t.Clear != nil && t.Of > 1:
		return errors.New("clear and of are two ways to calm an alert: choose one")
	case len(t.By) > 0 && t.Aggregate == "":
		return errors.New("by needs aggregate: how are the series of a group to be summed up?")
	case t.Clear == nil:
		return nil
	case t.Op == "==" || t.Op == "!=":
		return errors.New("clear makes no sense with op " + t.Op)
	case t.compare(*t.Clear) && *t.Clear != t.Value:
		return errors.New("clear must lie on the healthy side of value")
	}
	return nil
}

// State describes what survives a restart: what instances were.
func (*Threshold) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it: nothing, where each evaluation is judged by itself.
func (t *Threshold) Snapshot(w *rule.StateWriter) {
	switch {
	case t.Of > 1:
		t.tally.Save(w)
	case t.Clear != nil:
		t.trigger.Save(w)
	}
}

// Restore reads it. The parameters are those of the snapshot.
func (t *Threshold) Restore(r *rule.StateReader) error {
	if t.Of > 1 {
		return t.tally.Load(r)
	}
	return t.trigger.Load(r)
}

// Eval gives one verdict a series or group. Its value is what was compared. A series whose target did not answer is
// unknown; one that its target no longer has is left out, so that the engine sees it go.
func (t *Threshold) Eval(w rule.Window, out *rule.Verdicts) error {
	t.readings = t.Series.Readings(t.Aggregate, t.By, t.readings)
	shares := t.Total.Len() > 0
	if shares {
		t.totals = t.Total.Totals(t.Aggregate, t.By, t.totals)
	}
	for k := range t.readings {
		r := &t.readings[k]
		v := r.Value
		if shares {
			total := t.totals.Of(r)
			if total == 0 {
				continue // of nothing there are no shares
			}
			r.Known = r.Known && !math.IsNaN(total)
			v /= total
		}
		if r.Known {
			t.judge(w, out, r.Instance, t.as(w, v))
		} else {
			t.hold(w, out, r.Instance)
		}
	}
	return nil
}

// as is what is compared instead of a value.
func (t *Threshold) as(w rule.Window, v float64) float64 {
	now := float64(w.Time().UnixMilli()) / 1000
	switch t.As {
	case "magnitude":
		return math.Abs(v)
	case "until":
		return v - now
	case "since":
		return now - v
	}
	return v
}

// judge compares one value.
func (t *Threshold) judge(w rule.Window, out *rule.Verdicts, i rule.Instance, v float64) {
	over := t.compare(v)
	switch {
	case t.Of > 1:
		status := t.tally.Judge(w, i, over)
		verdict := out.Judge(i, status, v).Threshold(t.Value)
		if status == rule.Active {
			verdict.Text(t.text(t.tally.Hits(w, i)))
		}
	case t.Clear != nil:
		out.Judge(i, t.trigger.Judge(w, i, over, t.cleared(v)), v).Threshold(t.Value)
	case over:
		out.Active(i, v).Threshold(t.Value)
	default:
		out.Healthy(i, v).Threshold(t.Value)
	}
}

// hold says that an instance cannot be judged, which is to change nothing of what it was.
func (t *Threshold) hold(w rule.Window, out *rule.Verdicts, i rule.Instance) {
	switch {
	case t.Of > 1:
		t.tally.Hold(w, i)
	case t.Clear != nil:
		t.trigger.Hold(w, i)
	}
	out.Unknown(i)
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

// text says how often it was over the limit: "4 of the last 5 evaluations".
func (t *Threshold) text(hits int) string {
	m := append(strconv.AppendInt(t.message[:0], int64(hits), 10), " of the last "...)
	t.message = append(strconv.AppendInt(m, int64(t.Of), 10), " evaluations"...)
	return string(t.message)
}

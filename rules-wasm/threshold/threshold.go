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

	trigger rule.Hysteresis
	tally   rule.MofN
	totals  []float64      // scratch
	groups  [2][]aggregate // scratch, of both inputs
	message []byte         // scratch
}

type aggregate struct {
	sum, low, high float64
	n              int
	listed         bool // the input lists a series of the group
	missing        bool // the target of one series did not answer: what it would add is not known
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

// Snapshot writes it.
func (t *Threshold) Snapshot(w *rule.StateWriter) {
	t.trigger.Save(w)
	t.tally.Save(w)
}

// Restore reads it.
func (t *Threshold) Restore(r *rule.StateReader) error {
	return errors.Join(t.trigger.Load(r), t.tally.Load(r))
}

// Eval gives one verdict a series or group. Its value is what was compared. A series whose target did not answer is
// unknown; one that its target no longer has is left out, so that the engine sees it go.
func (t *Threshold) Eval(w rule.Window, out *rule.Verdicts) error {
	if t.Aggregate != "" {
		t.evalGroups(w, out)
		return nil
	}
	var pairs rule.Groups
	if t.Total.Len() > 0 {
		pairs = t.Series.GroupWithout("__name__")
		t.totals = t.Total.Lookup(pairs, t.totals)
	}
	for i := range t.Series.Len() {
		s, total := t.Series.Series(i), math.NaN()
		if t.Total.Len() > 0 {
			total = t.totals[pairs.Of(i)]
		}
		v, ok := s.Value()
		switch {
		case s.Ended() && !s.Missing():
		case ok && !s.Missing():
			t.share(w, out, s.Instance(), v, total)
		default:
			t.hold(w, out, s.Instance())
		}
	}
	return nil
}

func (t *Threshold) evalGroups(w rule.Window, out *rule.Verdicts) {
	groups := t.Series.GroupBy(t.By...)
	t.groups[0] = t.aggregate(&t.Series, t.groups[0])
	t.groups[1] = t.aggregate(&t.Total, t.groups[1])
	for i := range t.groups[0] {
		a, total := &t.groups[0][i], &t.groups[1][i]
		switch {
		case !a.listed: // the engine sees it go
		case a.n == 0 || a.missing || total.missing:
			t.hold(w, out, groups.At(i))
		default:
			t.share(w, out, groups.At(i), a.value(t.Aggregate), total.value(t.Aggregate))
		}
	}
}

// aggregate sums up the series of each group. What a counter gained counts also if its series has ended since.
func (t *Threshold) aggregate(in *rule.Input, into []aggregate) []aggregate {
	groups := in.GroupBy(t.By...)
	if cap(into) < groups.Len() {
		into = make([]aggregate, groups.Len())
	}
	into = into[:groups.Len()]
	clear(into)
	gains := in.Reduced() == "increase" || in.Reduced() == "rate"
	for i := range in.Len() {
		a, s := &into[groups.Of(i)], in.Series(i)
		v, ok := s.Value()
		if s.Ended() && !s.Missing() && !gains {
			continue
		}
		a.listed, a.missing = true, a.missing || s.Missing()
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
	return into
}

// value is NaN for a group without values.
func (a *aggregate) value(how string) float64 {
	if a.n == 0 {
		return math.NaN()
	}
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

// share judges a value, as a share of the total if there is such an input. Of nothing there are no shares.
func (t *Threshold) share(w rule.Window, out *rule.Verdicts, i rule.Instance, v, total float64) {
	if t.Total.Len() > 0 {
		switch {
		case math.IsNaN(total):
			t.hold(w, out, i)
			return
		case total == 0:
			return
		}
		v /= total
	}
	switch now := float64(w.Time().UnixMilli()) / 1000; t.As {
	case "magnitude":
		v = math.Abs(v)
	case "until":
		v -= now
	case "since":
		v = now - v
	}
	t.judge(w, out, i, v)
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

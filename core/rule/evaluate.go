package rule

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// job is one evaluation.
type job struct {
	*running
	at        time.Time
	overtaken int // rounds that came while it waited
}

// outcome is how it went.
type outcome struct {
	begun   time.Time
	took    time.Duration
	fuel    uint64
	err     error
	missing string      // what could not be seen
	cause   alert.Cause // of that
	young   string      // how much of the past could not be seen yet
	left    bool        // targets of an input were taken away, all of them
	matched bool        // every input matched a series
	changed bool        // those who act on alerts should look again
	stopped bool        // the manager stops: nothing was judged
}

// evaluate runs the program of a rule and moves its instances.
func (m *Manager) evaluate(j job) (o outcome) {
	o.begun = time.Now()
	ev, err := m.run(j)
	o.took, o.fuel, o.err = time.Since(o.begun), ev.Fuel, err
	if m.ctx.Err() != nil {
		o.stopped = true // what a cancelled program says is no evidence of anything
		return o
	}
	var observed []seen
	if err == nil {
		if observed, err = j.observe(ev); err != nil {
			o.err = err
		}
	}
	o.missing, o.cause = missing(ev, o.err)
	o.young, o.left = ev.Young, ev.Left
	o.matched = o.err == nil && !ev.Empty
	m.tellRule(j, &o)
	m.tellAmbiguous(j, ev.Ambiguous)
	o.changed = m.move(j, observed, &o)
	return o
}

// run calls the program. Its panic is an error like others: rules are independent of each other.
func (m *Manager) run(j job) (ev Evaluation, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			m.options.Logger.Error().Str("rule", j.Name).Bytes("stack", debug.Stack()).Msg("the program of a rule panicked")
		}
	}()
	return j.Program.Eval(m.ctx, j.at)
}

// missing says why an instance that the rule left out is not known to be healthy; "" when it is.
func missing(ev Evaluation, err error) (what string, cause alert.Cause) {
	switch {
	case err != nil:
		return "rule failed: " + err.Error(), alert.CauseRuleFailed
	case !ev.Complete:
		return cmp.Or(ev.Missing, "not all targets answered"), alert.CauseNoAnswer
	case ev.Empty:
		return cmp.Or(ev.Missing, "an input matches no series"), alert.CauseNoSeries
	case ev.NoVerdict:
		return cmp.Or(ev.Missing, "not enough data to judge"), alert.CauseNotEnough
	}
	return "", ""
}

// seen is what the program said about one instance.
type seen struct {
	alert.Fingerprint
	*abi.Verdict
}

// observe orders the verdicts by instance. A program that contradicts itself has failed.
func (j job) observe(ev Evaluation) ([]seen, error) {
	observed := j.observed[:0]
	for i := range ev.Verdicts {
		v := &ev.Verdicts[i]
		observed = append(observed, seen{alert.NewFingerprint(j.Name, v.Labels), v})
	}
	j.observed = observed
	slices.SortFunc(observed, func(a, b seen) int {
		switch {
		case a.Fingerprint < b.Fingerprint:
			return -1
		case a.Fingerprint > b.Fingerprint:
			return 1
		}
		return 0
	})
	for i := 1; i < len(observed); i++ {
		if a, b := observed[i-1], observed[i]; a.Fingerprint == b.Fingerprint {
			return nil, fmt.Errorf("two verdicts about one instance: %s and %s", a.Labels, b.Labels)
		}
	}
	return observed, nil
}

// moved collects what an evaluation does to the instances of its rule.
type moved struct {
	put       []alert.Alert
	drop      []alert.Fingerprint
	observe   []alert.Alert
	decisions []alert.Decision
	badTexts  []error               // of templates
	changed   bool                  // those who act on alerts should look again
	places    int                   // taken of the limit
	assumed   map[*abi.Verdict]bool // not the program's, but what on_missing = "fire" makes of missing data
	summary   *abi.Verdict          // about all instances beyond it; nil where there are none
}

// move takes each instance one step and tells what changed, after it is durable.
func (m *Manager) move(j job, observed []seen, o *outcome) (changed bool) {
	stored := m.options.Alerts.OfRule(j.Name)
	var mv moved
	observed = mv.decideMissing(j, observed, o)
	if o.err == nil && o.missing != "" && j.OnMissing == MissingFire && len(stored)+len(observed) == 0 {
		v := noVerdict(nil)
		v.Status, v.Text = abi.Active, o.missing
		observed = []seen{{alert.NewFingerprint(j.Name, nil), v}}
		mv.assume(v)
	}
	j.renderer.at = j.at
	var newcomers []newcomer
	var summary *alert.Alert
	for len(stored) > 0 || len(observed) > 0 { // both are ordered by fingerprint
		switch {
		case j.Limit > 0 && len(stored) > 0 && stored[0].Identity.Equal(overLimit):
			summary, stored = &stored[0], stored[1:]
		case len(observed) == 0 || len(stored) > 0 && stored[0].Fingerprint < observed[0].Fingerprint:
			mv.step(j, stored[0], noVerdict(stored[0].Identity), j.leftOut(o))
			stored = stored[1:]
		case len(stored) == 0 || observed[0].Fingerprint < stored[0].Fingerprint:
			v := observed[0]
			if v.Status == abi.Active {
				a := alert.Alert{Fingerprint: v.Fingerprint, Rule: j.Name, Identity: slices.Clone(v.Labels), Shadow: j.Shadow}
				if j.Limit > 0 {
					newcomers = append(newcomers, newcomer{a, v.Verdict})
				} else {
					mv.step(j, a, v.Verdict, mv.judged(j, v.Fingerprint, v.Verdict))
				}
			}
			observed = observed[1:]
		case j.Limit > 0 && stored[0].State == alert.Resolved && observed[0].Status == abi.Active:
			newcomers = append(newcomers, newcomer{stored[0], observed[0].Verdict})
			stored, observed = stored[1:], observed[1:]
		default:
			mv.step(j, stored[0], observed[0].Verdict, mv.judged(j, observed[0].Fingerprint, observed[0].Verdict))
			stored, observed = stored[1:], observed[1:]
		}
	}
	if j.Limit > 0 {
		mv.admit(j, newcomers, summary, o)
	}
	mv.prune(j)
	m.store(j.Name, mv.put, mv.drop)
	m.options.Alerts.Observe(mv.observe...)
	for _, d := range mv.decisions {
		m.options.Record(d)
	}
	m.tellTemplates(j, mv.badTexts)
	return mv.changed
}

// decideMissing applies on_missing to the instances that the program cannot tell about while data are missing: with "ok"
// they are left out, which then counts as health, with "fire" they are active.
func (mv *moved) decideMissing(j job, observed []seen, o *outcome) []seen {
	if o.err != nil || o.missing == "" || j.OnMissing != MissingOK && j.OnMissing != MissingFire {
		return observed
	}
	decided := observed[:0]
	for _, s := range observed {
		if s.Status == abi.Unknown {
			if j.OnMissing == MissingOK {
				continue
			}
			v := *s.Verdict
			v.Status, v.Text = abi.Active, o.missing
			s.Verdict = &v
			mv.assume(&v)
		}
		decided = append(decided, s)
	}
	return decided
}

// assume notes that a verdict is not the program's.
func (mv *moved) assume(v *abi.Verdict) {
	if mv.assumed == nil {
		mv.assumed = map[*abi.Verdict]bool{}
	}
	mv.assumed[v] = true
}

// prune forgets the progress of instances that are no more: resolved ones are forgotten by others.
func (mv *moved) prune(j job) {
	if len(j.progress) <= len(mv.put)+len(mv.observe) {
		return
	}
	alive := make(map[alert.Fingerprint]bool, len(mv.put)+len(mv.observe))
	for _, list := range [][]alert.Alert{mv.put, mv.observe} {
		for i := range list {
			alive[list[i].Fingerprint] = true
		}
	}
	maps.DeleteFunc(j.progress, func(fp alert.Fingerprint, _ progress) bool { return !alive[fp] })
}

// leftOut is what follows for an instance from not being spoken of.
func (j job) leftOut(o *outcome) observation {
	ob := observation{at: j.at, value: math.NaN(), cause: o.cause, reason: o.missing}
	switch {
	case o.missing == "" && o.young != "": // after a start: what was seen of an instance before may still count
		ob.cause, ob.reason = alert.CauseYoung, o.young
	case o.missing == "" && o.left:
		ob.evidence, ob.cause, ob.reason = healthy, alert.CauseTargetGone, "the rule does not name it any more: targets were taken away"
	case o.missing == "":
		ob.evidence, ob.cause, ob.reason = healthy, alert.CauseUnnamed, "the rule does not name it any more, and all targets answered"
	case o.err != nil: // a choice about missing data is none about broken rules
	case j.OnMissing == MissingOK && o.young == "":
		ob.evidence, ob.cause, ob.reason = healthy, alert.CauseMissingOK, `missing data count as health (on_missing = "ok"): `+o.missing
	case j.OnMissing == MissingFire:
		ob.evidence, ob.cause, ob.text = active, alert.CauseMissingFires, o.missing
	}
	return ob
}

// judged is what follows for an instance from a verdict about it.
func (mv *moved) judged(j job, fp alert.Fingerprint, v *abi.Verdict) observation {
	ob := observation{at: j.at, value: v.Value, text: v.Text}
	switch v.Status {
	case abi.Active:
		ob.evidence = active
		ob.labels = mv.labels(j, fp, v)
		if mv.assumed[v] {
			ob.cause = alert.CauseMissingFires
		}
	case abi.Healthy:
		ob.evidence, ob.cause, ob.reason = healthy, alert.CauseHealthy, "the rule finds it healthy"
	default:
		ob.cause, ob.reason = alert.CauseCannotTell, "the rule cannot tell"
	}
	if ob.evidence != active && v.Text != "" {
		ob.reason += ": " + v.Text
	}
	return ob
}

// labels are those of an active instance. Where no template speaks of the value they are the same each time, and the
// ones of the evaluation before serve again.
func (mv *moved) labels(j job, fp alert.Fingerprint, v *abi.Verdict) frame.Labels {
	p := j.progress[fp]
	if p.labels != nil && !p.rewrite && v != mv.summary && p.severity == v.Severity && len(j.renderer.labels) == 0 {
		return p.labels
	}
	labels, errs := j.renderer.labelSet(j.Alertname, v)
	mv.badTexts = append(mv.badTexts, errs...)
	return labels
}

// step takes one instance one step.
func (mv *moved) step(j job, before alert.Alert, v *abi.Verdict, o observation) {
	a := before
	if a.Shadow != j.Shadow { // the rule was configured anew
		a.Shadow = j.Shadow
		a.Revision++
	}
	if v == mv.summary && a.State == alert.Firing && a.Text != v.Text {
		a.Revision++
	}
	p := j.progress[a.Fingerprint]
	if _, known := j.progress[a.Fingerprint]; !known {
		p.saved = a.Held
	}
	next, fx := j.policy.step(instance{Alert: a, seen: p.seen, saved: p.saved}, o)
	if a.Revision != before.Revision && !fx.drop {
		fx.commit, fx.render = true, fx.render || v == mv.summary
	}
	if next.State == alert.Pending || next.State == alert.Firing {
		mv.places++
	}
	if p.rewrite && o.evidence == active && next.State != alert.Resolved {
		p.rewrite, fx.commit, fx.render = false, true, true
	}
	if fx.drop || next.State == alert.Inactive {
		delete(j.progress, a.Fingerprint)
	} else {
		p.seen, p.saved = next.seen, next.saved
		if o.labels != nil {
			p.labels, p.severity = o.labels, v.Severity
		}
		j.progress[a.Fingerprint] = p
	}
	switch {
	case fx.render && v == mv.summary:
		next.Annotations = j.renderer.sumUp(j.Alertname, v.Text, j.Limit)
	case fx.render:
		var errs []error
		next.Annotations, errs = j.renderer.annotate(next.Labels, v)
		mv.badTexts = append(mv.badTexts, errs...)
	}
	switch {
	case fx.drop:
		mv.drop = append(mv.drop, a.Fingerprint)
	case fx.commit:
		mv.put = append(mv.put, next.Alert)
	case next.State != alert.Inactive:
		mv.observe = append(mv.observe, next.Alert)
	}
	mv.tell(before, next.Alert, o, fx)
	if a.Unknown == next.Unknown {
		return
	}
	// Blindness of the rule as a whole was recorded once, not for each instance.
	if next.Unknown && v.Status == abi.Unknown {
		mv.tellOverlay(alert.KindBlind, next.Alert, o.cause, next.Reason)
	} else if a.Unknown && !j.wasFrozen {
		mv.tellOverlay(alert.KindSighted, next.Alert, alert.CauseDataBack, "")
	}
}

// store makes changes durable, or goes on without that when storage refuses.
func (m *Manager) store(rule string, put []alert.Alert, drop []alert.Fingerprint) {
	if len(put) > 0 {
		m.report(rule, m.options.Alerts.Put(put...))
	}
	if len(drop) > 0 {
		m.report(rule, m.options.Alerts.Drop(drop...))
	}
}

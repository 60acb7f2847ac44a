package rule

import (
	"math"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// evidence is what one evaluation says about one instance.
type evidence uint8

const (
	unknown evidence = iota // nothing: no data, not all data, a failed evaluation
	healthy                 // all is well
	active                  // the condition holds
)

// observation is one evaluation as one instance sees it.
type observation struct {
	at       time.Time
	evidence evidence
	cause    alert.Cause  // why it is unknown, what the health is based on, or what else than the program says that it is active
	reason   string       // the same for people
	value    float64      // NaN: none
	text     string       // of the verdict
	labels   frame.Labels // of an active one: what routes shall match
}

// policy is how a rule wants its evidence to be weighed.
type policy struct {
	hold  time.Duration // "for"
	keep  time.Duration // "keep_firing_for"
	gap   time.Duration // evidence reaches this far: what lies further apart counts for this much. 0: no bound
	every time.Duration // progress is made durable in steps of at least this
}

// instance is an alert with what its rule alone needs to know, and a restart may forget.
type instance struct {
	alert.Alert
	seen  time.Time     // the evaluation before this one if it was evidenced, zero otherwise: time counts from there
	saved time.Duration // how much of Held is durable
}

// effect is what a step asks for.
type effect struct {
	commit  bool // the instance changed in a way that must survive a crash
	drop    bool // it is over and nobody was told of it: forget it
	revised bool // it fires, and what people see of it changed other than its state
	render  bool // its annotations are to be written anew
}

// step is the state machine of ALERTING section 1: where an instance stands after an observation. It has no clock, no
// memory and no side effects.
//
// It holds that nothing but evidence of health ends what is active, that "for" and keep_firing_for count only time
// between two evaluations in a row that both had evidence, and that whatever need not survive a crash is not committed.
func (p policy) step(in instance, o observation) (instance, effect) {
	if o.evidence == unknown {
		return in.blinded(o)
	}
	elapsed := p.elapsed(in.seen, o.at)
	fx := effect{commit: in.Unknown}
	if in.Unknown {
		in.Unknown, in.Reason = false, ""
	}
	in.seen = o.at // also when a clock was set back: better to lose a little than to wait for it to catch up
	if in.State != alert.Resolved {
		in.measure(o)
	}
	if o.evidence == active {
		return p.holds(in, o, elapsed, fx)
	}
	return p.clear(in, o, elapsed, fx)
}

// elapsed is how much evidenced time lies between two evaluations in a row.
func (p policy) elapsed(from, to time.Time) time.Duration {
	if from.IsZero() || !to.After(from) {
		return 0
	}
	d := to.Sub(from)
	if p.gap > 0 {
		d = min(d, p.gap)
	}
	return d
}

// blinded freezes an instance: its state and its progress stay as they are, and the time until the next evidence
// does not count.
func (in instance) blinded(o observation) (instance, effect) {
	in.seen = time.Time{}
	if in.State != alert.Pending && in.State != alert.Firing {
		return in, effect{}
	}
	fx := effect{commit: !in.Unknown}
	in.Unknown, in.Reason = true, o.reason
	if fx.commit {
		in.saved = in.Held
	}
	return in, fx
}

// measure takes over the value of an observation.
func (in *instance) measure(o observation) {
	if o.text != "" || o.evidence == active {
		in.Text = o.text
	}
	if math.IsNaN(o.value) || math.IsInf(o.value, 0) {
		return
	}
	in.Value = o.value
	in.Recent = alert.Remember(in.Recent, o.value)
	if in.State == alert.Firing && o.evidence == active && math.Abs(o.value) > math.Abs(in.Peak) {
		in.Peak = o.value
	}
}

// holds is the step of an instance whose condition holds.
func (p policy) holds(in instance, o observation, elapsed time.Duration, fx effect) (instance, effect) {
	if in.relabelled(o) && (in.State == alert.Pending || in.State == alert.Firing) {
		in.Labels = o.labels
		in.Revision++
		fx.commit, fx.render, fx.revised = true, true, in.State == alert.Firing
	}
	switch in.State {
	case alert.Inactive:
		in.State, in.ActiveAt, in.Held = alert.Pending, o.at, 0
		in.Labels = o.labels
		in.Revision++
		fx.commit, fx.render = true, true
	case alert.Pending:
		in.Held += elapsed
	case alert.Firing:
		if !in.ClearSince.IsZero() { // health did not last for keep_firing_for
			fx.commit = fx.commit || in.Held > 0 // it may have been written, and would end the incident early after a crash
			in.ClearSince, in.Held = time.Time{}, 0
		}
		return p.checkpoint(in, p.keep, fx)
	case alert.Resolved:
		if in.AgainAt.IsZero() {
			in.AgainAt, in.Held = o.at, 0
		} else {
			in.Held += elapsed
		}
	}
	if in.Held >= p.hold {
		return in.fire(o), effect{commit: true, render: true}
	}
	if in.State == alert.Resolved {
		return in, fx // nobody is told before it fires, and losing the progress costs a delay only
	}
	return p.checkpoint(in, p.hold, fx)
}

func (in instance) relabelled(o observation) bool {
	return o.labels != nil && !o.labels.Equal(in.Labels)
}

// fire begins an incident. One that is resolved and not settled yet begins a new one.
func (in instance) fire(o observation) instance {
	if in.State == alert.Resolved { // it kept what people were told of the incident before
		in.ActiveAt = in.AgainAt
		if in.relabelled(o) {
			in.Labels = o.labels
		}
		in.Recent = nil
		in.measure(o)
	}
	in.State, in.Reason = alert.Firing, ""
	in.FiredAt, in.ResolvedAt, in.ClearSince, in.AgainAt = o.at, time.Time{}, time.Time{}, time.Time{}
	in.FireValue, in.Peak = in.Value, in.Value
	in.Held, in.saved = 0, 0
	in.Revision++
	return in
}

// clear is the step of an instance of whose health there is evidence.
func (p policy) clear(in instance, o observation, elapsed time.Duration, fx effect) (instance, effect) {
	switch in.State {
	case alert.Inactive:
		return in, effect{}
	case alert.Pending:
		in.State, in.Reason = alert.Inactive, o.reason
		return in, effect{drop: true}
	case alert.Resolved:
		in.AgainAt, in.Held = time.Time{}, 0
		return in, fx
	}
	if in.ClearSince.IsZero() {
		in.ClearSince, in.Held = o.at, 0
	} else {
		in.Held += elapsed
	}
	if in.Held < p.keep {
		return p.checkpoint(in, p.keep, fx)
	}
	return in.resolve(o), effect{commit: true, render: !math.IsNaN(o.value)}
}

// resolve ends an incident; the alert stays until everybody who was told of it has been told so.
func (in instance) resolve(o observation) instance {
	in.State, in.Reason, in.Unknown = alert.Resolved, o.reason, false
	in.ResolvedAt, in.ClearSince, in.AgainAt = o.at, time.Time{}, time.Time{}
	in.Held, in.saved = 0, 0
	in.Revision++
	return in
}

// checkpoint asks for a commit when enough progress towards goal would be lost by a crash.
func (p policy) checkpoint(in instance, goal time.Duration, fx effect) (instance, effect) {
	fx.commit = fx.commit || in.Held-in.saved >= max(goal/8, p.every) && in.Held > 0
	if fx.commit {
		in.saved = in.Held
	}
	return in, fx
}

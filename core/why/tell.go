package why

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Teller takes the lines of a journal in their order and keeps what they say about instances. It keeps the lines
// themselves only if it is asked to, so that a summary of a large journal takes memory for the alerts alone.
type Teller struct {
	keep      bool
	instances map[alert.Fingerprint]*instance
	rules     map[string][]*instance
	records   map[record][]*outcome
	since     time.Time
	lost      []string
	nameless  int // lines without a known cause
}

type record struct{ receiver, group string }

// instance is an alert while its story is told.
type instance struct {
	Instance
	rule      string
	incidents []*incident
}

type incident struct {
	Incident
	outcomes []*outcome // in the order in which they came up
}

type outcome struct {
	Outcome
	final bool // given up: what befalls the group does not concern it any more
}

// NewTeller returns a teller; with keep the answers hold the lines that they follow from.
func NewTeller(keep bool) *Teller {
	return &Teller{
		keep: keep, instances: map[alert.Fingerprint]*instance{}, rules: map[string][]*instance{}, records: map[record][]*outcome{},
	}
}

// Add takes the next line.
func (t *Teller) Add(d *alert.Decision) {
	if t.since.IsZero() {
		t.since = d.Time
	}
	if !d.Known() {
		t.nameless++
	}
	switch {
	case d.Kind == alert.KindDropped:
		t.lost = append(t.lost, fmt.Sprintf("%s %s", d.Time.UTC().Format(time.RFC3339), d.Reason))
	case d.Kind == alert.KindEngine:
		t.everywhere(d)
	case d.Receiver != "" && d.Fingerprint == 0:
		for _, o := range t.records[record{d.Receiver, d.Group}] {
			o.attempt(d, t.keep)
		}
	case d.Receiver != "":
		t.instance(d).current().outcome(t, d).decide(d, t.keep)
	case d.Fingerprint != 0:
		t.instance(d).step(t, d)
	default:
		for _, in := range t.rules[d.Rule] {
			in.note(d, t.keep)
		}
	}
}

// everywhere notes what befell the engine in the incidents that are not over.
func (t *Teller) everywhere(d *alert.Decision) {
	if !t.keep {
		return
	}
	for _, in := range t.instances {
		in.note(d, true)
	}
}

// instance finds the alert that a line is about.
func (t *Teller) instance(d *alert.Decision) *instance {
	in := t.instances[d.Fingerprint]
	if in == nil {
		in = &instance{Instance: Instance{Fingerprint: d.Fingerprint}}
		t.instances[d.Fingerprint] = in
	}
	if in.rule == "" && d.Rule != "" {
		in.rule = d.Rule
		t.rules[d.Rule] = append(t.rules[d.Rule], in)
	}
	if d.Labels != nil {
		in.Labels = d.Labels
	}
	in.Name = cmp.Or(in.Labels.Get("alertname"), in.rule)
	return in
}

// current is the newest incident, to which new lines belong.
func (in *instance) current() *incident {
	if n := len(in.incidents); n > 0 {
		return in.incidents[n-1]
	}
	i := &incident{} // it began before the oldest line
	in.incidents = append(in.incidents, i)
	return i
}

// begins tells that a line is the first one of an incident.
func begins(d *alert.Decision) bool {
	return d.Kind == alert.KindTransition && (d.To == "pending" || d.To == "firing") && (d.From == "inactive" || d.From == "resolved")
}

// step takes a line about the alert itself.
func (in *instance) step(t *Teller, d *alert.Decision) {
	if begins(d) {
		in.begin(t, d)
	}
	i := in.current()
	if t.keep {
		i.Steps = append(i.Steps, *d)
	}
	if d.Kind != alert.KindTransition {
		return
	}
	i.Cause = d.Cause
	switch d.To {
	case "firing":
		if i.Fired.IsZero() {
			i.Fired = d.Time
		}
	case "inactive", "resolved":
		i.Ended = d.Time
	}
}

// begin begins an incident. What a receiver knows of the one before stays as it is until the journal says otherwise. Who
// was told that it fires, or will be, and not yet that it was over, is told nothing new: to that receiver both are one.
func (in *instance) begin(t *Teller, d *alert.Decision) {
	next := &incident{Incident: Incident{Began: d.Time}}
	if n := len(in.incidents); n > 0 {
		for _, o := range in.incidents[n-1].outcomes {
			switch {
			case !o.Closed.IsZero() || o.final || o.Verdict == Spared:
				t.forget(o)
			case o.Verdict == Withheld || o.Verdict == Rejected:
				again := &outcome{Outcome: o.Outcome}
				again.Steps = nil
				next.outcomes = append(next.outcomes, again)
				t.forget(o)
				t.follow(again)
			default:
				next.outcomes = append(next.outcomes, o)
			}
		}
	}
	in.incidents = append(in.incidents, next)
}

// note adds a line about the rule or the engine to an incident that is not over.
func (in *instance) note(d *alert.Decision, keep bool) {
	if n := len(in.incidents); keep && n > 0 && in.incidents[n-1].Ended.IsZero() {
		in.incidents[n-1].Steps = append(in.incidents[n-1].Steps, *d)
	}
}

// outcome finds what becomes of an incident at the receiver and group of a line.
func (i *incident) outcome(t *Teller, d *alert.Decision) *outcome {
	for _, o := range i.outcomes {
		if o.Receiver == d.Receiver && o.Group == d.Group {
			return o
		}
	}
	o := &outcome{Outcome: Outcome{Receiver: d.Receiver, Group: d.Group, Verdict: Unknown}}
	i.outcomes = append(i.outcomes, o)
	t.follow(o)
	return o
}

// follow has an outcome hear of what befalls its group as a whole.
func (t *Teller) follow(o *outcome) {
	key := record{o.Receiver, o.Group}
	t.records[key] = append(t.records[key], o)
}

func (t *Teller) forget(o *outcome) {
	key := record{o.Receiver, o.Group}
	t.records[key] = slices.DeleteFunc(t.records[key], func(other *outcome) bool { return other == o })
}

// decide takes a line about this alert at this receiver.
func (o *outcome) decide(d *alert.Decision, keep bool) {
	o.keep(d, keep)
	if d.Kind == alert.KindAccepted {
		o.be(Told, d)
		switch {
		case d.To == "resolved":
			o.Closed = d.Time
		case o.Told.IsZero():
			o.Told = d.Time
		}
		return
	}
	if !o.Told.IsZero() && o.Closed.IsZero() {
		return // what is open there stays open, whatever withholds it
	}
	begins := d.Kind != alert.KindGrouped || waits(d.Cause)
	if o.Verdict == Told && !begins {
		return // that it is over is no news
	}
	o.Told, o.Closed = time.Time{}, time.Time{} // it was closed here, within the same incident
	o.final = d.Kind == alert.KindDeadLetter
	switch {
	case o.final:
		o.be(Rejected, d)
	case d.Kind == alert.KindWithheld:
		o.be(Withheld, d)
	case begins:
		o.be(Waiting, d)
	default:
		o.be(Spared, d)
	}
}

// waits tells whether an alert that was grouped for this cause is to be told.
func waits(c alert.Cause) bool {
	return c == alert.CauseAtOnce || c == alert.CauseGroupWait || c == alert.CauseGroupInterval
}

// attempt takes a line about the whole group. It concerns whoever waits, or is told and not closed.
func (o *outcome) attempt(d *alert.Decision, keep bool) {
	if o.Verdict == Withheld || o.Verdict == Spared || o.final || !o.Closed.IsZero() {
		return
	}
	o.keep(d, keep)
	switch {
	case d.Kind == alert.KindDeadLetter && o.Told.IsZero():
		o.be(Rejected, d)
	case d.Kind == alert.KindDeadLetter:
		o.Reason = d.Reason
	case !o.Told.IsZero():
	case d.Kind == alert.KindIntent, d.Kind == alert.KindRetry:
		o.be(Waiting, d)
	}
}

// be takes over a verdict and the reason for it.
func (o *outcome) be(v Verdict, d *alert.Decision) {
	o.Verdict, o.Cause, o.By, o.Reason, o.NextAt = v, d.Cause, d.By, d.Reason, d.Until
}

func (o *outcome) keep(d *alert.Decision, keep bool) {
	if keep {
		o.Steps = append(o.Steps, *d)
	}
}

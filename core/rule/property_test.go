package rule

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// witness watches one instance and reckons by itself, from the evidence alone, what may be said of it.
type witness struct {
	policy policy
	in     instance
	disk   alert.Alert // what a crash would leave

	now   time.Time
	last  time.Time // the evaluation before, if it had evidence
	held  time.Duration
	clear time.Duration // of evidenced health in a row while firing
}

// observe feeds one observation and checks the step.
func (w *witness) observe(t *rapid.T, e evidence) {
	labels := frame.FromMap(map[string]string{"severity": rapid.SampledFrom([]string{"warning", "critical"}).Draw(t, "severity")})
	o := observation{at: w.now, evidence: e, value: math.NaN(), labels: labels}
	before := w.in
	after, fx := w.policy.step(before, o)
	again, fxAgain := w.policy.step(before, o)
	if mustJSON(t, again.Alert) != mustJSON(t, after.Alert) || fx != fxAgain {
		t.Fatalf("the same step twice gave %+v and %+v", after, again)
	}
	w.reckon(before.State, e)
	w.checkEvidence(t, before, after, e)
	w.checkTimes(t, before, after)
	w.checkEffect(t, before, after, fx, e)

	w.in = after
	switch {
	case fx.drop:
		w.in, w.disk = instance{}, alert.Alert{}
	case fx.commit:
		w.disk = after.Alert
	}
	if w.in.State == alert.Inactive {
		w.held = 0
	}
}

// reckon counts evidenced time, an evaluation at a time.
func (w *witness) reckon(state alert.State, e evidence) {
	var elapsed time.Duration
	if !w.last.IsZero() && w.now.After(w.last) {
		elapsed = min(w.now.Sub(w.last), w.policy.gap)
	}
	w.last = time.Time{}
	if e != unknown {
		w.last = w.now
	}
	switch {
	case e == active && state != alert.Firing:
		w.held += elapsed
	case e == healthy && state != alert.Firing:
		w.held = 0
	}
	switch e {
	case healthy:
		w.clear += elapsed
	case active:
		w.clear = 0
	}
}

// checkEvidence: only evidence moves an instance, and enough of it.
func (w *witness) checkEvidence(t *rapid.T, before, after instance, e evidence) {
	if e == unknown && before.State != after.State {
		t.Fatalf("unknown moved it from %v to %v", before.State, after.State)
	}
	if e == unknown && before.Held != after.Held {
		t.Fatalf("unknown changed its evidenced time from %v to %v", before.Held, after.Held)
	}
	if before.State == alert.Firing && after.State != alert.Firing && (e != healthy || after.State != alert.Resolved) {
		t.Fatalf("it left firing for %v on evidence %d", after.State, e)
	}
	if after.State == alert.Resolved && before.State == alert.Firing && w.clear < w.policy.keep {
		t.Fatalf("it resolved after %v of evidenced health, keep_firing_for is %v", w.clear, w.policy.keep)
	}
	if after.State == alert.Firing && before.State != alert.Firing {
		if e != active {
			t.Fatalf("it fired on evidence %d", e)
		}
		if w.held < w.policy.hold {
			t.Fatalf("it fired after %v of evidence, for is %v", w.held, w.policy.hold)
		}
		w.held, w.clear = 0, 0
	}
	if (after.State == alert.Pending || !after.AgainAt.IsZero()) && e == active && after.Held >= w.policy.hold {
		t.Fatalf("held for %v of %v and does not fire", after.Held, w.policy.hold)
	}
	if after.Unknown != (e == unknown && (after.State == alert.Pending || after.State == alert.Firing)) {
		t.Fatalf("unknown is %v in state %v after evidence %d", after.Unknown, after.State, e)
	}
}

// checkTimes: the times of a state are those of its incident.
func (w *witness) checkTimes(t *rapid.T, before, after instance) {
	a := after.Alert
	fired := a.State == alert.Firing || a.State == alert.Resolved
	switch {
	case a.FiredAt.IsZero() == fired:
		t.Fatalf("%v since %v", a.State, a.FiredAt)
	case a.ResolvedAt.IsZero() == (a.State == alert.Resolved):
		t.Fatalf("%v, resolved at %v", a.State, a.ResolvedAt)
	case !a.AgainAt.IsZero() && a.State != alert.Resolved, !a.ClearSince.IsZero() && a.State != alert.Firing:
		t.Fatalf("%v, again %v, clear %v", a.State, a.AgainAt, a.ClearSince)
	case fired && a.ActiveAt.After(a.FiredAt):
		t.Fatalf("fired at %v, before it began at %v", a.FiredAt, a.ActiveAt)
	case a.Held < 0:
		t.Fatalf("held for %v", a.Held)
	case a.Revision < before.Revision:
		t.Fatalf("revision went from %d to %d", before.Revision, a.Revision)
	}
}

// checkEffect: what people see is durable, and what nobody sees is not written each time.
func (w *witness) checkEffect(t *rapid.T, before, after instance, fx effect, e evidence) {
	transition := before.State != after.State
	relabelled := !before.Labels.Equal(after.Labels) && before.State != alert.Inactive
	overlay := before.Unknown != after.Unknown
	progress := after.Held-w.disk.Held >= max(w.policy.every, 1)
	undone := before.Held > 0 && after.Held < before.Held
	if (transition || relabelled || overlay) && !fx.commit && !fx.drop {
		t.Fatalf("from %v to %v (relabelled %v, overlay %v) without a commit", before.State, after.State, relabelled, overlay)
	}
	if reason := transition || relabelled || overlay || progress || undone; fx.commit && !reason {
		t.Fatalf("a commit of %v on evidence %d without a reason: held %v, durable %v", after.State, e, after.Held, w.disk.Held)
	}
	if fx.commit && fx.drop {
		t.Fatal("both a commit and a drop")
	}
	if fx.drop != (before.State == alert.Pending && after.State == alert.Inactive) {
		t.Fatalf("dropped from %v to %v", before.State, after.State)
	}
	seen := transition || relabelled
	if (before.Revision != after.Revision) != (seen && !fx.drop) {
		t.Fatalf("revision %d to %d, from %v to %v, relabelled %v", before.Revision, after.Revision, before.State, after.State, relabelled)
	}
	if goal := w.policy.hold; after.State == alert.Pending && after.Held-durable(fx, after, w.disk).Held >= max(goal/8, w.policy.every) && e == active {
		t.Fatalf("a crash would lose %v of progress", after.Held-durable(fx, after, w.disk).Held)
	}
}

func durable(fx effect, after instance, disk alert.Alert) alert.Alert {
	if fx.commit {
		return after.Alert
	}
	return disk
}

// crash leaves what is durable.
func (w *witness) crash(t *rapid.T) {
	var a alert.Alert
	if err := json.Unmarshal([]byte(mustJSON(t, w.disk)), &a); err != nil {
		t.Fatal(err)
	}
	if a.Held > w.in.Held && a.State == w.in.State && a.ClearSince.Equal(w.in.ClearSince) && a.AgainAt.Equal(w.in.AgainAt) {
		t.Fatalf("a crash turns %v of evidence into %v", w.in.Held, a.Held)
	}
	w.in = instance{Alert: a, saved: a.Held}
	w.last = time.Time{}
	switch a.State {
	case alert.Pending:
		w.held = min(w.held, a.Held)
	case alert.Firing:
		w.clear = min(w.clear, a.Held)
	default:
		w.held, w.clear = 0, 0
	}
}

func mustJSON(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStateMachineProperties(t *testing.T) {
	duration := rapid.SampledFrom([]time.Duration{0, time.Second, 30 * time.Second, time.Minute, 3 * time.Minute, 5 * time.Minute})
	property := func(t *rapid.T) {
		w := &witness{
			now: epoch,
			policy: policy{
				hold: duration.Draw(t, "for"), keep: duration.Draw(t, "keep"),
				gap: time.Minute, every: rapid.SampledFrom([]time.Duration{time.Second, 10 * time.Second}).Draw(t, "every"),
			},
		}
		pass := func() {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "pass")) * time.Second)
		}
		t.Repeat(map[string]func(*rapid.T){
			"active":  func(t *rapid.T) { pass(); w.observe(t, active) },
			"longer":  func(t *rapid.T) { pass(); w.observe(t, active) }, // active runs are what leads anywhere
			"healthy": func(t *rapid.T) { pass(); w.observe(t, healthy) },
			"better":  func(t *rapid.T) { pass(); w.observe(t, healthy) },
			"unknown": func(t *rapid.T) { pass(); w.observe(t, unknown) },
			"crash":   func(t *rapid.T) { w.crash(t) },
			"settled": func(*rapid.T) {
				if w.in.State == alert.Resolved && w.in.AgainAt.IsZero() {
					w.in, w.disk, w.held = instance{}, alert.Alert{}, 0
				}
			},
		})
	}
	for range 10 { // the rarer mistakes take some thousand stories to show
		rapid.Check(t, property)
	}
}

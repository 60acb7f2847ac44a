package rule

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

var epoch = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

// story tells an instance: "+30s active" is an evaluation 30 s after the one before, "restart" forgets what is not
// kept in the alert. Each line ends with what the instance then is.
func tell(t *testing.T, p policy, story string) instance {
	t.Helper()
	in := instance{Alert: alert.Alert{Rule: "HighErrors"}}
	at := epoch
	for n, line := range strings.Split(strings.TrimSpace(story), "\n") {
		did, want, _ := strings.Cut(line, "=>")
		words := strings.Fields(did)
		want = strings.Join(strings.Fields(want), " ")
		var fx effect
		if words[0] == "restart" {
			in.seen, in.saved = time.Time{}, in.Held
		} else {
			gap, err := time.ParseDuration(words[0])
			if err != nil {
				t.Fatal(err)
			}
			at = at.Add(gap)
			o := observation{at: at, value: math.NaN()}
			switch words[1] {
			case "active":
				o.evidence, o.labels = active, frame.FromMap(map[string]string{"severity": "warning"})
			case "critical":
				o.evidence, o.labels = active, frame.FromMap(map[string]string{"severity": "critical"})
			case "healthy":
				o.evidence = healthy
			}
			in, fx = p.step(in, o)
		}
		got := describe(in, fx)
		if got != want {
			t.Errorf("line %d, %s: got %q, want %q", n+1, strings.TrimSpace(did), got, want)
		}
	}
	return in
}

// describe is an instance in words: state, ? when unknown, evidenced time, and ! when it is to be committed.
func describe(in instance, fx effect) string {
	var b strings.Builder
	b.WriteString(in.State.String())
	if in.Unknown {
		b.WriteString("?")
	}
	if !in.AgainAt.IsZero() {
		b.WriteString(" again")
	}
	if !in.ClearSince.IsZero() {
		b.WriteString(" clearing")
	}
	if in.Held > 0 {
		fmt.Fprintf(&b, " %v", in.Held)
	}
	if fx.revised {
		b.WriteString(" revised")
	}
	if fx.commit || fx.drop {
		b.WriteString(" !")
	}
	return b.String()
}

func TestStateMachine(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name   string
		policy policy
		story  string
	}{
		{"without for it fires at once", policy{}, `
			0s active   => firing !
			1m active   => firing
			1m healthy  => resolved !
			1m healthy  => resolved`},
		{"it fires when the condition held for long enough", policy{hold: 2 * minute, every: minute}, `
			0s active   => pending !
			1m active   => pending 1m0s !
			59s active  => pending 1m59s
			1s active   => firing !`},
		{"a gap longer than for does not fire by itself", policy{hold: 2 * minute, gap: minute, every: minute}, `
			0s active   => pending !
			1h active   => pending 1m0s !
			1h active   => firing !`},
		{"health ends what is pending, and nobody was told", policy{hold: minute}, `
			0s active   => pending !
			30s active  => pending 30s !
			10s healthy => inactive 30s !`},
		{"health of what never began is nothing", policy{hold: minute}, `
			0s healthy  => inactive
			1s unknown  => inactive`},
		{"unknown freezes what is pending: the gap does not count", policy{hold: 2 * minute, every: minute}, `
			0s active   => pending !
			1m active   => pending 1m0s !
			30s unknown => pending? 1m0s !
			1h unknown  => pending? 1m0s
			1h active   => pending 1m0s !
			59s active  => pending 1m59s
			1s active   => firing !`},
		{"unknown keeps what fires", policy{}, `
			0s active   => firing !
			1h unknown  => firing? !
			99h unknown => firing?
			1h active   => firing !
			1h unknown  => firing? !
			1h healthy  => resolved !`},
		{"a restart keeps evidenced time and does not add to it", policy{hold: 2 * minute, every: minute}, `
			0s active   => pending !
			1m active   => pending 1m0s !
			restart     => pending 1m0s
			9h active   => pending 1m0s
			1m active   => firing !`},
		{"keep_firing_for asks for lasting health", policy{keep: 2 * minute, every: minute}, `
			0s active   => firing !
			1m healthy  => firing clearing
			1m healthy  => firing clearing 1m0s !
			30s active  => firing !
			1m healthy  => firing clearing
			1m healthy  => firing clearing 1m0s !
			1m healthy  => resolved !`},
		{"blindness is no health for keep_firing_for", policy{keep: 2 * minute, every: minute}, `
			0s active   => firing !
			1m healthy  => firing clearing
			1m healthy  => firing clearing 1m0s !
			1s unknown  => firing? clearing 1m0s !
			9h healthy  => firing clearing 1m0s !
			59s healthy => firing clearing 1m59s
			1s healthy  => resolved !`},
		{"nor is a restart", policy{keep: 2 * minute, every: minute}, `
			0s active   => firing !
			1m healthy  => firing clearing
			1m healthy  => firing clearing 1m0s !
			restart     => firing clearing 1m0s
			9h healthy  => firing clearing 1m0s
			1m healthy  => resolved !`},
		{"what is resolved waits for for again before it is a new incident", policy{hold: 2 * minute, every: minute}, `
			0s active   => pending !
			1m active   => pending 1m0s !
			1m active   => firing !
			1m healthy  => resolved !
			1m active   => resolved again
			1m active   => resolved again 1m0s
			1m healthy  => resolved
			1m active   => resolved again
			1m unknown  => resolved again
			1m active   => resolved again
			1m active   => resolved again 1m0s
			1m active   => firing !`},
		{"a rise of severity is the same incident, revised", policy{}, `
			0s active   => firing !
			1m critical => firing revised !
			1m critical => firing
			1m active   => firing revised !`},
		{"a change while pending is kept but no revision of what people were told", policy{hold: minute, every: minute}, `
			0s active    => pending !
			1s critical  => pending 1s !
			59s critical => firing !`},
		{"a clock set back costs time, not the alert", policy{hold: 2 * minute, every: minute}, `
			0s active   => pending !
			1m active   => pending 1m0s !
			-9h active  => pending 1m0s
			1m active   => firing !`},
	} {
		t.Run(tt.name, func(t *testing.T) { tell(t, tt.policy, tt.story) })
	}
}

func TestWhatAnIncidentRemembers(t *testing.T) {
	p := policy{hold: time.Minute, every: time.Minute}
	in := instance{Alert: alert.Alert{Rule: "HighErrors"}}
	at := epoch
	see := func(e evidence, value float64, reason string) {
		at = at.Add(time.Minute)
		in, _ = p.step(in, observation{at: at, evidence: e, value: value, reason: reason, text: fmt.Sprint(value)})
	}
	see(active, 0.5, "")
	see(active, 0.1, "")
	see(active, -0.7, "")
	see(active, math.Inf(1), "")
	see(active, 0.2, "")
	see(healthy, 0.01, "the rule finds it healthy")
	want := alert.Alert{
		Rule: "HighErrors", State: alert.Resolved, Reason: "the rule finds it healthy",
		Value: 0.01, FireValue: 0.1, Peak: -0.7, Text: "0.01",
		Recent:   []float64{0.5, 0.1, -0.7, 0.2, 0.01},
		ActiveAt: epoch.Add(time.Minute), FiredAt: epoch.Add(2 * time.Minute), ResolvedAt: at, Revision: 3,
	}
	if diff := cmp.Diff(want, in.Alert); diff != "" {
		t.Errorf("resolved alert (-want +got):\n%s", diff)
	}

	// people may not know yet that it ended: until it fires again nothing of that changes
	see(active, 0.9, "")
	want.AgainAt = at
	if diff := cmp.Diff(want, in.Alert); diff != "" {
		t.Errorf("resolved alert that holds again (-want +got):\n%s", diff)
	}
	see(active, 0.8, "")
	want = alert.Alert{
		Rule: "HighErrors", State: alert.Firing, Value: 0.8, FireValue: 0.8, Peak: 0.8, Text: "0.8", Recent: []float64{0.8},
		ActiveAt: at.Add(-time.Minute), FiredAt: at, Revision: 4,
	}
	if diff := cmp.Diff(want, in.Alert); diff != "" {
		t.Errorf("second incident (-want +got):\n%s", diff)
	}
}

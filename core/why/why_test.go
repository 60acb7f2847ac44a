package why_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

var (
	begin = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	pay   = frame.NewLabels(frame.Label{Name: "alertname", Value: "Slow"}, frame.Label{Name: "endpoint", Value: "/pay"})
)

// journal makes lines that are a second apart.
type journal []alert.Decision

func (j journal) add(d alert.Decision) journal {
	d.Time = begin.Add(time.Duration(len(j)) * time.Second)
	return append(j, d)
}

// turns is a transition.
func (j journal) turns(from, to string, cause alert.Cause) journal {
	return j.add(alert.Decision{Kind: alert.KindTransition, Cause: cause, Rule: "Slow", Fingerprint: 7, Labels: pay, From: from, To: to})
}

// about is a line about the alert at the receiver.
func (j journal) about(kind alert.Kind, cause alert.Cause, edit ...func(*alert.Decision)) journal {
	d := alert.Decision{Kind: kind, Cause: cause, Rule: "Slow", Fingerprint: 7, Labels: pay, Receiver: "webhook.ops", Group: "{}"}
	for _, e := range edit {
		e(&d)
	}
	return j.add(d)
}

// group is a line about the whole group.
func (j journal) group(kind alert.Kind, cause alert.Cause) journal {
	return j.add(alert.Decision{Kind: kind, Cause: cause, Receiver: "webhook.ops", Group: "{}", Attempt: 1, Reason: string(cause)})
}

func firing(d *alert.Decision)   { d.To = "firing" }
func resolved(d *alert.Decision) { d.To = "resolved" }
func by(who string) func(*alert.Decision) {
	return func(d *alert.Decision) { d.By = who }
}

func (j journal) fires() journal {
	return j.turns("inactive", "pending", alert.CauseHolds).turns("pending", "firing", alert.CauseHeld)
}
func (j journal) ends() journal { return j.turns("firing", "resolved", alert.CauseHealthy) }

// TestVerdicts: what becomes of incidents, "told" with the seconds of telling and of closing.
func TestVerdicts(t *testing.T) {
	told := func(j journal) journal {
		return j.fires().about(alert.KindGrouped, alert.CauseGroupWait).group(alert.KindIntent, alert.CauseFirst).
			about(alert.KindAccepted, alert.CauseAccepted, firing)
	}
	for _, tt := range []struct {
		name  string
		lines journal
		want  []string // for each incident
	}{
		{"waiting for group_wait", journal{}.fires().about(alert.KindGrouped, alert.CauseGroupWait), []string{"waiting: group_wait"}},
		{"told", told(nil), []string{"told: accepted 4 -"}},
		{
			"told and closed", told(nil).ends().group(alert.KindIntent, alert.CauseAllEnded).about(alert.KindAccepted, alert.CauseAccepted, resolved),
			[]string{"told: accepted 4 7"},
		},
		{
			"told late only", journal{}.fires().about(alert.KindGrouped, alert.CauseAtOnce).group(alert.KindRetry, alert.CauseNotAccepted).ends().
				about(alert.KindAccepted, alert.CauseAccepted, resolved),
			[]string{"told: accepted - 5"},
		},
		{
			"the receiver did not answer yet", journal{}.fires().about(alert.KindGrouped, alert.CauseAtOnce).group(alert.KindIntent, alert.CauseFirst).
				group(alert.KindRetry, alert.CauseUnanswered),
			[]string{"waiting: no answer from receiver"},
		},
		{
			"silenced", journal{}.fires().about(alert.KindWithheld, alert.CauseSilenced, by("migration")).ends(),
			[]string{"withheld: silenced by migration"},
		},
		{
			"what befalls the group does not concern the withheld", journal{}.fires().about(alert.KindWithheld, alert.CauseInhibited, by("Down")).
				group(alert.KindIntent, alert.CauseFirst).group(alert.KindDeadLetter, alert.CauseRejected),
			[]string{"withheld: inhibited by Down"},
		},
		{
			"the silence ended", journal{}.fires().about(alert.KindWithheld, alert.CauseSilenced, by("migration")).about(alert.KindLifted, alert.CauseSilenced, by("migration")),
			[]string{"waiting: silenced by migration"},
		},
		{"a silence does not close what is open", told(nil).about(alert.KindWithheld, alert.CauseSilenced, by("late")), []string{"told: accepted 4 -"}},
		{
			"over before it was due", journal{}.fires().about(alert.KindGrouped, alert.CauseGroupWait).ends().about(alert.KindGrouped, alert.CauseOverBeforeDue),
			[]string{"spared: over before it was due"},
		},
		{
			"rejected", journal{}.fires().about(alert.KindGrouped, alert.CauseAtOnce).group(alert.KindIntent, alert.CauseFirst).group(alert.KindDeadLetter, alert.CauseRejected),
			[]string{"rejected: rejected"},
		},
		{
			"given up, whatever the group does later", journal{}.fires().about(alert.KindGrouped, alert.CauseAtOnce).ends().
				about(alert.KindDeadLetter, alert.CauseRejected).group(alert.KindIntent, alert.CauseFirst),
			[]string{"rejected: rejected"},
		},
		{"it fired again before the receiver heard of the end", told(nil).ends().fires(), []string{"told: accepted 4 -", "told: accepted 4 -"}},
		{
			"the next incident is silenced", journal{}.fires().about(alert.KindGrouped, alert.CauseGroupWait).ends().about(alert.KindGrouped, alert.CauseOverBeforeDue).
				fires().about(alert.KindWithheld, alert.CauseSilenced, by("s")),
			[]string{"spared: over before it was due", "withheld: silenced by s"},
		},
		{
			"a line was lost with the process", journal{}.fires().about(alert.KindGrouped, alert.CauseGroupWait).group(alert.KindIntent, alert.CauseFirst).
				about(alert.KindAccepted, alert.CauseRemembered, firing),
			[]string{"told: accepted before the start 4 -"},
		},
		{"it never held for long enough", journal{}.turns("inactive", "pending", alert.CauseHolds).turns("pending", "inactive", alert.CauseHealthy), []string{"nobody: found healthy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			teller := why.NewTeller(true)
			for _, d := range tt.lines {
				teller.Add(&d)
			}
			var got []string
			for _, i := range teller.Answer(begin).Instances[0].Incidents {
				got = append(got, sum(&i))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s := teller.Summary(); s.Unknown != 0 {
				t.Errorf("%d reasons are unknown: %v", s.Unknown, s.Outcomes)
			}
		})
	}
}

func sum(i *why.Incident) string {
	if len(i.Outcomes) == 0 {
		return "nobody: " + string(i.Cause)
	}
	o := i.Outcomes[0]
	text := fmt.Sprintf("%s: %s", o.Verdict, o.Cause)
	if o.By != "" {
		text += " by " + o.By
	}
	if o.Verdict != why.Told {
		return text
	}
	for _, at := range []time.Time{o.Told, o.Closed} {
		if at.IsZero() {
			text += " -"
		} else {
			text += fmt.Sprintf(" %d", int(at.Sub(begin).Seconds()))
		}
	}
	return text
}

// A journal that does not say is not made up for.
func TestUnknownIsSaid(t *testing.T) {
	for name, lines := range map[string]journal{
		"it fired, and nothing is known of receivers": journal{}.fires(),
		"a line without a cause":                      journal{}.about(alert.KindAccepted, "", firing),
		"a cause of another kind":                     journal{}.about(alert.KindAccepted, alert.CauseSilenced, firing),
	} {
		teller := why.NewTeller(false)
		for _, d := range lines {
			teller.Add(&d)
		}
		if s := teller.Summary(); s.Unknown == 0 {
			t.Errorf("%s: nothing is unknown: %v", name, s.Outcomes)
		}
	}
}

func TestStory(t *testing.T) {
	lines := journal{}.add(alert.Decision{Kind: alert.KindEngine, Cause: alert.CauseStarted}).fires().
		add(alert.Decision{Kind: alert.KindBlind, Cause: alert.CauseNoAnswer, Rule: "Slow", Reason: "gw2 did not answer"}).
		about(alert.KindWithheld, alert.CauseSilenced, by("migration"))
	teller := why.NewTeller(true)
	for _, d := range lines {
		teller.Add(&d)
	}
	answer := teller.Answer(begin)
	var b strings.Builder
	if err := why.Write(&b, &answer); err != nil {
		t.Fatal(err)
	}
	want := `Slow{endpoint="/pay"}  0000000000000007

  incident of 2026-11-25 10:00:01 UTC
    10:00:01  inactive → pending (condition holds)
    10:00:02  pending → firing (held for long enough)
    10:00:03  blind: gw2 did not answer
    webhook.ops: withheld: silenced by migration
      10:00:04  withheld: silenced
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Past counts what fired since a time, and what of it was told.
func TestPast(t *testing.T) {
	told := func(j journal) journal {
		return j.fires().about(alert.KindGrouped, alert.CauseAtOnce).about(alert.KindAccepted, alert.CauseAccepted, firing)
	}
	lines := told(told(nil).ends().about(alert.KindAccepted, alert.CauseAccepted, resolved)).ends().about(alert.KindAccepted, alert.CauseAccepted, resolved)
	lines = lines.fires().about(alert.KindWithheld, alert.CauseSilenced, by("migration")).ends()
	lines = lines.turns("resolved", "pending", alert.CauseHolds).turns("pending", "inactive", alert.CauseHealthy)
	teller := why.NewTeller(false)
	for i := range lines {
		teller.Add(&lines[i])
	}
	all := func(frame.Labels) bool { return true }
	for _, c := range []struct {
		since       time.Duration
		match       func(frame.Labels) bool
		fired, told int
	}{
		{0, all, 3, 2},
		{2 * time.Second, all, 2, 1}, // the first one fired a second after the begin
		{time.Hour, all, 0, 0},
		{0, func(ls frame.Labels) bool { return ls.Get("endpoint") == "/other" }, 0, 0},
	} {
		fired, told := 0, 0
		for _, p := range teller.Past(begin.Add(c.since), c.match) {
			fired, told = fired+p.Fired, told+p.Told
			if p.Name != "Slow" || p.Last.Before(begin) || fmt.Sprint(p.Receivers) != "[webhook.ops]" {
				t.Errorf("since %s: %+v", c.since, p)
			}
		}
		if fired != c.fired || told != c.told {
			t.Errorf("since %s: fired %d, told %d, want %d and %d", c.since, fired, told, c.fired, c.told)
		}
	}
}

package rule

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// actives are active verdicts about endpoints.
func actives(endpoints ...string) Evaluation {
	ev := complete()
	for _, e := range endpoints {
		ev.Verdicts = append(ev.Verdicts, verdict(abi.Active, e, 1))
	}
	return ev
}

// TestLimit lets a rule with a limit of 2 say things, one evaluation after the other. "" is the summary.
func TestLimit(t *testing.T) {
	type states = map[string]string
	for _, tt := range []struct {
		name  string
		evs   []Evaluation
		wants []states
	}{
		{
			"the first by their labels have a place, one stands for the rest",
			[]Evaluation{actives("d", "c", "b", "a")},
			[]states{{"a": "firing", "b": "firing", "": "firing"}},
		},
		{
			"whoever has a place keeps it",
			[]Evaluation{actives("c", "d"), actives("a", "b", "c", "d")},
			[]states{{"c": "firing", "d": "firing"}, {"c": "firing", "d": "firing", "": "firing"}},
		},
		{
			"what is resolved gives its place away at once, and the summary ends when nothing is beyond the limit",
			[]Evaluation{actives("a", "b", "c"), actives("b", "c")},
			[]states{{"a": "firing", "b": "firing", "": "firing"}, {"a": "resolved", "b": "firing", "c": "firing", "": "resolved"}},
		},
		{
			"what comes back has no place until one is free",
			[]Evaluation{actives("a", "b"), actives("b", "c"), actives("a", "b", "c"), actives("a", "b")},
			[]states{
				{"a": "firing", "b": "firing"},
				{"a": "resolved", "b": "firing", "c": "firing"},
				{"a": "resolved", "b": "firing", "c": "firing", "": "firing"},
				{"a": "firing", "b": "firing", "c": "resolved", "": "resolved"},
			},
		},
		{
			"without data places and summary are kept",
			[]Evaluation{actives("a", "b", "c"), {Missing: "gw2 did not answer"}},
			[]states{{"a": "firing", "b": "firing", "": "firing"}, {"a": "firing?", "b": "firing?", "": "firing?"}},
		},
		{
			"within the limit there is no summary",
			[]Evaluation{actives("a", "b")},
			[]states{{"a": "firing", "b": "firing"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := says(complete())
				d := define("HighErrors", p)
				d.Limit = 2
				b := start(t, newDisk(), 1, d)
				defer b.stop()
				for i, ev := range tt.evs {
					p.say(ev)
					b.rounds(1, interval, "http.gateway")
					b.wantStates("HighErrors", tt.wants[i])
				}
			})
		})
	}
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := func(n int) Evaluation {
			ev := complete()
			for i := range n {
				v := verdict(abi.Active, fmt.Sprintf("/%04d", i), 1)
				v.Labels = v.Labels.With(frame.Label{Name: "job", Value: "web"})
				v.Severity = 1
				ev.Verdicts = append(ev.Verdicts, v)
			}
			return ev
		}
		p := says(many(103))
		d := define("HighErrors", p)
		d.Limit, d.For, d.Severities = 100, interval, []string{"page"}
		d.Labels = map[string]string{"team": "core"}
		d.Annotations = map[string]string{"summary": "{{ $labels.endpoint }} fails", "detail": "{{ $value }}", "runbook": "https://example.org/r"}
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		summary := func() alert.Alert {
			a, _ := b.store.Get(alert.NewFingerprint("HighErrors", overLimit))
			return a
		}
		b.rounds(1, interval, "http.gateway")
		if got := summary(); got.State != alert.Pending {
			t.Errorf("the summary is %s, it must wait for \"for\"", got.State)
		}
		p.say(many(4412))
		b.rounds(1, interval, "http.gateway")
		got := summary()
		labels := `{alertname="HighErrors",job="web",severity="page",team="core",tocsin_over_limit="true"}`
		annotations := map[string]string{"summary": "HighErrors: and 4,312 more, over its limit of 100", "runbook": "https://example.org/r"}
		if diff := cmp.Diff(annotations, got.Annotations); got.State != alert.Firing || got.Labels.String() != labels || got.Value != 4312 || diff != "" {
			t.Errorf("summary %s %s, value %v, annotations (-want +got):\n%s", got.State, got.Labels, got.Value, diff)
		}
		if n := len(b.store.OfRule("HighErrors")); n != 101 {
			t.Errorf("%d instances, want the limit and a summary", n)
		}
		revision := got.Revision
		b.rounds(1, interval, "http.gateway")
		if got := summary(); got.Revision != revision {
			t.Error("nothing changed, and the summary was revised")
		}
		p.say(many(113))
		b.rounds(1, interval, "http.gateway")
		if got := summary(); got.Revision == revision || got.Annotations["summary"] != "HighErrors: and 13 more, over its limit of 100" {
			t.Errorf("the summary still says %q", got.Annotations["summary"])
		}
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		if got := summary(); got.State != alert.Resolved || got.Reason != "the rule is within its limit again" {
			t.Errorf("the summary is %s: %s", got.State, got.Reason)
		}
	})
}

// A limit that is lowered, or taken away, ends nothing that fires.
func TestLimitChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		for _, step := range []struct {
			limit int
			want  map[string]string
		}{
			{3, map[string]string{"a": "firing", "b": "firing", "c": "firing", "": "firing"}},
			{1, map[string]string{"a": "firing", "b": "firing", "c": "firing", "": "firing"}},
			{0, map[string]string{"a": "firing", "b": "firing", "c": "firing", "d": "firing", "": "resolved"}},
		} {
			d := define("HighErrors", says(actives("a", "b", "c", "d")))
			d.Limit = step.limit
			b := start(t, disk, 1, d)
			b.rounds(1, interval, "http.gateway")
			b.wantStates("HighErrors", step.want)
			b.stop()
		}
	})
}

func TestShadowIsWrittenOnItsAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk()
		for _, shadow := range []bool{true, false, false, true} {
			for _, ev := range []Evaluation{actives("a"), {Missing: "gw2 did not answer"}} { // a rule that is blind too
				d := define("HighErrors", says(ev))
				d.Shadow = shadow
				b := start(t, disk, 1, d)
				before := b.changes()
				b.rounds(1, interval, "http.gateway")
				for _, a := range b.store.OfRule("HighErrors") {
					if a.Shadow != shadow || a.State != alert.Firing {
						t.Errorf("shadow %v, %s, want shadow %v, firing", a.Shadow, a.State, shadow)
					}
				}
				if b.changes() == before {
					t.Error("nobody was told that the alert changed")
				}
				b.stop()
			}
		}
	})
}

func TestAlertnameIsNotTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := define(`cpu["a"]`, says(actives("x"))), define(`cpu["b"]`, says(actives("x")))
		one.Alertname, two.Alertname = "cpu", "cpu"
		b := start(t, newDisk(), 1, one, two)
		defer b.stop()
		b.rounds(1, interval, "http.gateway")
		all := b.store.All()
		if len(all) != 2 || all[0].Fingerprint == all[1].Fingerprint || all[0].Labels.Get("alertname") != "cpu" || all[1].Labels.Get("alertname") != "cpu" {
			t.Errorf("alerts %+v", all)
		}
	})
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 4312: "4,312", 123456: "123,456", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) is %s, want %s", n, got, want)
		}
	}
}

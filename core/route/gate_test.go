package route_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
)

// withheld returns "rule{identity}" of the members that are held.
func withheld(groups []alert.Group) []string {
	names := []string{}
	for _, g := range groups {
		for _, m := range g.Members {
			if m.Held.Holds() {
				names = append(names, m.Alert.Rule+m.Alert.Identity.String())
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestInhibitionsNeverHideEachOther(t *testing.T) {
	root := &route.Node{Receivers: []string{"r"}}
	down := route.Inhibition{Source: match("alertname", "=", "Down"), Target: match("cluster", "=~", ".+"), Equal: []string{"cluster"}}
	inhibits := func(source, target string) route.Inhibition {
		return route.Inhibition{Source: match("alertname", "=", source), Target: match("alertname", "=", target)}
	}
	for _, tt := range []struct {
		name        string
		alerts      []alert.Alert
		inhibitions []route.Inhibition
		want        []string
	}{
		{
			"what is source and target is not inhibited by its like, as in Alertmanager",
			[]alert.Alert{firing("Down", "cluster", "a", "x", "1"), firing("Down", "cluster", "a", "x", "2"), firing("Down", "cluster", "a", "x", "3"), firing("Slow", "cluster", "a"), firing("Slow", "cluster", "b")},
			[]route.Inhibition{down},
			[]string{`Slow{cluster="a"}`},
		},
		{
			"it is by a source that is no target",
			[]alert.Alert{firing("Down", "cluster", "a"), firing("Quake")},
			[]route.Inhibition{{Source: match("alertname", "=~", "Down|Quake"), Target: match("cluster", "=~", ".+")}},
			[]string{`Down{cluster="a"}`},
		},
		{
			"two that inhibit each other are told, what they inhibit is not",
			[]alert.Alert{firing("A"), firing("B"), firing("C")},
			[]route.Inhibition{inhibits("A", "B"), inhibits("B", "A"), inhibits("B", "C")},
			[]string{"C{}"},
		},
		{
			"so are three",
			[]alert.Alert{firing("A"), firing("B"), firing("C"), firing("D")},
			[]route.Inhibition{inhibits("A", "B"), inhibits("B", "C"), inhibits("C", "A"), inhibits("C", "D")},
			[]string{"D{}"},
		},
		{
			"a chain is no ring",
			[]alert.Alert{firing("A"), firing("B"), firing("C")},
			[]route.Inhibition{inhibits("B", "C"), inhibits("A", "B")},
			[]string{"B{}", "C{}"},
		},
		{
			"several equal labels, values that run into each other",
			[]alert.Alert{firing("A", "x", "ab", "y", "c"), firing("B", "x", "a", "y", "bc"), firing("B", "x", "ab", "y", "c")},
			[]route.Inhibition{{Source: match("alertname", "=", "A"), Target: match("alertname", "=", "B"), Equal: []string{"x", "y"}}},
			[]string{`B{x="ab",y="c"}`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := route.Input{Alerts: tt.alerts, Root: root, Now: now, Inhibitions: tt.inhibitions}
			if diff := cmp.Diff(tt.want, withheld(route.Desired(in))); diff != "" {
				t.Error(diff)
			}
			in.Alerts = nil
			router := route.New(in)
			for _, a := range tt.alerts { // one after the other, and away again
				router.Update([]*alert.Alert{&a}, nil)
				in.Alerts = append(in.Alerts, a)
				if diff := cmp.Diff(withheld(route.Desired(in)), withheld(router.Changed())); diff != "" {
					t.Errorf("after %s%s came: %s", a.Rule, a.Identity, diff)
				}
			}
			for _, a := range tt.alerts[:len(tt.alerts)-1] {
				router.Update(nil, []alert.Fingerprint{a.Fingerprint})
				in.Alerts = in.Alerts[1:]
				if diff := cmp.Diff(withheld(route.Desired(in)), withheld(router.Changed())); diff != "" {
					t.Errorf("after %s%s went: %s", a.Rule, a.Identity, diff)
				}
			}
		})
	}
}

// TestGatesLikeTheirDefinition compares the indexed decision with the plain one, alert by alert, silence by silence.
func TestGatesLikeTheirDefinition(t *testing.T) {
	names, values := []string{"a", "b"}, []string{"", "1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		in := route.Input{Root: &route.Node{Receivers: []string{"r"}}, Now: now}
		for range rapid.IntRange(0, 6).Draw(t, "silences") {
			s := route.Silence{ID: fmt.Sprint("s", len(in.Silences)), StartsAt: now.Add(-1), EndsAt: now.Add(1)}
			for range rapid.IntRange(0, 2).Draw(t, "matchers") {
				s.Matchers = append(s.Matchers, match(rapid.SampledFrom(names).Draw(t, "name"),
					rapid.SampledFrom([]string{"=", "!=", "=~", "!~"}).Draw(t, "op"), rapid.SampledFrom(values).Draw(t, "value"))...)
			}
			in.Silences = append(in.Silences, s)
		}
		want := []string{}
		for _, x := range values {
			for _, y := range values {
				a := firing("A", "a", x, "b", y)
				in.Alerts = append(in.Alerts, a)
				hit := slices.ContainsFunc(in.Silences, func(s route.Silence) bool {
					for _, m := range s.Matchers {
						if !m.Matches(a.Labels.Get(m.Name)) {
							return false
						}
					}
					return true
				})
				if hit {
					want = append(want, a.Rule+a.Identity.String())
				}
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, withheld(route.Desired(in))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestNext(t *testing.T) {
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	for _, tt := range []struct {
		name string
		in   route.Input
		want time.Time
	}{
		{"nothing", route.Input{}, time.Time{}},
		{"the end of a silence", route.Input{Silences: []route.Silence{{StartsAt: at(-1), EndsAt: at(5)}}}, at(5)},
		{"the beginning of another one", route.Input{Silences: []route.Silence{{EndsAt: at(5)}, {StartsAt: at(3), EndsAt: at(9)}}}, at(3)},
		{"not now, but next", route.Input{Silences: []route.Silence{{StartsAt: at(-9), EndsAt: at(0)}, {StartsAt: at(0), EndsAt: at(1)}}}, at(1)},
		{"a silence that ends before it begins", route.Input{Silences: []route.Silence{{StartsAt: at(5), EndsAt: at(4)}}}, time.Time{}},
		{
			"a schedule",
			route.Input{Schedules: map[string]route.Schedule{
				"noon": route.NewCalendar(nil, []route.TimeRange{{Start: 12 * 60, End: 13 * 60}}, time.UTC), "never": always(true),
			}},
			time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Now = now
			if got := route.Next(tt.in); !got.Equal(tt.want) {
				t.Errorf("Next is %s, want %s", got, tt.want)
			}
		})
	}
}

// BenchmarkGates grows alerts, silences and inhibitions together: the time per alert stays about the same.
func BenchmarkGates(b *testing.B) {
	for _, n := range []int{500, 2000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := route.Input{Root: &route.Node{Receivers: []string{"r"}, GroupBy: []string{"alertname"}}, Now: now}
			for i := range n {
				severity := []string{"critical", "warning"}[i%2]
				in.Alerts = append(in.Alerts, firing(fmt.Sprint("Rule", i%20), "host", fmt.Sprint("h", i/4), "severity", severity))
				in.Silences = append(in.Silences, route.Silence{
					ID: fmt.Sprint("s", i), Matchers: match("severity", "=", severity, "host", "=", fmt.Sprint("h", i), "alertname", "=~", "Rule.*"), EndsAt: now.Add(1),
				})
			}
			for i := range n / 50 {
				team := fmt.Sprint("t", i)
				in.Inhibitions = append(in.Inhibitions, route.Inhibition{
					Source: match("severity", "=", "critical", "team", "=", team), Target: match("severity", "=", "warning", "team", "=", team), Equal: []string{"host"},
				})
			}
			in.Inhibitions = append(in.Inhibitions, route.Inhibition{Source: match("severity", "=", "critical"), Target: match("severity", "=", "warning"), Equal: []string{"host"}})
			if got := withheld(route.Desired(in)); len(got) < n/2 || !strings.HasPrefix(got[0], "Rule") {
				b.Fatalf("%d of %d alerts are withheld", len(got), n)
			}
			b.ReportAllocs()
			for b.Loop() {
				route.Desired(in)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/alert")
		})
	}
}

func TestAcknowledgementsWithholdWhatWasTaken(t *testing.T) {
	a, b, risen := firing("A"), firing("B"), firing("C", "severity", "critical")
	expired, silenced := firing("D"), firing("E")
	ada := alert.Ack{Owner: "ada", Until: now.Add(time.Hour)}
	over := ada
	over.Until = now
	in := route.Input{
		Alerts: []alert.Alert{a, b, risen, expired, silenced}, Root: &route.Node{Receivers: []string{"r"}}, Now: now,
		Silences: []route.Silence{{ID: "s", Matchers: match("alertname", "=", "E"), EndsAt: now.Add(2 * time.Hour)}},
		Acks: map[alert.Fingerprint]alert.Ack{
			a.Fingerprint: ada, risen.Fingerprint: ada, expired.Fingerprint: over, silenced.Fingerprint: ada, 7: ada,
		},
	}
	want := []string{`r {}:{}: A{}(acknowledged by ada) B{} C{severity="critical"} D{} E{}(silenced by s)`}
	if diff := cmp.Diff(want, told(route.Desired(in))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if next := route.Next(in); !next.Equal(now.Add(time.Hour)) {
		t.Errorf("next %v, want the end of the acknowledgements", next)
	}
}

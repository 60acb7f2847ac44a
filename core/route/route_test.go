package route_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

var now = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

// match makes matchers of name, operator, value triples.
func match(nameOpValue ...string) []*labels.Matcher {
	types := map[string]labels.MatchType{
		"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp,
	}
	var matchers []*labels.Matcher
	for m := range slices.Chunk(nameOpValue, 3) {
		matchers = append(matchers, labels.MustNewMatcher(types[m[1]], m[0], m[2]))
	}
	return matchers
}

// firing makes an alert of name, value pairs, the first being alertname.
func firing(rule string, nameValue ...string) alert.Alert {
	identity := frame.Labels{}
	for l := range slices.Chunk(nameValue, 2) {
		identity = identity.With(frame.Label{Name: l[0], Value: l[1]})
	}
	return alert.Alert{
		Fingerprint: alert.NewFingerprint(rule, identity), Rule: rule, Identity: identity,
		Labels: identity.With(frame.Label{Name: "alertname", Value: rule}), State: alert.Firing,
	}
}

func in(state alert.State, a alert.Alert) alert.Alert {
	a.State = state
	return a
}

// told writes groups as "receiver key: member member", a held member with its reason.
func told(groups []alert.Group) []string {
	var lines []string
	for _, g := range groups {
		line := g.Receiver + " " + g.Key + ":"
		names := []string{}
		for _, m := range g.Members {
			name := m.Alert.Rule + m.Alert.Identity.String()
			if m.Alert.State != alert.Firing {
				name += "/" + m.Alert.State.String()
			}
			if m.Held.Holds() {
				name += "(" + m.Held.String() + ")"
			}
			names = append(names, name)
		}
		slices.Sort(names)
		lines = append(lines, line+" "+strings.Join(names, " "))
	}
	return lines
}

func TestDesired(t *testing.T) {
	tree := &route.Node{
		Receivers: []string{"default"}, GroupBy: []string{"alertname"},
		Matchers: match("never", "=", "looked at"),
		Routes: []*route.Node{
			{Receivers: []string{"audit"}, Matchers: match("team", "=~", ".+"), GroupBy: []string{"team"}, Continue: true},
			{
				Receivers: []string{"pager", "chat"}, Matchers: match("severity", "=", "page", "env", "!=", "test"),
				GroupBy: []string{"alertname", "endpoint"},
				Routes: []*route.Node{
					{Receivers: []string{"dba"}, Matchers: match("service", "=", "db"), GroupBy: []string{route.All}},
					{Matchers: match("service", "=", "inherits"), GroupBy: nil},
				},
			},
			{Receivers: []string{"never"}, Matchers: match("severity", "=", "page", "env", "=", "prod")},
		},
	}
	for _, test := range []struct {
		name   string
		alerts []alert.Alert
		want   []string
	}{
		{"nothing", nil, nil},
		{
			"the root takes what no child matches",
			[]alert.Alert{firing("A"), firing("B", "x", "1"), firing("B", "x", "2")},
			[]string{`default {}:{alertname="A"}: A{}`, `default {}:{alertname="B"}: B{x="1"} B{x="2"}`},
		},
		{
			"every receiver of a node has a group; the first match ends the search; matchers are sorted in the key",
			[]alert.Alert{firing("A", "severity", "page", "endpoint", "/pay", "env", "prod")},
			[]string{
				`chat {}/{env!="test",severity="page"}:{alertname="A", endpoint="/pay"}: A{endpoint="/pay",env="prod",severity="page"}`,
				`pager {}/{env!="test",severity="page"}:{alertname="A", endpoint="/pay"}: A{endpoint="/pay",env="prod",severity="page"}`,
			},
		},
		{
			"absent labels are left out of the group, and an absent label is an empty one to matchers",
			[]alert.Alert{firing("A", "severity", "page")},
			[]string{
				`chat {}/{env!="test",severity="page"}:{alertname="A"}: A{severity="page"}`,
				`pager {}/{env!="test",severity="page"}:{alertname="A"}: A{severity="page"}`,
			},
		},
		{
			"continue goes on to the siblings",
			[]alert.Alert{firing("A", "severity", "page", "team", "x", "service", "db")},
			[]string{
				`audit {}/{team=~".+"}:{team="x"}: A{service="db",severity="page",team="x"}`,
				`dba {}/{env!="test",severity="page"}/{service="db"}:{alertname="A", service="db", severity="page", team="x"}: A{service="db",severity="page",team="x"}`,
			},
		},
		{
			"a match with continue and nothing after it is enough",
			[]alert.Alert{firing("A", "team", "x")},
			[]string{`audit {}/{team=~".+"}:{team="x"}: A{team="x"}`},
		},
		{
			"a node without receivers has those of its parent",
			[]alert.Alert{firing("A", "severity", "page", "service", "inherits")},
			[]string{
				`chat {}/{env!="test",severity="page"}/{service="inherits"}:{}: A{service="inherits",severity="page"}`,
				`pager {}/{env!="test",severity="page"}/{service="inherits"}:{}: A{service="inherits",severity="page"}`,
			},
		},
		{
			"a node that does not match hides its children",
			[]alert.Alert{firing("A", "severity", "page", "service", "db", "env", "test")},
			[]string{`default {}:{alertname="A"}: A{env="test",service="db",severity="page"}`},
		},
		{
			"pending is nobody's business, unknown still fires, resolved must be told",
			[]alert.Alert{
				in(alert.Pending, firing("A", "x", "1")), in(alert.Inactive, firing("A", "x", "2")), in(alert.Resolved, firing("A", "x", "3")),
				func() alert.Alert { a := firing("A", "x", "4"); a.Unknown = true; return a }(),
			},
			[]string{`default {}:{alertname="A"}: A{x="3"}/resolved A{x="4"}`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := route.Desired(route.Input{Alerts: test.alerts, Root: tree, Now: now})
			if diff := cmp.Diff(test.want, told(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDesiredCarriesTimers(t *testing.T) {
	tree := &route.Node{Receivers: []string{"r"}, Wait: 1, Interval: 2, Repeat: 3, Routes: []*route.Node{
		{Receivers: []string{"r"}, Matchers: match("a", "=", "b"), Wait: 4, Interval: 5, Repeat: 6},
	}}
	var got [][3]time.Duration
	for _, g := range route.Desired(route.Input{Alerts: []alert.Alert{firing("A"), firing("A", "a", "b")}, Root: tree}) {
		got = append(got, [3]time.Duration{g.Wait, g.Interval, g.Repeat})
	}
	if diff := cmp.Diff([][3]time.Duration{{4, 5, 6}, {1, 2, 3}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSameReceiverAndKeyMakeOneGroup(t *testing.T) {
	twice := func() *route.Node {
		return &route.Node{Receivers: []string{"r", "r"}, Matchers: match("a", "=", "b"), Continue: true}
	}
	tree := &route.Node{Receivers: []string{"r"}, Routes: []*route.Node{twice(), twice()}}
	tree.Routes[0].Mute = []string{"night"}
	got := route.Desired(route.Input{
		Alerts: []alert.Alert{firing("A", "a", "b"), firing("B", "a", "b")}, Root: tree, Now: now,
		Schedules: map[string]route.Schedule{"night": always(true)},
	})
	if diff := cmp.Diff([]string{`r {}/{a="b"}:{}: A{a="b"} B{a="b"}`}, told(got)); diff != "" {
		t.Error(diff)
	}
}

type always bool

func (a always) Active(time.Time) bool { return bool(a) }

func (always) Next(time.Time) time.Time { return time.Time{} }

func TestHeld(t *testing.T) {
	tree := &route.Node{Receivers: []string{"r"}, Mute: []string{"idle", "night"}}
	nodeDown := firing("NodeDown", "node", "n1", "severity", "critical")
	for _, test := range []struct {
		name  string
		input route.Input
		want  []string
	}{
		{
			"silenced, as long as the silence lasts; a resolved one too, delivery knows what it owes",
			route.Input{
				Alerts: []alert.Alert{firing("A", "job", "odoo"), in(alert.Resolved, firing("B", "job", "odoo")), firing("C")},
				Silences: []route.Silence{
					{ID: "s2", Matchers: match("job", "=", "odoo"), StartsAt: now, EndsAt: now.Add(1)},
					{ID: "s1", Matchers: match("job", "=", "odoo"), StartsAt: now.Add(-1), EndsAt: now.Add(1)},
					{ID: "over", Matchers: match("alertname", "=", "C"), StartsAt: now.Add(-1), EndsAt: now},
					{ID: "later", Matchers: match("alertname", "=", "C"), StartsAt: now.Add(1), EndsAt: now.Add(2)},
				},
			},
			[]string{`r {}:{}: A{job="odoo"}(silenced by s1, s2) B{job="odoo"}/resolved(silenced by s1, s2) C{}`},
		},
		{
			"inhibited, with equal labels, not by itself, and absent never equals absent",
			route.Input{
				Alerts: []alert.Alert{
					nodeDown, firing("Slow", "node", "n1"), firing("Slow", "node", "n2"), firing("Slow"),
					firing("NodeDown", "severity", "critical"),
				},
				Inhibitions: []route.Inhibition{{Source: match("severity", "=", "critical"), Target: match("alertname", "=~", ".*"), Equal: []string{"node"}}},
			},
			[]string{`r {}:{}: NodeDown{node="n1",severity="critical"} NodeDown{severity="critical"} Slow{node="n1"}(inhibited by NodeDown{node="n1",severity="critical"}) Slow{node="n2"} Slow{}`},
		},
		{
			"a resolved alert inhibits nothing",
			route.Input{
				Alerts:      []alert.Alert{in(alert.Resolved, nodeDown), firing("Slow", "node", "n1")},
				Inhibitions: []route.Inhibition{{Source: match("severity", "=", "critical"), Target: match("alertname", "=", "Slow"), Equal: []string{"node"}}},
			},
			[]string{`r {}:{}: NodeDown{node="n1",severity="critical"}/resolved Slow{node="n1"}`},
		},
		{
			"muted by a schedule that is active",
			route.Input{Alerts: []alert.Alert{firing("A")}, Schedules: map[string]route.Schedule{"night": always(true), "idle": always(false)}},
			[]string{`r {}:{}: A{}(muted by schedule night)`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.input.Root, test.input.Now = tree, now
			if diff := cmp.Diff(test.want, told(route.Desired(test.input))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// node draws a tree.
func node(t *rapid.T, depth int) *route.Node {
	n := &route.Node{
		Receivers: rapid.SliceOfN(rapid.SampledFrom([]string{"r1", "r2", "r3"}), 0, 2).Draw(t, "receivers"),
		GroupBy:   rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "alertname", route.All}), 0, 2).Draw(t, "group_by"),
		Continue:  rapid.Bool().Draw(t, "continue"),
		Mute:      rapid.SliceOfN(rapid.SampledFrom([]string{"night", "noon"}), 0, 1).Draw(t, "mute"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "matchers") {
		op := rapid.SampledFrom([]string{"=", "!=", "=~", "!~"}).Draw(t, "op")
		n.Matchers = append(n.Matchers, match(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), op, rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value"))...)
	}
	if depth > 0 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			n.Routes = append(n.Routes, node(t, depth-1))
		}
	}
	return n
}

// TestDesiredProperties draws trees and alerts: each firing or resolved alert reaches a receiver, no group holds one
// twice, members are ordered, and the order of the alerts does not matter.
func TestDesiredProperties(t *testing.T) {
	names, values := []string{"a", "b", "c"}, []string{"", "1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		root := node(t, 3)
		root.Receivers = append(root.Receivers, "r0")
		var alerts []alert.Alert
		seen := map[alert.Fingerprint]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "alerts") {
			var ls []string
			for _, name := range names {
				ls = append(ls, name, rapid.SampledFrom(values).Draw(t, name))
			}
			a := firing(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "rule"), ls...)
			if !seen[a.Fingerprint] {
				seen[a.Fingerprint] = true
				alerts = append(alerts, in(rapid.SampledFrom([]alert.State{alert.Inactive, alert.Pending, alert.Firing, alert.Resolved}).Draw(t, "state"), a))
			}
		}
		groups := route.Desired(route.Input{Alerts: alerts, Root: root, Now: now})
		reached := map[alert.Fingerprint]bool{}
		keys := map[string]bool{}
		for _, g := range groups {
			if id := g.Receiver + g.Key; keys[id] {
				t.Fatalf("two groups %s", id)
			} else {
				keys[id] = true
			}
			for i, m := range g.Members {
				reached[m.Alert.Fingerprint] = true
				if i > 0 && m.Alert.Fingerprint <= g.Members[i-1].Alert.Fingerprint {
					t.Fatalf("members of %s are not ordered", g.Key)
				}
				if m.Alert.State != alert.Firing && m.Alert.State != alert.Resolved {
					t.Fatalf("%s is told of a %s alert", g.Receiver, m.Alert.State)
				}
				for _, l := range g.Labels {
					if m.Alert.Labels.Get(l.Name) != l.Value {
						t.Fatalf("%s holds %s", g.Key, m.Alert.Labels)
					}
				}
			}
		}
		for _, a := range alerts {
			if want := a.State == alert.Firing || a.State == alert.Resolved; reached[a.Fingerprint] != want {
				t.Fatalf("%s alert %s reached a receiver: %t", a.State, a.Labels, !want)
			}
		}
		shuffled := slices.Clone(alerts)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(groups, route.Desired(route.Input{Alerts: shuffled, Root: root, Now: now})); diff != "" {
			t.Fatalf("the order of alerts matters:\n%s", diff)
		}
	})
}

func BenchmarkDesired(b *testing.B) {
	tree := &route.Node{Receivers: []string{"default"}, GroupBy: []string{"alertname", "endpoint"}}
	for i := range 20 {
		tree.Routes = append(tree.Routes, &route.Node{
			Receivers: []string{"pager", "chat"}, GroupBy: []string{"alertname", "endpoint"},
			Matchers: match("severity", "=", "page", "team", "=", fmt.Sprint(i)),
		})
	}
	var alerts []alert.Alert
	for i := range 10_000 {
		alerts = append(alerts, firing(fmt.Sprint("Rule", i%50), "endpoint", fmt.Sprint("/", i/250), "instance", fmt.Sprint(i),
			"severity", []string{"page", "ticket"}[i%2], "team", fmt.Sprint(i%25)))
	}
	b.ReportAllocs()
	for b.Loop() {
		route.Desired(route.Input{Alerts: alerts, Root: tree, Now: now})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(alerts)), "ns/alert")
}

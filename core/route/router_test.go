package route_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// TestRouterSaysWhatDesiredSays draws a configuration and lets alerts come, change and go in batches. After each, the
// groups that a router named so far are those of a decision about everything, and so is what its silences hide.
func TestRouterSaysWhatDesiredSays(t *testing.T) {
	names, values := []string{"a", "b"}, []string{"", "1", "2"}
	matchers := func(t *rapid.T, least int) (ms []string) {
		for range rapid.IntRange(least, 2).Draw(t, "matchers") {
			ms = append(ms, rapid.SampledFrom(append(names, "alertname", "severity")).Draw(t, "name"),
				rapid.SampledFrom([]string{"=", "=", "!=", "=~"}).Draw(t, "op"), rapid.SampledFrom([]string{"1", "2", "A", "B", "C"}).Draw(t, "value"))
		}
		return ms
	}
	rapid.Check(t, func(t *rapid.T) {
		in := route.Input{Root: node(t, 2), Now: now, Schedules: map[string]route.Schedule{"night": always(true), "noon": always(false)}}
		in.Root.Receivers = append(in.Root.Receivers, "r0")
		for n := range rapid.IntRange(0, 3).Draw(t, "silences") {
			in.Silences = append(in.Silences, route.Silence{ID: fmt.Sprint("s", n), Matchers: match(matchers(t, 0)...), EndsAt: now.Add(time.Duration(n))})
		}
		for range rapid.IntRange(0, 4).Draw(t, "inhibitions") {
			in.Inhibitions = append(in.Inhibitions, route.Inhibition{
				Source: match(matchers(t, 1)...), Target: match(matchers(t, 0)...),
				Equal: rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID[string]).Draw(t, "equal"),
			})
		}
		in.Acks = map[alert.Fingerprint]alert.Ack{}
		for range rapid.IntRange(0, 3).Draw(t, "acks") {
			a := firing(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "rule"), "a", "1", "b", "2")
			in.Acks[a.Fingerprint] = alert.Ack{Owner: "ada", Labels: frame.FromMap(map[string]string{"severity": "warning"})}
		}
		all := map[alert.Fingerprint]alert.Alert{}
		step := func() (changed []*alert.Alert, gone []alert.Fingerprint) {
			drawn := map[alert.Fingerprint]bool{}
			for range rapid.IntRange(0, 6).Draw(t, "batch") {
				a := firing(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "rule"),
					"a", rapid.SampledFrom(values).Draw(t, "a"), "b", rapid.SampledFrom(values).Draw(t, "b"))
				if drawn[a.Fingerprint] {
					continue
				}
				drawn[a.Fingerprint] = true
				a.Labels = a.Labels.With(frame.Label{Name: "severity", Value: rapid.SampledFrom(append(values, "warning", "critical")).Draw(t, "severity")})
				a.State = rapid.SampledFrom([]alert.State{alert.Firing, alert.Firing, alert.Firing, alert.Resolved, alert.Pending, alert.Inactive}).Draw(t, "state")
				a.Shadow = rapid.IntRange(0, 9).Draw(t, "shadow") == 0
				a.Value = rapid.Float64().Draw(t, "value")
				if a.State == alert.Inactive {
					delete(all, a.Fingerprint)
					gone = append(gone, a.Fingerprint)
					continue
				}
				all[a.Fingerprint], changed = a, append(changed, &a)
			}
			return changed, gone
		}
		step()
		in.Alerts = slices.Collect(maps.Values(all))
		router, known := route.New(in), map[string]alert.Group{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			router.Update(step())
			for _, g := range router.Changed() {
				known[g.Receiver+" "+g.Key] = g
				if len(g.Members) == 0 {
					delete(known, g.Receiver+" "+g.Key)
				}
			}
			in.Alerts = slices.Collect(maps.Values(all))
			want := map[string]alert.Group{}
			for _, g := range route.Desired(in) {
				want[g.Receiver+" "+g.Key] = g
			}
			if diff := cmp.Diff(want, known); diff != "" {
				t.Fatalf("after a batch (-decided +known):\n%s", diff)
			}
			hidden := map[string]bool{}
			for _, s := range route.Explain(in) {
				for _, id := range s.SilencedBy {
					hidden[id] = true
				}
			}
			for _, s := range in.Silences {
				if router.Hides(s.ID) != hidden[s.ID] {
					t.Fatalf("silence %s hides something: %t, want %t", s.ID, !hidden[s.ID], hidden[s.ID])
				}
			}
		}
	})
}

func TestChangedNamesOnlyWhatChanged(t *testing.T) {
	tree := &route.Node{Receivers: []string{"r"}, GroupBy: []string{"alertname"}}
	alerts := []alert.Alert{firing("A", "x", "1"), firing("A", "x", "2"), firing("B"), firing("C", "x", "1"), firing("C", "x", "2")}
	router := route.New(route.Input{
		Alerts: alerts, Root: tree, Now: now,
		Inhibitions: []route.Inhibition{{Source: match("alertname", "=", "D"), Target: match("alertname", "=", "C"), Equal: []string{"x"}}},
	})
	d, over := firing("D", "x", "2"), in(alert.Resolved, alerts[1])
	for _, tt := range []struct {
		name    string
		changed []*alert.Alert
		gone    []alert.Fingerprint
		want    []string
	}{
		{"everything at first", nil, nil, []string{
			`r {}:{alertname="A"}: A{x="1"} A{x="2"}`, `r {}:{alertname="B"}: B{}`, `r {}:{alertname="C"}: C{x="1"} C{x="2"}`,
		}},
		{"nothing", nil, nil, nil},
		{"a group", []*alert.Alert{&over}, nil, []string{`r {}:{alertname="A"}: A{x="1"} A{x="2"}/resolved`}},
		{"one that ends", nil, []alert.Fingerprint{alerts[2].Fingerprint}, []string{`r {}:{alertname="B"}: `}},
		{"one that comes again", []*alert.Alert{&alerts[2]}, nil, []string{`r {}:{alertname="B"}: B{}`}},
		{"an alert, and what it inhibits", []*alert.Alert{&d}, nil, []string{
			`r {}:{alertname="C"}: C{x="1"} C{x="2"}(inhibited by D{x="2"})`, `r {}:{alertname="D"}: D{x="2"}`,
		}},
		{"another value of it is nothing to them", []*alert.Alert{&d}, nil, []string{`r {}:{alertname="D"}: D{x="2"}`}},
		{"its end", nil, []alert.Fingerprint{d.Fingerprint}, []string{`r {}:{alertname="C"}: C{x="1"} C{x="2"}`, `r {}:{alertname="D"}: `}},
	} {
		router.Update(tt.changed, tt.gone)
		if diff := cmp.Diff(tt.want, told(router.Changed())); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// BenchmarkUpdate is what one batch of 64 alerts costs: it does not follow how many others fire.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := route.Input{
				Root: &route.Node{Receivers: []string{"r"}, GroupBy: []string{"alertname", "host"}}, Now: now,
				Inhibitions: []route.Inhibition{{Source: match("severity", "=", "critical"), Target: match("severity", "=", "warning"), Equal: []string{"host"}}},
			}
			for i := range n {
				in.Alerts = append(in.Alerts, firing(fmt.Sprint("Rule", i%20), "host", fmt.Sprint("h", i/4), "severity", []string{"critical", "warning"}[i%2]))
			}
			router := route.New(in)
			router.Changed()
			at, state := 0, alert.Resolved
			b.ReportAllocs()
			for b.Loop() {
				var batch []*alert.Alert
				for _, a := range in.Alerts[at : at+64] {
					a.State = state
					batch = append(batch, &a)
				}
				router.Update(batch, nil)
				router.Changed()
				if at += 64; at+64 > n {
					at, state = 0, alert.Firing+alert.Resolved-state
				}
			}
		})
	}
}

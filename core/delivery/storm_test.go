package delivery_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// single makes a group for each alert, told at once.
func single(members ...alert.Member) (groups []alert.Group) {
	for _, m := range members {
		g := group("fake.r", m)
		g.Key, g.Wait = "{}:"+m.Alert.Rule, 0
		groups = append(groups, g)
	}
	return groups
}

func critical(m alert.Member) alert.Member {
	return changed(m, func(a *alert.Alert) {
		a.Labels = a.Labels.With(frame.Label{Name: "severity", Value: "critical"})
		a.Revision++
	})
}

// TestStorm tells what a receiver hears whose budget is one page in ten minutes.
func TestStorm(t *testing.T) {
	warning := frame.Label{Name: "severity", Value: "warning"}
	for name, story := range map[string]func(b *bench, tell func(...alert.Member)){
		"one page stands for the rest, follows them and is closed": func(b *bench, tell func(...alert.Member)) {
			a, x, y := fire("A", warning), fire("B", warning), fire("C", warning)
			tell(a, x, y)
			b.until(time.Minute)
			b.sent("0s #1 first notification: A firing", "10s #1 first notification: TocsinStorm firing")
			if n := b.service.got[1].Alerts[0]; n.Value != 2 || n.Labels["severity"] != "warning" || !strings.HasPrefix(n.Annotations["summary"], "Storm: 2 alerts in 2 groups are told by this page alone") {
				b.Errorf("storm page %+v", n)
			}
			b.journal("withheld B: summed up in the storm page: the budget of 1 pages in 10m is spent", "transition TocsinStorm: Storm: 2 alerts in 2 groups")
			tell(resolve(a), resolve(x), y)
			b.until(9 * time.Minute)
			b.sent("5m0s #1 all alerts resolved: A resolved", "5m10s #1 some alerts resolved: TocsinStorm firing")
			tell(resolve(y))
			b.until(20 * time.Minute)
			b.sent("10m10s #1 all alerts resolved: TocsinStorm resolved")
			tell()
			if n := b.durable(); n != 0 || len(b.Records()) > 0 {
				b.Errorf("%d records are left: %+v", n, b.Records())
			}
		},
		"a rise is told at once": func(b *bench, tell func(...alert.Member)) {
			a, x := fire("A", warning), fire("B", warning)
			tell(a, x)
			b.until(time.Minute)
			tell(a, critical(x))
			b.until(2 * time.Minute)
			b.sent("0s #1 first notification: A firing", "10s #1 first notification: TocsinStorm firing", "1m0s #1 new alerts added: TocsinStorm firing")
			if n := b.service.got[2].Alerts[0]; n.Labels["severity"] != "critical" {
				b.Errorf("storm page %+v", n)
			}
		},
		"and by itself if the budget allows": func(b *bench, tell func(...alert.Member)) {
			a, x, y := fire("A", warning), fire("B", warning), fire("C", warning)
			tell(a, x, y)
			b.until(30 * time.Minute)
			tell(a, critical(x), y)
			b.until(40 * time.Minute)
			lines := b.service.take()
			slices.Sort(lines) // two are told at once
			want := []string{
				"0s #1 first notification: A firing", "10s #1 first notification: TocsinStorm firing",
				"30m0s #1 first notification: B firing [no longer summed up in the storm page]", "30m0s #1 some alerts resolved: TocsinStorm firing",
			}
			if diff := cmp.Diff(want, lines); diff != "" {
				b.Errorf("(-want +got):\n%s", diff)
			}
		},
		"it goes on after a crash": func(b *bench, tell func(...alert.Member)) {
			a, x := fire("A", warning), fire("B", warning)
			tell(a, x)
			b.until(time.Minute)
			b.crash()
			tell(a, x)
			b.until(30 * time.Minute)
			tell(a, resolve(x))
			b.until(40 * time.Minute)
			b.sent("0s #1 first notification: A firing", "10s #1 first notification: TocsinStorm firing", "30m0s #1 all alerts resolved: TocsinStorm resolved")
		},
		"what was over before the receiver was back is counted": func(b *bench, tell func(...alert.Member)) {
			b.service.answer(busy, busy, busy)
			a, x := fire("A", warning), fire("B", warning)
			tell(a, x)
			b.until(time.Second / 2)
			tell(a, resolve(x))
			b.until(time.Minute)
			if got := b.service.got; !strings.HasSuffix(got[len(got)-1].Alerts[0].Annotations["summary"], "and 1 more that are over already: fake.r gets no more than 1 pages in 10m") {
				b.Errorf("last: %+v", got[len(got)-1].Alerts[0])
			}
			tell(a)
			b.until(time.Hour)
			if lines := b.service.take(); !strings.HasSuffix(lines[len(lines)-1], "all alerts resolved: TocsinStorm resolved") {
				b.Errorf("sent %q", lines)
			}
		},
		"a storm page that is rejected stands for nobody": func(b *bench, tell func(...alert.Member)) {
			b.service.answer(ok, reject)
			a, x := fire("A", warning), fire("B", warning)
			tell(a, x)
			b.until(time.Minute)
			b.sent("0s #1 first notification: A firing", "10s #1 first notification: TocsinStorm firing",
				"10s #1 first notification: B firing [no longer summed up in the storm page]")
		},
		"withheld, all of it: no page": func(b *bench, tell func(...alert.Member)) {
			a, x := fire("A", warning), fire("B", warning)
			tell(a, x)
			tell(a, held(x))
			b.until(time.Minute)
			tell(a, resolve(held(x)))
			b.until(time.Hour)
			b.sent("0s #1 first notification: A firing")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(o *delivery.Options) {
					o.Receivers[0].Budget = delivery.Budget{Pages: 1, Per: 10 * time.Minute}
				})
				story(b, func(members ...alert.Member) {
					b.Reconcile(single(members...), time.Now())
					synctest.Wait()
				})
			})
		})
	}
}

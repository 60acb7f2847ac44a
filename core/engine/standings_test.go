package engine

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

var toTheMinute = gocmp.Comparer(func(a, b time.Time) bool { return a.Truncate(time.Minute).Equal(b.Truncate(time.Minute)) })

// What a receiver is owed, since when and why, is told until it has it.
func TestReceiverStandings(t *testing.T) {
	inBubble(t, preamble+plain+above("Slow", ""), func(b *bubble) {
		check := func(want ...api.Receiver) {
			b.Helper()
			if diff := gocmp.Diff(want, b.engine.receiverStandings(), toTheMinute); diff != "" {
				b.Errorf("receivers (-want +got):\n%s", diff)
			}
		}
		dba := api.Receiver{Receiver: "webhook.dba"}
		check(dba, api.Receiver{Receiver: "webhook.ops"})
		b.page("b:80")
		b.page("a:80", `x{db="odoo"}`, 1)
		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Retry, Detail: "503 later", RetryAfter: 10 * time.Minute})
		b.until(time.Minute)
		due := b.start.Add(5 * time.Second) // and retries are jittered
		check(dba, api.Receiver{
			Receiver: "webhook.ops", Groups: 1, Owed: 1, OwedSince: due, NextAt: due.Add(10 * time.Minute), Error: "503 later",
		})
		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Delivered})
		b.until(20 * time.Minute)
		check(dba, api.Receiver{Receiver: "webhook.ops", Groups: 1, Open: 1, AcceptedAt: due.Add(10 * time.Minute)})
	})
}

// A tried alert goes the way that a real one would, and nothing is sent.
func TestTestRoute(t *testing.T) {
	configuration := preamble + `
silence "move" {
  match  = ["host='db1'"]
  until  = "2000-01-02T00:00:00Z"
  reason = "test"
  owner  = "test"
}
inhibit {
  source = ["alertname='Slow'"]
  target = ["alertname='Stuck'"]
}
route {
  to         = [notifier.webhook.ops]
  group_by   = ["alertname"]
  group_wait = "30s"
  route {
    match    = ["team='dba'"]
    to       = [notifier.webhook.dba, notifier.webhook.ops]
    group_by = ["alertname", "host"]
  }
}
` + above("Slow", "")
	inBubble(t, configuration, func(b *bubble) {
		b.page("b:80")
		b.page("a:80", `x{db="odoo"}`, 1)
		b.until(time.Minute)
		b.mu.Lock()
		b.mu.sent = nil
		b.mu.Unlock()
		test := func(pairs ...string) (found []string) {
			b.Helper()
			var ls []frame.Label
			for i := 0; i < len(pairs); i += 2 {
				ls = append(ls, frame.Label{Name: pairs[i], Value: pairs[i+1]})
			}
			routed := b.engine.testRoute(frame.NewLabels(ls...))
			for _, g := range routed.Groups {
				found = append(found, g.Group+" "+g.GroupWait+" "+g.Receiver+" "+g.Withheld)
			}
			return found
		}
		for _, c := range []struct {
			labels, want []string
		}{
			{[]string{"alertname", "Down"}, []string{`{}:{alertname="Down"} 30s webhook.ops `}},
			{[]string{"alertname", "Down", "host", "db1", "team", "dba"}, []string{
				`{}/{team="dba"}:{alertname="Down", host="db1"} 30s webhook.dba silenced by move`,
				`{}/{team="dba"}:{alertname="Down", host="db1"} 30s webhook.ops silenced by move`,
			}},
			{[]string{"alertname", "Stuck"}, []string{
				`{}:{alertname="Stuck"} 30s webhook.ops inhibited by Slow{db="odoo",instance="a:80",job="web"}`,
			}},
		} {
			if diff := gocmp.Diff(c.want, test(c.labels...)); diff != "" {
				b.Errorf("%v (-want +got):\n%s", c.labels, diff)
			}
		}
		b.until(10 * time.Minute)
		b.sent()
	})
}

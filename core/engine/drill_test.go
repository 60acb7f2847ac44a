package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/drill"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// branched tells critical alerts webhook.dba, at night nobody, and all others webhook.ops.
const branched = `
schedule "night" { times = ["04:00-05:00"] }
inhibit {
  source = ["severity='critical'"]
  target = ["severity='warning'"]
  equal  = ["service"]
}
route {
  to              = [notifier.webhook.ops]
  group_by        = ["service"]
  group_wait      = "5m"
  group_interval  = "1h"
  repeat_interval = "1d"
  route {
    match = ["severity='critical'"]
    to    = [notifier.webhook.dba, notifier.webhook.ops]
    mute  = [schedule.night]
    fallback {
      after = "20s"
      to    = [notifier.webhook.sms]
    }
  }
}
notifier "webhook" "sms" { url = "http://sms.invalid" }
`

// drill begins one with these labels.
func (b *bubble) drill(named map[string]string) drill.Drill {
	b.Helper()
	d, err := drills{b.engine.drills, b.engine}.Begin(drill.Request{Labels: named, By: "ann"})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// drilled is how a drill stands.
func (b *bubble) drilled(d drill.Drill) drill.Drill {
	b.Helper()
	d, err := b.engine.drills.Get(d.ID)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// sentOf is sent with ID for the id of a drill.
func (b *bubble) sentOf(d drill.Drill, want ...string) {
	b.Helper()
	b.mu.Lock()
	for i := range b.mu.sent {
		b.mu.sent[i].what = strings.ReplaceAll(b.mu.sent[i].what, d.ID, "ID")
	}
	b.mu.Unlock()
	b.sent(want...)
}

func TestDrillGoesTheWayOfTheRouteAtOnce(t *testing.T) {
	inBubble(t, preamble+branched+above("High", "labels = {\n severity = \"critical\"\n team = \"{{ $value }}\"\n }"), func(b *bubble) {
		b.until(10 * time.Second)
		d := b.drill(map[string]string{"alertname": "High", "service": "shop"})
		b.until(11 * time.Second)
		b.sentOf(d,
			`10s webhook.dba: High{service="shop",severity="critical",tocsin_drill="ID"} firing`,
			`10s webhook.dba: High{service="shop",severity="critical",tocsin_drill="ID"} resolved`,
			`10s webhook.ops: High{service="shop",severity="critical",tocsin_drill="ID"} firing`,
			`10s webhook.ops: High{service="shop",severity="critical",tocsin_drill="ID"} resolved`,
		)
		if d = b.drilled(d); !d.OK() || d.Reason != "" || len(d.Receivers) != 2 || d.Receivers[0].Opened.Attempts != 1 || d.Receivers[0].Closed.Attempts != 1 {
			t.Errorf("%+v", d)
		}
		b.journal([]alert.Kind{alert.KindTransition},
			`transition High{service="shop",severity="critical",tocsin_drill="`+d.ID+`"}: firing TEST: a drill by ann, nothing is wrong and nobody has to do anything`,
			`transition High{service="shop",severity="critical",tocsin_drill="`+d.ID+`"}: resolved the drill is over: every receiver has answered`,
		)
		if left := b.engine.Alerts(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

// What is real is neither told together with a drill nor hidden by it, and a silence does not last because of one.
func TestDrillTouchesNothingReal(t *testing.T) {
	configuration := preamble + branched + above("Low", "labels = {\n severity = \"warning\"\n service = \"shop\"\n }")
	inBubble(t, configuration, func(b *bubble) {
		b.answer("webhook.dba", notifier.Result{Detail: "down"}) // so that the drill takes its time
		until := b.silenceOf("service", "idle")
		d := b.drill(map[string]string{"alertname": "Low", "service": "shop", "severity": "critical"})
		other := b.drill(map[string]string{"severity": "critical", "service": "idle"})
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(6 * time.Second)
		if alerts := b.engine.firing(); len(alerts) != 2 {
			t.Fatalf("%+v", alerts)
		}
		for _, a := range b.engine.firing() {
			if len(a.InhibitedBy) > 0 {
				t.Errorf("%s is inhibited", a.Labels)
			}
		}
		b.until(10 * time.Minute)
		b.sentOf(d,
			`0s webhook.ops: Low{service="shop",severity="critical",tocsin_drill="ID"} firing`,
			`20s webhook.sms: Low{service="shop",severity="critical",tocsin_drill="ID"} firing [fallback: webhook.dba has not accepted this by 00:00 UTC: down]`,
			`1m0s webhook.ops: Low{service="shop",severity="critical",tocsin_drill="ID"} resolved`,
			`1m0s webhook.sms: Low{service="shop",severity="critical",tocsin_drill="ID"} resolved`,
			`5m5s webhook.ops: Low{service="shop",severity="warning"} firing`,
		)
		if d = b.drilled(d); d.OK() || d.Reason != "not every receiver accepted it within 1m0s" || len(d.Receivers) != 3 || !d.Receivers[2].Fallback ||
			d.Receivers[0].Opened.Attempts < 3 || !strings.Contains(d.Receivers[0].Error, "down") || d.Receivers[2].Closed.At.IsZero() {
			t.Errorf("%+v", d)
		}
		if other = b.drilled(other); other.OK() || other.State != drill.Done || other.Receivers[0].Withheld != "silenced by "+until || !other.Receivers[0].Opened.At.IsZero() {
			t.Errorf("%+v", other)
		}
	})
}

// silenceOf makes a silence that lasts until what it hides is over.
func (b *bubble) silenceOf(name, value string) (id string) {
	b.Helper()
	id, err := b.engine.alertmanager().Silences.Set(silence.Silence{
		Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, name, value)},
		StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour), CreatedBy: "dba", Comment: "migration",
	}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return id
}

func TestDrillThatIsMutedSaysSo(t *testing.T) {
	inBubble(t, preamble+branched, func(b *bubble) {
		b.until(4*time.Hour + time.Second)
		d := b.drill(map[string]string{"severity": "critical"})
		b.until(4*time.Hour + 2*time.Second)
		b.sent()
		if d = b.drilled(d); d.State != drill.Done || d.OK() || d.Receivers[1].Withheld != "muted by schedule night" {
			t.Errorf("%+v", d)
		}
	})
}

// What a drill opened is closed after a crash, by an engine that knows nothing of the drill any more.
func TestDrillOutlivesTheEngine(t *testing.T) {
	configuration := preamble + branched
	inBubble(t, configuration, func(b *bubble) {
		b.answer("webhook.dba", notifier.Result{Detail: "down"})
		d := b.drill(map[string]string{"severity": "critical"})
		b.until(3 * time.Second)
		b.sentOf(d, `0s webhook.ops: TocsinDrill{severity="critical",tocsin_drill="ID"} firing`)
		crashed := b.state.Crash()
		stopped, cancel := context.WithCancel(b.Context())
		cancel()
		if b.engine.Stop(stopped) == nil {
			t.Error("what the engine does after the crash is durable")
		}
		b.sent()
		b.state = crashed
		b.answer("webhook.dba", notifier.Result{Outcome: notifier.Delivered})
		b.run(configuration)
		b.until(10 * time.Minute)
		b.mu.Lock()
		for i := range b.mu.sent {
			b.mu.sent[i].at = b.mu.sent[i].at.Truncate(10 * time.Second) // when it is tried again depends on the id
		}
		b.mu.Unlock()
		b.sentOf(d,
			`0s webhook.dba: TocsinDrill{severity="critical",tocsin_drill="ID"} resolved [fired 00:00 UTC, resolved 00:00 UTC (delivered late)]`,
			`0s webhook.ops: TocsinDrill{severity="critical",tocsin_drill="ID"} resolved`,
		)
		if left := b.engine.Alerts(); len(left) != 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

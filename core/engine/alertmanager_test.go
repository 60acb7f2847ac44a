package engine

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// silence makes one for whatever has that value of the label db.
func (b *bubble) silence(db string, d time.Duration, untilResolved bool) string {
	b.Helper()
	id, err := b.engine.alertmanager().Silences.Set(silence.Silence{
		Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "db", db)},
		StartsAt: time.Now(), EndsAt: time.Now().Add(d), CreatedBy: "dba", Comment: "migration", UntilResolved: untilResolved,
	}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return id
}

func (b *bubble) post(name string, ends time.Time) {
	b.Helper()
	if err := b.engine.post([]api.Posted{{Labels: frame.FromMap(map[string]string{"alertname": name}), EndsAt: ends}}); err != nil {
		b.Fatal(err)
	}
}

func TestSilenceUntilResolved(t *testing.T) {
	configuration := preamble + plain + above("Slow", "")
	inBubble(t, configuration, func(b *bubble) {
		id := b.silence("odoo", 24*time.Hour, true)
		b.page("a:80", `x{db="odoo"}`, 1)
		b.page("b:80")
		b.until(time.Hour)
		b.restart(configuration)
		if alerts := b.engine.firing(); len(alerts) != 1 || len(alerts[0].SilencedBy) != 1 || alerts[0].SilencedBy[0] != id {
			b.Errorf("firing: %+v, want one that %s hides", alerts, id)
		}
		b.page("a:80", `x{db="odoo"}`, 0)
		b.until(2 * time.Hour)
		b.sent()
		b.page("a:80", `x{db="odoo"}`, 1) // the next incident is another one
		b.until(2*time.Hour + time.Minute)
		b.sent(`2h0m5s webhook.ops: Slow{db="odoo"} firing`)
	})
}

func TestSilenceHidesAtOnceAndSpeaksAtItsEnd(t *testing.T) {
	inBubble(t, preamble+plain+above("Slow", ""), func(b *bubble) {
		b.silence("odoo", 30*time.Minute, false)
		b.page("a:80", `x{db="odoo"}`, 1)
		b.page("b:80")
		b.until(29 * time.Minute)
		b.sent()
		b.until(31 * time.Minute)
		groups := b.engine.groups()
		if len(groups) != 1 || groups[0].Receiver != "webhook.ops" || len(groups[0].Alerts) != 1 {
			b.Errorf("groups: %+v", groups)
		}
		b.mu.Lock()
		sent := b.mu.sent
		b.mu.sent = nil
		b.mu.Unlock()
		if len(sent) != 1 || sent[0].at != 30*time.Minute {
			b.Errorf("sent %v, want one at the end of the silence", sent)
		}
	})
}

// TestAlertsOfOthersAreNobodysRule: a start without their rule does not end them, and their sender's silence does, in
// words that tell it from health.
func TestAlertsOfOthersAreNobodysRule(t *testing.T) {
	configuration := preamble + plain + above("Slow", "")
	inBubble(t, configuration, func(b *bubble) {
		b.page("a:80")
		b.page("b:80")
		b.until(time.Minute)
		b.post("Foreign", time.Time{})
		b.until(2 * time.Minute)
		b.sent("1m0s webhook.ops: Foreign firing")
		b.restart(configuration)
		b.until(4 * time.Minute)
		b.post("Foreign", time.Time{})
		b.until(8 * time.Minute)
		b.sent()
		b.until(10 * time.Minute)
		b.sent("9m0s webhook.ops: Foreign resolved [expired: its sender went silent]")
	})
}

func TestSilentSendersMayBeHeld(t *testing.T) {
	inBubble(t, `engine { external_expiry = "unknown" }`+preamble+plain+above("Slow", ""), func(b *bubble) {
		b.page("a:80")
		b.page("b:80")
		b.until(time.Minute)
		b.post("Foreign", time.Time{})
		b.until(20 * time.Hour)
		b.sent("1m0s webhook.ops: Foreign firing")
		b.post("Foreign", time.Now())
		b.until(20*time.Hour + time.Minute)
		b.sent("20h0m0s webhook.ops: Foreign resolved")
	})
}

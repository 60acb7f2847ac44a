package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// untilResolved is a silence of the configuration for whatever has the label db = odoo.
func untilResolved(latest string) string {
	return fmt.Sprintf(`
silence "disk" {
  match  = ["db='odoo'"]
  until  = "resolved"
  cap    = %q
  reason = "disk is on order"
  owner  = "dba"
}`, latest)
}

// A silence of the configuration that lasts until what it hid is resolved is over then, for restarts and reloads too; it
// begins anew where it asks for something else.
func TestConfiguredSilenceUntilResolved(t *testing.T) {
	base := preamble + plain + above("Slow", "")
	configuration := base + untilResolved("2000-01-02T00:00:00Z")
	inBubble(t, configuration, func(b *bubble) {
		b.page("b:80")
		b.page("a:80", `x{db="odoo"}`, 0)
		b.until(30 * time.Minute) // there is nothing to hide yet, and it waits
		b.page("a:80", `x{db="odoo"}`, 1)
		b.until(time.Hour)
		b.restart(configuration)
		b.reload(configuration)
		b.until(time.Hour + time.Minute)
		b.sent()
		b.page("a:80", `x{db="odoo"}`, 0)
		b.until(2 * time.Hour)
		b.sent()
		b.journal([]alert.Kind{alert.KindSilence}, "silence : silence disk of the configuration")
		b.restart(configuration)
		b.page("a:80", `x{db="odoo"}`, 1)
		b.until(2*time.Hour + time.Minute)
		b.sent(`2h0m5s webhook.ops: Slow{db="odoo"} firing`)
		b.page("a:80", `x{db="odoo"}`, 0)
		b.until(3 * time.Hour)
		b.sent(`2h1m5s webhook.ops: Slow{db="odoo"} resolved`)

		b.reload(base + untilResolved("2000-01-03T00:00:00Z"))
		b.page("a:80", `x{db="odoo"}`, 1)
		b.until(47 * time.Hour)
		b.sent()
		b.until(49 * time.Hour)
		b.sent(`48h0m0s webhook.ops: Slow{db="odoo"} firing [no longer silenced by disk]`)
	})
}

// Of the end of a long silence people are told before it comes, if it still hides something.
func TestNoticeOfTheEndOfASilence(t *testing.T) {
	configuration := preamble + plain + above("Slow", "")
	inSelfBubble(t, configuration, nil, func(b *bubble) {
		b.silence("odoo", 4*time.Hour, false)
		b.silence("crm", time.Hour, false)                      // whoever makes a short one is there
		b.silence("nothing", 4*time.Hour+10*time.Second, false) // hides nothing
		made := []string{
			`silence : {db="odoo"} by dba: migration`, `silence : {db="crm"} by dba: migration`,
			`silence : {db="nothing"} by dba: migration`,
		}
		b.until(time.Second)
		b.journal([]alert.Kind{alert.KindSilence}, made...)
		b.page("b:80")
		b.page("a:80", `x{db="odoo"}`, 1, `x{db="crm"}`, 0)
		b.until(3*time.Hour + 29*time.Minute)
		b.sent()
		b.until(3*time.Hour + 31*time.Minute)
		b.mu.Lock()
		sent := b.mu.sent
		b.mu.sent = nil
		b.mu.Unlock()
		if len(sent) != 1 || !strings.HasPrefix(sent[0].what, "webhook.ops: TocsinSilenceEnding{") || strings.Contains(sent[0].what, ",TocsinS") {
			b.Errorf("sent %v, want one notice", sent)
		}
		for _, a := range b.engine.alerts.OfRule(alert.Self) {
			for _, want := range []string{`{db="odoo"} by dba (migration) ends at 2000-01-01T04:00:00Z`, `Slow{db="odoo"`} {
				if !strings.Contains(a.Text, want) {
					b.Errorf("the notice says %q, want it to say %q", a.Text, want)
				}
			}
		}
		b.until(4*time.Hour + 30*time.Second)
		b.journal([]alert.Kind{alert.KindSilence}, made[1], made[0], made[2]) // and over
		b.until(5 * time.Hour)
		if self := b.engine.alerts.OfRule(alert.Self); len(self) != 0 {
			b.Errorf("the notice is not over: %+v", self)
		}
	})
}

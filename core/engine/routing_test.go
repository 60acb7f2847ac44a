package engine

import (
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

var gateKinds = []alert.Kind{alert.KindWithheld, alert.KindLifted}

func TestSilenceEndsByItself(t *testing.T) {
	silence := `
silence "migration" {
  match = ["db='odoo'"]
  until = "2000-01-01T00:30:00Z"
  reason = "test"
  owner  = "test"
}`
	inBubble(t, preamble+plain+above("Slow", "")+silence, func(b *bubble) {
		b.page("a:80", `x{db="odoo"}`, 1, `x{db="crm"}`, 1)
		b.page("b:80")
		b.until(29*time.Minute + 59*time.Second)
		b.sent(`5s webhook.ops: Slow{db="crm"} firing`)
		b.until(31 * time.Minute)
		b.sent(`30m0s webhook.ops: Slow{db="crm"} firing, Slow{db="odoo"} firing [no longer silenced by migration]`)
		b.journal(gateKinds, `withheld Slow{db="odoo"}: silenced by migration`, `lifted Slow{db="odoo"}: no longer silenced by migration`)
	})
}

// TestSilenceOwesTheClose: what was opened before the silence is closed during it.
func TestSilenceOwesTheClose(t *testing.T) {
	silence := `
silence "maintenance" {
  match = ["alertname='Slow'"]
  from  = "2000-01-01T00:10:00Z"
  until = "2000-01-01T02:00:00Z"
  reason = "test"
  owner  = "test"
}`
	inBubble(t, preamble+plain+above("Slow", "")+silence, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(time.Hour)
		b.page("a:80", "x", 0, `x{new="yes"}`, 1)
		b.until(90 * time.Minute)
		b.sent("5s webhook.ops: Slow firing", "1h0m5s webhook.ops: Slow resolved")
		b.page("a:80")
		b.until(3 * time.Hour)
		b.sent() // what began and ended under the silence is nobody's business
		b.journal(gateKinds,
			"withheld Slow: silenced by maintenance; what is open stays open, its end will be told",
			`withheld Slow{new="yes"}: silenced by maintenance`)
	})
}

func TestScheduleMutesAndSpeaks(t *testing.T) {
	const muted = `
route {
  to              = [notifier.webhook.ops]
  group_wait      = "0s"
  group_interval  = "1m"
  repeat_interval = "1d"
  route {
    match = ["db='odoo'"]
    to    = [notifier.webhook.dba]
    mute  = [schedule.backup]
  }
}
schedule "backup" {
  weekdays = ["sat"]
  times    = ["02:00-03:30"]
  location = "Europe/Rome"
}`
	inBubble(t, preamble+muted+above("Slow", ""), func(b *bubble) {
		b.page("a:80", `x{db="odoo"}`, 0, `x{db="crm"}`, 0)
		b.page("b:80")
		b.until(time.Hour + time.Second) // 02:00:01 in Rome
		b.page("a:80", `x{db="odoo"}`, 1, `x{db="crm"}`, 1)
		b.until(4 * time.Hour)
		b.sent(`1h0m5s webhook.ops: Slow{db="crm"} firing`, `2h30m0s webhook.dba: Slow{db="odoo"} firing [no longer muted by schedule backup]`)
	})
}

func TestInhibitionEndsWithItsSource(t *testing.T) {
	inhibit := `
inhibit {
  source = ["alertname='Down'"]
  target = ["alertname='Slow'"]
  equal  = ["host"]
}
rule "Down" {
  module = "threshold"
  input "series" {
    select = "y"
    window = "1m"
  }
  params { value = 0 }
}`
	inBubble(t, preamble+plain+above("Slow", "")+inhibit, func(b *bubble) {
		b.page("a:80", `y{host="1"}`, 1, `x{host="1"}`, 1, `x{host="2"}`, 1)
		b.page("b:80")
		b.until(10 * time.Minute)
		b.sent(`5s webhook.ops: Down{host="1"} firing`, `5s webhook.ops: Slow{host="2"} firing`)
		b.page("a:80", `y{host="1"}`, 0, `x{host="1"}`, 1, `x{host="2"}`, 1)
		b.until(20 * time.Minute)
		b.sent(
			`10m5s webhook.ops: Down{host="1"} resolved`,
			`10m5s webhook.ops: Slow{host="1"} firing, Slow{host="2"} firing [no longer inhibited by Down{host="1",instance="a:80",job="web"}]`,
		)
	})
}

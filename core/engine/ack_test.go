package engine

import (
	"errors"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/why"
)

// take has ada take alerts, named as people do.
func (b *bubble) take(name string, d time.Duration) []alert.Ack {
	b.Helper()
	q, err := api.ParseAlert(name)
	if err != nil {
		b.Fatal(err)
	}
	t := api.Taking{Alert: q, Owner: "ada", Reason: "rolling back"}
	if d > 0 {
		t.Until = time.Now().Add(d)
	}
	acks, err := b.engine.take(t)
	if err != nil {
		b.Fatal(err)
	}
	return acks
}

// graded is a rule whose severity follows the value.
const graded = `labels = { severity = "{{ if gt $value 5.0 }}critical{{ else }}warning{{ end }}" }`

func TestAck(t *testing.T) {
	const hourly = `
route {
  to              = [notifier.webhook.ops]
  group_by        = ["alertname"]
  group_wait      = "0s"
  group_interval  = "1m"
  repeat_interval = "1h"
}
`
	configuration := preamble + hourly + above("Slow", graded)
	const odoo, web = `x{db="odoo"}`, `x{db="web"}`
	slow := func(db, severity string) string { return `Slow{db="` + db + `",severity="` + severity + `"}` }
	for name, story := range map[string]func(b *bubble){
		"no repeats, and the end is told, across a crash": func(b *bubble) {
			b.take("Slow", 0)
			b.restart(configuration)
			b.until(5 * time.Hour)
			b.sent()
			b.page("a:80", odoo, 0)
			b.until(6 * time.Hour)
			b.sent("5h0m5s webhook.ops: " + slow("odoo", "warning") + " resolved")
			if all := b.engine.acks.All(); len(all) > 0 {
				b.Errorf("left: %v", all)
			}
			b.page("a:80", odoo, 1) // the next incident is nobody's
			b.until(6*time.Hour + time.Minute)
			b.sent("6h0m5s webhook.ops: " + slow("odoo", "warning") + " firing")
		},
		"who comes new to the group is told, and what repeats is the group": func(b *bubble) {
			b.take(`Slow{db="odoo"}`, 0)
			b.until(2 * time.Hour)
			b.page("a:80", odoo, 1, web, 1)
			b.until(3*time.Hour + time.Minute)
			both := slow("odoo", "warning") + " firing, " + slow("web", "warning") + " firing"
			b.sent("2h0m5s webhook.ops: "+both, "3h0m5s webhook.ops: "+both)
		},
		"a rise lifts it, for good": func(b *bubble) {
			b.take("Slow", 0)
			b.until(2 * time.Hour)
			b.page("a:80", odoo, 9)
			b.until(2*time.Hour + 2*time.Minute)
			b.sent("2h0m5s webhook.ops: " + slow("odoo", "critical") + " firing")
			b.journal([]alert.Kind{alert.KindAck, alert.KindLifted},
				`ack Slow{db="odoo",severity="warning"}: acknowledged by ada: rolling back`,
				`lifted Slow{db="odoo",severity="critical"}: no longer acknowledged by ada`,
				`ack Slow{db="odoo",severity="warning"}: acknowledgement lifted: the severity is higher than what ada took`)
			b.page("a:80", odoo, 1)
			b.until(3*time.Hour + 10*time.Minute)
			b.sent("2h2m5s webhook.ops: "+slow("odoo", "warning")+" firing", "3h2m5s webhook.ops: "+slow("odoo", "warning")+" firing")
		},
		"withdrawn: what is due is told": func(b *bubble) {
			fp := b.take("Slow", 0)[0].Fingerprint
			b.until(90 * time.Minute)
			if err := b.engine.withdraw(fp, "bob"); err != nil {
				b.Fatal(err)
			}
			b.until(100 * time.Minute)
			b.sent("1h30m0s webhook.ops: " + slow("odoo", "warning") + " firing")
			if err := b.engine.withdraw(fp, "bob"); !errors.Is(err, ack.ErrNotFound) {
				b.Errorf("withdrawn again: %v", err)
			}
		},
		"its time is over": func(b *bubble) {
			b.take("Slow", 30*time.Minute)
			b.until(29 * time.Minute)
			if all := b.engine.acks.All(); len(all) != 1 {
				b.Errorf("acknowledgements: %v", all)
			}
			b.until(61 * time.Minute)
			b.sent("1h0m5s webhook.ops: " + slow("odoo", "warning") + " firing")
		},
		"a group, by its key": func(b *bubble) {
			if _, err := b.engine.take(api.Taking{Group: `{}:{alertname="Fast"}`, Owner: "ada"}); !errors.Is(err, api.ErrNothing) {
				b.Errorf("a group that there is not: %v", err)
			}
			acks, err := b.engine.take(api.Taking{Group: `{}:{alertname="Slow"}`, Owner: "ada"})
			if err != nil || len(acks) != 1 {
				b.Errorf("taken %v, %v", acks, err)
			}
			b.until(2 * time.Hour)
			b.sent()
		},
		"why says so": func(b *bubble) {
			b.take("Slow", 0)
			b.until(2 * time.Minute)
			answer := b.engine.tocsin().Acks.All()
			if len(answer) != 1 || answer[0].Owner != "ada" {
				b.Errorf("acknowledgements: %v", answer)
			}
			a := b.engine.Alerts()[0]
			if s := b.engine.standing(&a); s.Acked != "ada" {
				b.Errorf("standing %+v, want that ada has it", s)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, configuration, func(b *bubble) {
				b.page("a:80", odoo, 1)
				b.page("b:80")
				b.until(time.Minute)
				b.sent("5s webhook.ops: " + slow("odoo", "warning") + " firing")
				b.journal(nil)
				story(b)
			})
		})
	}
}

// Of an alert that somebody took before anybody was told, nobody is told.
func TestAckBeforeAnybodyWasTold(t *testing.T) {
	const patient = `
route {
  to             = [notifier.webhook.ops]
  group_wait     = "10m"
  group_interval = "10m"
}
`
	inBubble(t, preamble+patient+above("Slow", ""), func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(time.Minute)
		b.take("Slow", 0)
		b.until(20 * time.Minute)
		b.page("a:80", "x", 0)
		b.until(40 * time.Minute)
		b.sent()
		teller := why.NewTeller(true)
		b.mu.Lock()
		for i := range b.mu.decisions {
			teller.Add(&b.mu.decisions[i])
		}
		b.mu.Unlock()
		outcomes := teller.Answer(time.Now()).Instances[0].Incidents[0].Outcomes
		if len(outcomes) != 1 || outcomes[0].Verdict != why.Withheld || outcomes[0].Cause != alert.CauseAcknowledged || outcomes[0].By != "ada" {
			b.Errorf("outcomes %+v, want one: withheld, acknowledged by ada", outcomes)
		}
	})
}

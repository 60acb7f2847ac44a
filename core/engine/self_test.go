package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// inSelfBubble is a bubble with the alerts about the engine itself.
func inSelfBubble(t *testing.T, configuration string, prepare func(*Engine), story func(b *bubble)) {
	t.Helper()
	inBubbleWith(t, configuration, prepare, func(b *bubble) {
		b.selfAlerts = true
		b.restart(configuration)
		story(b)
	})
}

func TestBlindness(t *testing.T) {
	rules := above("High", `labels = { severity = "critical" }`) + above("Higher", "")
	inSelfBubble(t, preamble+plain+rules, nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 0)
		b.page("b:80", `x{id="2"}`, 0)
		b.until(2 * time.Minute)
		b.down("b:80")
		b.until(7 * time.Minute)
		b.sent()
		b.until(8 * time.Minute)
		b.sent(`7m10s webhook.ops: TocsinBlind{cause="http.web",severity="critical",source="tocsin"} firing`)
		for _, a := range b.engine.Alerts() {
			want := "1 of 2 targets of http.web do not answer: b:80 (connect b:80: refused). Rules that do not see all of their data, and keep their state: High, Higher"
			if got := a.Annotations["summary"]; got != want {
				t.Errorf("summary %q, want %q", got, want)
			}
		}

		b.restart(preamble + plain + rules) // nobody hears of that
		b.until(20 * time.Minute)
		b.sent()
		b.page("b:80", `x{id="2"}`, 0)
		b.until(22 * time.Minute)
		b.sent(`21m5s webhook.ops: TocsinBlind{cause="http.web",severity="critical",source="tocsin"} resolved`)

		b.page("a:80", "y", 0) // after a minute their windows are empty: both answer, and what the rules read is gone
		b.page("b:80", "y", 0)
		b.until(30 * time.Minute)
		b.sent(`28m0s webhook.ops: TocsinBlind{cause="rule High",severity="critical",source="tocsin"} firing, ` +
			`TocsinBlind{cause="rule Higher",severity="warning",source="tocsin"} firing`)
	})
}

func TestRulesThatNeverMatched(t *testing.T) {
	inSelfBubble(t, preamble+plain+above("High", "")+strings.ReplaceAll(above("Misspelt", ""), `"x"`, `"xx"`)+
		strings.ReplaceAll(above("Patient", `on_missing = "ok"`), `"x"`, `"xx"`), nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 0)
		b.page("b:80")
		b.until(30 * time.Minute)
		b.sent(`15m10s webhook.ops: TocsinRuleNeverMatched{rule="Misspelt",severity="warning",source="tocsin"} firing`)
		b.page("b:80", "xx", 0)
		b.until(32 * time.Minute)
		b.sent(`31m10s webhook.ops: TocsinRuleNeverMatched{rule="Misspelt",severity="warning",source="tocsin"} resolved`)
	})
}

func TestRulesThatFail(t *testing.T) {
	inSelfBubble(t, preamble+plain+`
rule "Ratio" {
  promql = "x / on(id) y"
  labels = { severity = "critical" }
}
`, nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 0, `y{id="1"}`, 1)
		b.page("b:80")
		b.until(time.Minute)
		b.page("b:80", `x{id="1"}`, 0, `y{id="1"}`, 1) // many to many
		b.until(10 * time.Minute)
		b.sent(`5s webhook.ops: Ratio{id="1",severity="critical"} firing`,
			`6m10s webhook.ops: TocsinRuleFailing{rule="Ratio",severity="critical",source="tocsin"} firing`)
		b.page("b:80")
		b.until(20 * time.Minute) // it rests for minutes after so many failures
		b.sent(`11m50s webhook.ops: TocsinRuleFailing{rule="Ratio",severity="critical",source="tocsin"} resolved`)
	})
}

func TestDeliveriesThatAreStuck(t *testing.T) {
	inSelfBubble(t, preamble+`
route {
  to         = [notifier.webhook.ops]
  group_by   = ["alertname"]
  group_wait = "0s"
  route {
    match = ["source='tocsin'"]
    to    = [notifier.webhook.dba]
  }
}
`+above("High", ""), nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80", `x{id="2"}`, 0)
		b.answer("webhook.ops", notifier.Result{Detail: "no"})
		b.until(10 * time.Minute)
		b.sent(`5m40s webhook.dba: TocsinDeliveryStuck{receiver="webhook.ops",severity="critical",source="tocsin"} firing`)
		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Delivered})
		b.until(20 * time.Minute)
		b.mu.Lock()
		for i := range b.mu.sent {
			b.mu.sent[i].at = 0 // it waits a while between attempts
		}
		b.mu.Unlock()
		b.sent(`0s webhook.dba: TocsinDeliveryStuck{receiver="webhook.ops",severity="critical",source="tocsin"} resolved`,
			`0s webhook.ops: High{id="1"} firing`)
	})
}

// The alert about a receiver that rejects everything is rejected too. That does not keep it.
func TestStuckWithItself(t *testing.T) {
	inSelfBubble(t, preamble+plain+above("High", ""), nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80", `x{id="2"}`, 0)
		b.answer("webhook.ops", notifier.Result{Outcome: notifier.Rejected, Detail: "bad key"})
		b.until(time.Minute)
		b.page("a:80", `x{id="1"}`, 0)
		b.until(5 * time.Minute)
		for _, a := range b.engine.Alerts() {
			if a.State == alert.Firing {
				t.Errorf("%s fires: %s", a.Labels, a.Annotations["summary"])
			}
		}
		b.journal([]alert.Kind{alert.KindTransition},
			`transition High{id="1"}: firing`,
			`transition TocsinDeliveryStuck{receiver="webhook.ops",severity="critical",source="tocsin"}: firing webhook.ops does not know all that it should. Groups: 1, the first since 2000-01-01T00:00:05Z: bad key`,
			`transition High{id="1"}: resolved the rule finds it healthy`,
			`transition TocsinDeliveryStuck{receiver="webhook.ops",severity="critical",source="tocsin"}: resolved it was not found any more for 1m0s`)
	})
}

func TestSelfAlertsCanBeLeftOut(t *testing.T) {
	inSelfBubble(t, "engine { self_alerts = false }\n"+preamble+plain+above("High", ""), nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 0)
		b.until(20 * time.Minute)
		b.sent()
	})
}

func TestStorageThatRefusesIsTold(t *testing.T) {
	inSelfBubble(t, preamble+plain+above("High", ""), nil, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80", `x{id="2"}`, 0)
		b.state.Fail(1_000_000)
		b.until(time.Minute)
		firing := map[string]bool{}
		for _, a := range b.engine.Alerts() {
			firing[a.Labels.Get("alertname")+" "+a.Labels.Get("part")] = true
		}
		want := map[string]bool{"High ": true, "TocsinDegraded alerts": true, "TocsinDegraded deliveries": true}
		if diff := gocmp.Diff(want, firing); diff != "" {
			t.Errorf("firing (-want +got):\n%s", diff)
		}
		b.state.Fail(0)
	})
}

// found lists findings as "name{about} severity after: summary".
func found(l look) (all []string) {
	for _, f := range l.found {
		line := f.Name + frame.FromMap(f.About).String()
		if f.Unsure {
			line += " unsure"
		} else {
			line += " " + f.Severity + " after " + f.After.String() + ": " + f.Summary
		}
		all = append(all, line)
	}
	return all
}

func TestFindings(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	l := look{now: now, engine: config.Engine{UnknownAfter: 5 * time.Minute}, definitions: []rule.Definition{
		{Name: "New", Sources: []string{"http.web"}},
		{Name: "Broken"},
		{Name: "Shadow", Shadow: true},
		{Name: "Fires", OnMissing: rule.MissingFire},
		{Name: "Young"},
		{Name: "Fine"},
		{Name: heartbeatRules + "x"},
	}}
	l.rules([]rule.Status{
		{Name: "New"},
		{Name: "Broken", LastEvaluation: now, LastError: strings.Repeat("é", 200), Blind: "?"},
		{Name: "Shadow", LastEvaluation: now, LastError: "?", Blind: "?"},
		{Name: "Fires", LastEvaluation: now, Blind: "?"},
		{Name: "Young", LastEvaluation: now, Blind: "?", BlindCause: alert.CauseNotEnough},
		{Name: "Fine", LastEvaluation: now},
		{Name: heartbeatRules + "x", LastEvaluation: now, Blind: "?"},
		{Name: "Gone", LastEvaluation: now, Blind: "?"},
	}, []scrape.Status{{Source: "http.web", Target: "a:80", Health: scrape.Down}})
	l.plugins([]pluginhost.Status{
		{What: "source", Kind: "http", State: pluginhost.StateReady},
		{What: "notifier", Kind: "slack", State: pluginhost.StateBackoff, Error: "exit status 2"},
		{What: "notifier", Kind: "webhook", State: pluginhost.StateFailed, Error: "exit status 2"},
		{What: "notifier", Kind: "pagerduty", State: pluginhost.StateStopped},
	})
	l.deliveries([]delivery.Record{
		{Receiver: "a", State: delivery.Retrying, OwedSince: now.Add(-4 * time.Minute)},
		{Receiver: "b", State: delivery.Retrying, OwedSince: now.Add(-6 * time.Minute), Error: "503"},
		{Receiver: "b", State: delivery.Waiting, OwedSince: now.Add(-7 * time.Minute)},
		{Receiver: "c", State: delivery.DeadLetter, OwedSince: now.Add(-time.Minute), Error: "400"},
		{Receiver: "d", State: delivery.DeadLetter, OwedSince: now, Labels: frame.FromMap(map[string]string{"alertname": config.AlertDeliveryStuck})},
		{Receiver: "e", State: delivery.DeadLetter},
	})
	want := []string{
		`TocsinRuleFailing{rule="New"} unsure`, `TocsinRuleNeverMatched{rule="New"} unsure`,
		`TocsinBlind{cause="rule New"} unsure`, `TocsinBlind{cause="http.web"} unsure`,
		`TocsinRuleFailing{rule="Broken"} warning after 5m0s: Rule Broken fails, its alerts keep their state: ` + strings.Repeat("é", 150) + "…",
		`TocsinRuleNeverMatched{rule="Broken"} unsure`, `TocsinBlind{cause="rule Broken"} unsure`,
		`TocsinPluginDown{plugin="notifier slack"} critical after 1m0s: The process of the plugin notifier "slack" does not work: exit status 2`,
		`TocsinPluginDown{plugin="notifier webhook"} critical after 0s: The process of the plugin notifier "webhook" does not work: exit status 2`,
		`TocsinDeliveryStuck{receiver="b"} critical after 30s: b does not know all that it should. Groups: 2, the first since 2026-01-01T11:53:00Z: 503`,
		`TocsinDeliveryStuck{receiver="c"} critical after 0s: c does not know all that it should. Groups: 1, the first since 2026-01-01T11:59:00Z: 400`,
	}
	if diff := gocmp.Diff(want, found(l)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if got := listed([]string{"a", "b", "c", "d", "e", "f", "g"}, ", "); got != "a, b, c, d, e and 2 more" {
		t.Error(got)
	}
}

func TestRejectedConfigurationsAreTold(t *testing.T) {
	inSelfBubble(t, preamble+plain+above("High", ""), nil, func(b *bubble) {
		b.page("a:80", "x", 0)
		b.page("b:80", "x", 0)
		b.until(time.Minute)
		if err := b.engine.reload(b.Context(), func() (*config.Config, error) { return nil, errors.New("web.hcl:3:1: what is that?") }); err == nil {
			t.Error("it was accepted")
		}
		b.until(2 * time.Minute)
		if got, want := b.engine.Alerts()[0].Text, "The configuration is rejected since 2000-01-01T00:01:00Z, the former one goes on: web.hcl:3:1: what is that?"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		b.sent(`1m5s webhook.ops: TocsinConfigRejected{severity="warning",source="tocsin"} firing`)
		b.shows(map[string]float64{`prometheus_config_last_reload_successful`: 0})
		if err := b.engine.Apply(b.Context(), b.load(preamble+plain+above("High", ""))); err != nil {
			t.Error(err)
		}
		b.until(4 * time.Minute)
		b.sent(`3m5s webhook.ops: TocsinConfigRejected{severity="warning",source="tocsin"} resolved`)
	})
}

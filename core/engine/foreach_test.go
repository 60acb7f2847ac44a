package engine

import (
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// TestForEachMakesRulesApart: two copies judge the same series. Each has its own incident, threshold and receiver.
func TestForEachMakesRulesApart(t *testing.T) {
	const configuration = `
source "http" "web" {
  for_each = { one = "a:80", two = "b:80" }
  targets  = [each.value]
  interval = "10s"
}
notifier "webhook" "team" {
  for_each = toset(["db", "web"])
  url      = "http://${each.key}.invalid"
}
rule "Slow" {
  for_each = { db = 0, web = 2 }
  module   = "threshold"
  input "series" {
    select = "x{job='web'}"
    window = "1m"
  }
  params { value = each.value }
}
override "Slow[\"web\"]" {
  match = ["id='2'"]
  params { value = 9 }
}
route {
  to              = values(notifier.webhook.team)
  group_wait      = "0s"
  group_interval  = "1m"
  repeat_interval = "1d"
  route {
    match = ["each='db'"]
    to    = [notifier.webhook.team["db"]]
  }
  route {
    match = ["each='web'"]
    to    = [notifier.webhook.team["web"]]
  }
}`
	inBubble(t, configuration, func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1)
		b.page("b:80", `x{id="2"}`, 1)
		b.until(10 * time.Minute)
		b.journal([]alert.Kind{alert.KindAmbiguous, alert.KindBlind, alert.KindRuleFailed})
		b.sent(`8s webhook.team["db"]: Slow{each="db",id="1"} firing, Slow{each="db",id="2"} firing`)
		b.page("a:80", `x{id="1"}`, 3)
		b.page("b:80", `x{id="2"}`, 3)
		b.until(20 * time.Minute)
		b.sent(`10m8s webhook.team["web"]: Slow{each="web",id="1"} firing`)
		b.page("b:80", `x{id="2"}`, 10)
		b.page("a:80")
		b.until(30 * time.Minute)
		b.sent(
			`20m8s webhook.team["db"]: Slow{each="db",id="1"} resolved, Slow{each="db",id="2"} firing`,
			`20m8s webhook.team["web"]: Slow{each="web",id="1"} resolved, Slow{each="web",id="2"} firing`,
		)
		for _, a := range b.engine.Alerts() {
			if want := `Slow["` + a.Labels.Get("each") + `"]`; a.Rule != want {
				t.Errorf("rule of %s is %s, want %s", a.Labels, a.Rule, want)
			}
		}
	})
}

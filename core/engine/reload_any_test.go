package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// How much [TestAnyReloads] does.
var (
	anyStories = flag.Int("reload-stories", 2, "stories of TestAnyReloads")
	anySeed    = flag.Uint64("reload-seed", 0, "of the first story of TestAnyReloads; 0: chance")
)

// anyConfiguration is one out of a small set, in which everything that reloads can change is changed by some.
func anyConfiguration(chance *rand.Rand) string {
	one := func(choices ...string) string { return choices[chance.IntN(len(choices))] }
	receivers := one("ops", "dba", "ops, dba", "ops, dba, ops")
	receivers = strings.Join(slices.Compact(strings.Split(receivers, ", ")), ", ")
	if receivers == "ops, dba, ops" {
		receivers = "dba, ops"
	}
	to := "notifier.webhook." + strings.ReplaceAll(receivers, ", ", ", notifier.webhook.")
	var b strings.Builder
	fmt.Fprintf(&b, `
source "http" "web" {
  targets  = %s
  interval = "%s"
  labels   = { site = "%s" }
}
notifier "webhook" "ops" { url = "http://%s.invalid" }
notifier "webhook" "dba" {
  url           = "http://dba.invalid"
}
route {
  to              = [%s]
  group_by        = %s
  group_wait      = "%s"
  group_interval  = "%s"
  repeat_interval = "7d"
  route {
    match = ["severity='%s'"]
    to    = [notifier.webhook.%s]
  }
}
`, one(`["a:80"]`, `["a:80", "b:80"]`), one("10s", "20s"), one("here", "here", "there"), one("one", "two"), to,
		one(`["alertname"]`, `["alertname", "id"]`, `[]`), one("0s", "30s"), one("1m", "5m"), one("critical", "warning"), one("ops", "dba"))
	for _, name := range []string{"A", "B", "C"} {
		if chance.IntN(3) == 0 {
			continue
		}
		fmt.Fprintf(&b, `
rule %q {
  module = "threshold"
  input "series" {
    select = "x"
    window = "%s"
  }
  params { value = %d }
  for    = "%s"
  labels = { severity = "%s" }
  limit  = %s
  %s
}
`, name, one("1m", "2m"), chance.IntN(3), one("0s", "1m"), one("critical", "warning", `{{ if gt $value 2.5 }}critical{{ else }}warning{{ end }}`),
			one("0", "0", "2"), one("", "", "", `mode = "shadow"`))
	}
	return b.String()
}

// notified is one notification as it counts here.
type notified struct {
	firing  bool // of any alert in it
	late    bool // it was over before it could be told
	content string
}

// diary is what all receivers were sent, by receiver and incident.
type diary map[string][]notified

func (d diary) note(ref string, n notifier.Notification) {
	var alerts []string
	firing := false
	for _, a := range n.Alerts {
		firing = firing || a.Status == notifier.StatusFiring
		alerts = append(alerts, a.StartsAt.String()+" "+frame.FromMap(a.Labels).String()+" "+string(a.Status))
	}
	slices.Sort(alerts)
	key := ref + " " + n.DedupKey
	d[key] = append(d[key], notified{firing, strings.Contains(n.Note, "delivered late"), strings.Join(alerts, "; ")})
}

// Whatever configurations follow each other at whatever times, good ones and bad ones, while alerts come and go: whoever
// was told that something is open is told once that it is over, nobody is told the same twice in a row, and nothing is
// closed that was not open.
func TestAnyReloads(t *testing.T) {
	seed := *anySeed
	for range *anyStories {
		if seed == 0 || *anySeed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anyReloads(t, rand.New(rand.NewPCG(seed, 0))) })
		seed++
	}
}

func anyReloads(t *testing.T, chance *rand.Rand) {
	first := anyConfiguration(chance)
	inBubble(t, first, func(b *bubble) {
		b.mu.Lock()
		b.mu.diary = diary{}
		b.mu.Unlock()
		rejected := 0
		for range 60 {
			b.anyPages(chance)
			time.Sleep(time.Duration(chance.IntN(180)) * time.Second)
			next := b.load(anyConfiguration(chance))
			broken := chance.IntN(5) == 0
			if broken {
				next.Rules = append(slices.Clone(next.Rules), config.Rule{Name: "Broken", Module: "threshold"})
			}
			before := b.engine.setup.Load()
			err := b.engine.Apply(b.Context(), next)
			if (err != nil) != broken {
				b.Fatalf("reload: %v, want an error: %v", err, broken)
			}
			if broken {
				rejected++
				if b.engine.setup.Load() != before {
					b.Error("a configuration that was rejected runs")
				}
			}
		}
		b.page("a:80", "x", 0)
		b.page("b:80", "x", 0)
		time.Sleep(2 * time.Hour)
		b.engine.alertsChanged() // what was forgotten last is noticed with the next change
		synctest.Wait()
		b.checkDiary()
		if left := b.engine.Alerts(); len(left) > 0 {
			b.Errorf("alerts are left when all is well: %v", left)
		}
		if open := b.engine.ledger.Records(); len(open) > 0 {
			b.Errorf("records are left when all is well: %+v", open)
		}
		s := b.engine.setup.Load()
		if len(s.named) > len(s.parts) || rejected == 0 {
			b.Errorf("%d parts of %d are in use; %d configurations were rejected", len(s.parts), len(s.named), rejected)
		}
	})
}

// anyPages sets what is exposed, from 0 (health, whatever the rule) to 3.
func (b *bubble) anyPages(chance *rand.Rand) {
	for _, target := range []string{"a:80", "b:80"} {
		if chance.IntN(8) == 0 {
			b.down(target)
			continue
		}
		var page []any
		for id := range 3 {
			page = append(page, fmt.Sprintf("x{id=\"%d\"}", id), chance.IntN(4))
		}
		b.page(target, page...)
	}
}

func (b *bubble) checkDiary() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	opened := 0
	for who, all := range b.mu.diary {
		open, last := false, ""
		for i, n := range all {
			switch {
			case !n.firing && !open && !n.late:
				b.Errorf("%s: notification %d closes what is not open: %s", who, i, n.content)
			case n.content == last:
				b.Errorf("%s: notification %d says again: %s", who, i, n.content)
			}
			if n.firing && !open {
				opened++
			}
			open, last = n.firing, n.content
		}
		if open {
			b.Errorf("%s: still open at the end: %s", who, last)
		}
	}
	if opened < 10 {
		b.Errorf("%d incidents: the story is too short", opened)
	}
}

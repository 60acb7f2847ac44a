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

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// How much [TestReloadsUnderLoad] does.
var (
	loadReloads = flag.Int("load-reloads", 40, "reloads of TestReloadsUnderLoad")
	loadAlerts  = flag.Int("load-alerts", 2000, "active alerts meanwhile")
)

// underLoad is a configuration whose alerts keep every timer of the engine busy. Web is all that the story is about; the
// variants change what is around it.
const underLoad = `
notifier "webhook" "ops" { url = "http://ops.invalid" }
notifier "webhook" "dba" { url = "http://dba.invalid" }
source "http" "web" {
  targets  = ["a:80", "b:80"]
  interval = "10s"
}
rule "Web" {
  module = "threshold"
  input "series" {
    select = "x{job='web'}"
    window = "1m"
  }
  params { value = 0 }
  for             = "2m"
  keep_firing_for = "1m"
}
route {
  to              = [notifier.webhook.ops]
  group_by        = ["alertname"]
  group_wait      = "30s"
  group_interval  = "5m"
  repeat_interval = "7d"
  %s
}
%s
`

// aroundTheLoad are the variants: what is inside of the route, and what is beside it.
var aroundTheLoad = [][2]string{
	{"", ""},
	{"", `rule "More" {
  module = "threshold"
  input "series" {
    select = "y"
    window = "5m"
  }
  params { value = 3 }
  mode = "shadow"
}
source "http" "more" {
  targets  = ["c:80"]
  interval = "5s"
}`},
	{"", `rule "More" {
  module = "threshold"
  input "series" {
    select = "x"
    window = "5m"
  }
  params { value = 4 }
  mode        = "shadow"
  for         = "1m"
  annotations = { summary = "another program, another text" }
}`},
	{`route {
    match = ["team='nobody'"]
    to    = [notifier.webhook.new]
  }`, `notifier "webhook" "new" { url = "http://new.invalid" }`},
	{`route {
    match = ["team='nobody'"]
    mute  = [schedule.never]
  }`, `schedule "never" {
  weekdays = ["mon"]
  times    = ["03:00-03:01"]
}
silence "nobody" {
  match  = ["team='nobody'"]
  until  = "2030-01-01T00:00:00Z"
  reason = "test"
  owner  = "test"
}
inhibit {
  source = ["severity='none'"]
  target = ["severity='nothing'"]
}`},
}

// told is what one run of the story led to.
type told struct {
	sent   []string
	alerts []string
	timers []string
}

// A thousand reloads among ten thousand alerts, while alerts come and go: whatever the changes are not about happens as if
// there had been none, at the same times. Nothing is lost, repeated or begun anew. Say
// -load-reloads=1000 -load-alerts=10000 for the whole of it.
func TestReloadsUnderLoad(t *testing.T) {
	var with, without told
	t.Run("with reloads", func(t *testing.T) { with = storyUnderLoad(t, true) })
	t.Run("without", func(t *testing.T) { without = storyUnderLoad(t, false) })
	if len(without.sent) < 110 || len(without.alerts) < *loadAlerts || len(without.timers) == 0 {
		t.Fatalf("%d notifications, %d alerts: the story is too short", len(without.sent), len(without.alerts))
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{{"notifications", with.sent, without.sent}, {"alerts", with.alerts, without.alerts}, {"timers", with.timers, without.timers}} {
		if diff := gocmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s with reloads differ from those without (-without +with):\n%.4000s", c.what, diff)
		}
	}
	t.Logf("%d reloads, %d alerts: %d notifications, the same as without", *loadReloads, len(with.alerts), len(with.sent))
}

func storyUnderLoad(t *testing.T, reloading bool) (result told) {
	inBubble(t, fmt.Sprintf(underLoad, "", ""), func(b *bubble) {
		var variants []*config.Config
		for _, around := range aroundTheLoad {
			variants = append(variants, b.load(fmt.Sprintf(underLoad, around[0], around[1])))
		}
		chance := rand.New(rand.NewPCG(1, 2)) // the same in both runs
		for first := 0; first < *loadAlerts; first += 500 {
			b.postLoad(first, min(first+500, *loadAlerts), time.Now().Add(48*time.Hour))
		}
		for k := range *loadReloads {
			b.load10s(chance, k)
			time.Sleep(time.Duration(chance.IntN(8000)) * time.Millisecond)
			variant := variants[chance.IntN(len(variants))]
			if reloading {
				if err := b.engine.Apply(b.Context(), variant); err != nil {
					b.Fatal(err)
				}
			}
			if k%10 == 9 {
				synctest.Wait()
				result.timers = append(result.timers, b.timers()...)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, a := range b.engine.Alerts() {
			if a.Rule != "More" {
				result.alerts = append(result.alerts, stands(a))
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, s := range b.mu.sent {
			result.sent = append(result.sent, fmt.Sprintf("%s %s", s.at, s.what))
		}
		slices.Sort(result.sent)
	})
	return result
}

// load10s is what goes on beside the reloads: pages change, alerts are posted and ended.
func (b *bubble) load10s(chance *rand.Rand, k int) {
	for _, target := range []string{"a:80", "b:80", "c:80"} {
		page := []any{"y", chance.IntN(7)}
		for id := range 10 {
			page = append(page, fmt.Sprintf("x{id=\"%d\"}", id), max(0, chance.IntN(20)-3)) // mostly trouble
		}
		if k%23 != 7 || target != "a:80" {
			b.page(target, page...)
		} else {
			b.down(target)
		}
	}
	ends := time.Now().Add(48 * time.Hour)
	if k%3 == 2 {
		ends = time.Now()
	}
	id := chance.IntN(20)
	if err := b.engine.post([]api.Posted{{Labels: frame.FromMap(map[string]string{"alertname": fmt.Sprintf("Comes%d", id/5), "id": fmt.Sprint(id)}), EndsAt: ends}}); err != nil {
		b.Fatal(err)
	}
}

// postLoad posts alerts of others, a hundred names in all.
func (b *bubble) postLoad(from, to int, ends time.Time) {
	var posted []api.Posted
	for n := from; n < to; n++ {
		posted = append(posted, api.Posted{
			Labels: frame.FromMap(map[string]string{"alertname": fmt.Sprintf("Posted%02d", n%100), "id": fmt.Sprint(n)}), EndsAt: ends,
		})
	}
	if err := b.engine.post(posted); err != nil {
		b.Fatal(err)
	}
}

// timers are what is waited for at this moment: evidence that counts, and what deliveries wait for.
func (b *bubble) timers() (all []string) {
	at := time.Since(b.start)
	for _, a := range b.engine.Alerts() {
		if a.Rule == "Web" {
			all = append(all, fmt.Sprintf("%s %s held %s", at, stands(a), a.Held))
		}
	}
	for _, r := range b.engine.ledger.Records() {
		if !strings.Contains(r.Group, `"More"`) && (r.State == delivery.Waiting || r.State == delivery.Idle) {
			all = append(all, fmt.Sprintf("%s %s %s %s until %s", at, r.Receiver, r.Group, r.State, r.NextAt.Sub(b.start)))
		}
	}
	return all
}

func stands(a alert.Alert) string {
	return strings.Join([]string{
		a.Fingerprint.String(), a.Labels.String(), a.State.String(), fmt.Sprint(a.Unknown), a.ActiveAt.String(), a.FiredAt.String(),
	}, " ")
}

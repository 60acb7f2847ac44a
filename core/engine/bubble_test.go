package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// guests runs the rule modules of all bubbles, so that each is compiled once.
var guests = sync.OnceValues(func() (*wasm.Host, error) {
	return wasm.New(context.Background(), wasm.Options{Keep: true, Logger: zerolog.Nop()})
})

// bubble is an engine with real configuration, windows, modules, rules, routes and ledger, over simulated pages and
// receivers, on the clock of a synctest bubble. State outlives its engines.
type bubble struct {
	*testing.T
	engine *Engine
	state  *state.MemoryStore
	start  time.Time
	dir    string // of the configuration

	prepare    func(*Engine) // nil, or for each engine before it starts
	selfAlerts bool          // keep those about the engine itself, of which most stories are not

	mu struct {
		sync.Mutex
		pages     map[string]map[string]float64 // by target: series in PromQL, value
		answers   map[string]notifier.Result    // by receiver; one that is not there accepts everything
		sent      []sending
		decisions []alert.Decision
		diary     diary // nil: nobody keeps one
	}
}

// inBubble runs a story over a configuration. The clock stands at 2000-01-01 00:00:00 UTC, a Saturday.
func inBubble(t *testing.T, configuration string, story func(b *bubble)) {
	t.Helper()
	inBubbleWith(t, configuration, nil, story)
}

// inBubbleWith is inBubble with engines that are prepared before they start.
func inBubbleWith(t *testing.T, configuration string, prepare func(*Engine), story func(b *bubble)) {
	t.Helper()
	if _, err := guests(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, state: state.Memory(), start: time.Now(), dir: t.TempDir(), prepare: prepare}
		b.mu.pages = map[string]map[string]float64{}
		b.run(configuration)
		defer b.stop()
		story(b)
	})
}

// preamble is the part of the configurations that is the same: the pages of a:80 and b:80, whose rounds are complete 5 s
// after every ten, and two receivers.
const preamble = `
source "http" "web" {
  targets  = ["a:80", "b:80"]
  interval = "10s"
}
notifier "webhook" "ops" { url = "http://ops.invalid" }
notifier "webhook" "dba" { url = "http://dba.invalid" }
`

// plain is a route that tells webhook.ops of everything at once.
const plain = `
route {
  to              = [notifier.webhook.ops]
  group_by        = ["alertname"]
  group_wait      = "0s"
  group_interval  = "1m"
  repeat_interval = "1d"
}
`

// above is a rule over the metric x, firing above 0.
func above(name, extra string) string {
	return fmt.Sprintf(`
rule %q {
  module = "threshold"
  input "series" {
    select = "x"
    window = "1m"
  }
  params { value = 0 }
  %s
}
`, name, extra)
}

// load loads a configuration.
func (b *bubble) load(configuration string) *config.Config {
	b.Helper()
	path := filepath.Join(b.dir, "test.hcl")
	if err := os.WriteFile(path, []byte(configuration), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, diags := config.Load([]string{path}, config.Options{Catalog: Catalog})
	if cfg == nil {
		b.Fatal(diags)
	}
	cfg.Engine.SelfAlerts = cfg.Engine.SelfAlerts && b.selfAlerts
	return cfg
}

// run loads a configuration and starts an engine on the state.
func (b *bubble) run(configuration string) {
	b.Helper()
	cfg := b.load(configuration)
	host, _ := guests()
	var err error
	b.engine, err = New(b.Context(), Options{
		Config: cfg, Logger: zerolog.Nop(), OnDecision: b.decided,
		World: World{
			Collector: func(config.Source) (scrape.Collector, error) { return b, nil },
			Sender:    func(n config.Notifier) (delivery.Sender, error) { return receiver{b, n.Ref()}, nil },
			State:     b.state, Modules: host, Offline: true, Seed: 1, Workers: 1,
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	if b.prepare != nil {
		b.prepare(b.engine)
	}
	if err := b.engine.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

func (b *bubble) stop() {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.engine.Stop(ctx); err != nil {
		b.Errorf("stop: %v", err)
	}
}

// restart stops the engine and starts another, with that configuration, on what is durable.
func (b *bubble) restart(configuration string) {
	b.Helper()
	b.stop()
	b.state = b.state.Crash()
	b.run(configuration)
}

// page sets what a target exposes from now on: series in PromQL and values by turns. A target without a page is down.
func (b *bubble) page(target string, seriesAndValues ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	page := map[string]float64{}
	for pair := range slices.Chunk(seriesAndValues, 2) {
		page[pair[0].(string)] = float64(pair[1].(int))
	}
	b.mu.pages[target] = page
}

// down makes a target unreachable.
func (b *bubble) down(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.pages, target)
}

// Collect implements [scrape.Collector].
func (b *bubble) Collect(_ context.Context, t source.Target) (source.Collection, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	page, up := b.mu.pages[t.Address]
	if !up {
		return source.Collection{}, fmt.Errorf("connect %s: refused", t.Address)
	}
	var built frame.Builder
	for _, series := range slices.Sorted(maps.Keys(page)) {
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(series)
		if err != nil {
			return source.Collection{}, err
		}
		var ls []frame.Label
		for _, m := range matchers {
			ls = append(ls, frame.Label{Name: m.Name, Value: m.Value})
		}
		built.Add(frame.NewLabels(ls...), frame.Gauge, page[series])
	}
	return source.Collection{Frame: built.Build(0)}, nil
}

// sending is one notification.
type sending struct {
	at   time.Duration
	ref  string
	what string
}

// receiver notes what it is sent.
type receiver struct {
	b   *bubble
	ref string
}

// Send implements [delivery.Sender].
func (r receiver) Send(_ context.Context, n notifier.Notification) (notifier.Result, error) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	var alerts []string
	for _, a := range n.Alerts {
		alerts = append(alerts, nameOf(frame.FromMap(a.Labels))+" "+string(a.Status))
	}
	slices.Sort(alerts)
	what := fmt.Sprintf("%s: %s", r.ref, strings.Join(alerts, ", "))
	if n.Note != "" {
		what += " [" + n.Note + "]"
	}
	if answer, set := r.b.mu.answers[r.ref]; set && answer.Outcome != notifier.Delivered {
		return answer, nil
	}
	if r.b.mu.diary != nil {
		r.b.mu.diary.note(r.ref, n)
	}
	r.b.mu.sent = append(r.b.mu.sent, sending{time.Since(r.b.start).Truncate(time.Second), r.ref, what})
	return notifier.Result{Outcome: notifier.Delivered}, nil
}

// nameOf writes labels as Alert{id="1"}, without those that every alert here has.
func nameOf(ls frame.Labels) string {
	rest := ls.Without("alertname", "job", "instance")
	if len(rest) == 0 {
		return ls.Get("alertname")
	}
	return ls.Get("alertname") + rest.String()
}

// answer sets what a receiver answers from now on.
func (b *bubble) answer(ref string, result notifier.Result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.answers == nil {
		b.mu.answers = map[string]notifier.Result{}
	}
	b.mu.answers[ref] = result
}

func (b *bubble) decided(d alert.Decision) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !d.Known() {
		b.Errorf("a decision without a cause: %+v", d)
	}
	b.mu.decisions = append(b.mu.decisions, d)
}

// until lets time pass until d after the start.
func (b *bubble) until(d time.Duration) {
	time.Sleep(time.Until(b.start.Add(d)))
	synctest.Wait()
}

// sent checks what the receivers were sent since this was last asked.
func (b *bubble) sent(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.mu.sent, func(a, b sending) int { // receivers are told at once, in any order
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what))
	})
	var got []string
	for _, s := range b.mu.sent {
		got = append(got, fmt.Sprintf("%s %s", s.at, s.what))
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		b.Errorf("after %s, sent (-want +got):\n%s", time.Since(b.start), diff)
	}
	b.mu.sent = nil
}

// journal checks the decisions of some kinds since it was last asked.
func (b *bubble) journal(kinds []alert.Kind, want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	for _, d := range b.mu.decisions {
		if slices.Contains(kinds, d.Kind) {
			who := nameOf(d.Labels)
			if who == "" {
				who = d.Rule
			}
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s: %s", d.Kind, who, strings.TrimSpace(d.To+" "+d.Reason))))
		}
	}
	b.mu.decisions = nil
	if diff := gocmp.Diff(want, got); diff != "" {
		b.Errorf("after %s, journal (-want +got):\n%s", time.Since(b.start), diff)
	}
}

package engine

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const watchdog = `
heartbeat "watchdog" {
  every = "1m"
  to    = [notifier.webhook.dba]
}
`

// beats counts the beats that arrived since this was last asked.
func (b *bubble) beats() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.mu.sent {
		if s.ref == "webhook.dba" {
			n++
		}
	}
	b.mu.sent = nil
	return n
}

func TestHeartbeat(t *testing.T) {
	inBubble(t, preamble+plain+above("High", "")+watchdog, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80", "x", 0)
		b.until(3*time.Minute + time.Second)
		b.sent(
			"5s webhook.ops: High firing",
			`1m0s webhook.dba: Heartbeat{beat="2000-01-01T00:01:00Z",heartbeat="watchdog",source="tocsin"} firing`,
			`2m0s webhook.dba: Heartbeat{beat="2000-01-01T00:02:00Z",heartbeat="watchdog",source="tocsin"} firing`,
			`3m0s webhook.dba: Heartbeat{beat="2000-01-01T00:03:00Z",heartbeat="watchdog",source="tocsin"} firing`,
		)

		b.restart(preamble + plain + above("High", "") + watchdog) // nobody hears of that
		b.until(5*time.Minute + time.Second)
		b.sent(
			`4m0s webhook.dba: Heartbeat{beat="2000-01-01T00:04:00Z",heartbeat="watchdog",source="tocsin"} firing`,
			`5m0s webhook.dba: Heartbeat{beat="2000-01-01T00:05:00Z",heartbeat="watchdog",source="tocsin"} firing`,
		)

		b.restart(preamble + plain + above("High", "")) // what was begun is ended
		b.until(7*time.Minute + time.Second)
		b.sent(`5m1s webhook.dba: Heartbeat{beat="2000-01-01T00:05:00Z",heartbeat="watchdog",source="tocsin"} resolved [no longer routed here]`)
	})
}

// Whatever stands still on the way, within two intervals no beat arrives any more; when it goes on, so do the beats.
func TestHeartbeatStops(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(b *bubble, f *faults)
		mend func(b *bubble, f *faults)
	}{
		{
			"no target answers",
			func(b *bubble, _ *faults) { b.down("a:80"); b.down("b:80") },
			func(b *bubble, _ *faults) { b.page("a:80", "x", 1) },
		},
		{
			"a rule does not return",
			func(_ *bubble, f *faults) { f.rule.shut() },
			func(_ *bubble, f *faults) { f.rule.open() },
		},
		{
			"routes are not computed",
			func(_ *bubble, f *faults) { f.routing.shut() },
			func(_ *bubble, f *faults) { f.routing.open() },
		},
		{
			"storage does not answer",
			func(b *bubble, f *faults) { f.storage = b.state.Block() },
			func(_ *bubble, f *faults) { f.storage() },
		},
		{
			"the receiver refuses",
			func(b *bubble, _ *faults) { b.answer("webhook.dba", notifier.Result{Detail: "no"}) },
			func(b *bubble, _ *faults) { b.answer("webhook.dba", notifier.Result{Outcome: notifier.Delivered}) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &faults{}
			configuration := preamble + plain + above("High", "") + watchdog
			inBubbleWith(t, configuration, f.prepare, func(b *bubble) {
				b.page("a:80", "x", 1)
				b.page("b:80", "x", 1)
				b.until(3*time.Minute + 30*time.Second)
				if n := b.beats(); n != 3 {
					t.Errorf("%d beats in three minutes", n)
				}
				tt.stop(b, f)
				b.until(5*time.Minute + 30*time.Second)
				b.beats() // those that were on the way
				b.until(15*time.Minute + 30*time.Second)
				if n := b.beats(); n != 0 {
					t.Errorf("%d beats came while it stood still", n)
				}
				tt.mend(b, f)
				b.until(35*time.Minute + 30*time.Second)
				if n := b.beats(); n < 10 || n > 22 { // those that waited included
					t.Errorf("%d beats in the twenty minutes after it went on", n)
				}
			})
		})
	}
}

// faults are places of an engine where a test can make it stand still.
type faults struct {
	rule, routing gate
	storage       func()
}

// prepare puts the gates into an engine that was not started yet.
func (f *faults) prepare(e *Engine) {
	s := e.setup.Load()
	for i := range s.rules {
		if d := &s.rules[i]; d.Name == "High" {
			d.Program = gatedProgram{d.Program, &f.rule}
		}
	}
	s.routes.Schedules["gate"] = gatedSchedule{&f.routing}
	s.routes.Root.Mute = []string{"gate"}
}

// gate holds up everybody while it is shut.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // nil: open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.closed)
	g.closed = nil
}

func (g *gate) pass() {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
}

type gatedProgram struct {
	rule.Program
	gate *gate
}

func (p gatedProgram) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	p.gate.pass()
	return p.Program.Eval(ctx, at)
}

// gatedSchedule is asked every second.
type gatedSchedule struct{ gate *gate }

func (s gatedSchedule) Active(time.Time) bool { s.gate.pass(); return false }

func (s gatedSchedule) Next(now time.Time) time.Time { return now.Add(time.Second) }

func TestStandsStill(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	var rules []rule.Status
	var targets []scrape.Status
	h := &heartbeat{
		rules: func() []rule.Status { return rules }, targets: func() []scrape.Status { return targets }, known: map[string]time.Time{},
	}
	expect := func(want string) {
		t.Helper()
		if got := h.standsStill(now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	rules = []rule.Status{{Name: "A", Interval: 10 * time.Second}, {Name: heartbeatRules + "x", Interval: time.Second}}
	targets = []scrape.Status{{Source: "http.web", Target: "a:80", Interval: 10 * time.Second, Timeout: 5 * time.Second, Health: scrape.Unknown}}
	expect("") // they are new
	now = now.Add(20 * time.Second)
	targets[0].Health = scrape.Up
	expect("")
	now = now.Add(20 * time.Second)
	expect("a:80 was not collected from http.web for 40s; rule A was not evaluated for 40s")
	rules[0].LastEvaluation, targets[0].LastScrape = ago(30*time.Second), ago(25*time.Second)
	expect("")
	rules[0].LastEvaluation, targets[0].LastScrape = ago(31*time.Second), ago(26*time.Second)
	expect("a:80 was not collected from http.web for 26s; rule A was not evaluated for 31s")
	rules[0].RestsUntil, targets[0].LastScrape = now.Add(time.Second), now
	expect("") // it failed, which is another matter
	targets[0].Health = scrape.Down
	expect("")
	expect("no target of any source answers")
	targets = nil
	expect("")
	rules = nil
	for i := range 7 {
		rules = append(rules, rule.Status{Name: fmt.Sprint(i)})
	}
	expect("")
	now = now.Add(time.Minute)
	expect("rule 0 was not evaluated for 1m0s; rule 1 was not evaluated for 1m0s; rule 2 was not evaluated for 1m0s; " +
		"rule 3 was not evaluated for 1m0s; rule 4 was not evaluated for 1m0s and 2 more")
}

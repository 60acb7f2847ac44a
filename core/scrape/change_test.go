package scrape

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/source"
)

// finder announces what it is told to.
type finder chan []source.Group

func (f finder) Run(ctx context.Context, announce func([]source.Group)) {
	for {
		select {
		case groups := <-f:
			announce(groups)
		case <-ctx.Done():
			return
		}
	}
}

// at are targets at addresses.
func at(addresses ...string) (targets []source.Found) {
	for _, address := range addresses {
		targets = append(targets, source.Found{Address: address})
	}
	return targets
}

// names lists the targets that are collected from.
func names(m *Manager) string {
	var all []string
	for _, s := range m.Targets() {
		all = append(all, s.Target)
	}
	return strings.Join(all, " ")
}

func TestTargetsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		found := make(finder)
		b.start(t, Source{
			Name: "http.gw", Collector: collector(good), Interval: 10 * time.Second,
			Targets: []string{"static:1"}, Discoveries: []Discovery{found},
		})
		pass(20 * time.Second)
		if got := names(b.Manager); got != "static:1" {
			t.Errorf("before anything was found: %s", got)
		}
		found <- []source.Group{{Targets: at("a:1", "b:1")}}
		pass(20 * time.Second)
		if got := names(b.Manager); got != "static:1 a:1 b:1" {
			t.Errorf("after two were found: %s", got)
		}
		before, static := len(b.rowsOf("a:1")), len(b.rowsOf("static:1"))
		found <- []source.Group{{Targets: at("c:1", "a:1")}}
		pass(20 * time.Second)
		if got := names(b.Manager); got != "static:1 c:1 a:1" {
			t.Errorf("after one went and one came: %s", got)
		}
		if got := len(b.rowsOf("a:1")); got != before+2 {
			t.Errorf("the target that stayed has %d rows, want %d: it was disturbed", got, before+2)
		}
		if got := len(b.rowsOf("static:1")); got != static+2 {
			t.Errorf("the configured target has %d rows, want %d", got, static+2)
		}
		if !b.windows["b:1"].closed || b.windows["a:1"].closed {
			t.Errorf("closed: b %v, want true; a %v, want false", b.windows["b:1"].closed, b.windows["a:1"].closed)
		}
		if len(b.rounds) != 6 {
			t.Errorf("rounds %v, want one each 10 s", b.rounds)
		}
		b.halt(t)
	})
}

// As long as somebody who finds targets was not heard of, rules have a target to wait for. An empty answer is one.
func TestRulesWaitForWhatIsNotFoundYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		first, second := make(finder), make(finder)
		src := Source{Name: "http.gw", Version: "1", Job: "gw", Collector: collector(good), Interval: 10 * time.Second, Discoveries: []Discovery{first, second}}
		b.start(t, src)
		unheard := func(when string, want bool) {
			t.Helper()
			pass(time.Second)
			if got := !b.windows[""].closed; got != want {
				t.Errorf("%s: rules wait %v, want %v", when, got, want)
			}
		}
		unheard("at first", true)
		first <- nil
		unheard("when one was heard of", true)
		second <- []source.Group{{Targets: at("a:1")}}
		unheard("when both were", false)
		src.Version = "2"
		if err := b.Apply([]Source{src}); err != nil {
			t.Fatal(err)
		}
		unheard("after the source changed", true)
		if err := b.Apply(nil); err != nil {
			t.Fatal(err)
		}
		unheard("after it was removed", false)
		b.halt(t)
	})
}

func TestRoundsGoOnWithoutTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		found := make(finder)
		b.start(t, Source{Name: "http.gw", Collector: collector(good), Interval: 10 * time.Second, Discoveries: []Discovery{found}})
		pass(30 * time.Second)
		found <- []source.Group{{Targets: at("a:1")}}
		pass(30 * time.Second)
		found <- nil
		pass(30*time.Second - time.Nanosecond)
		b.halt(t)
		// The first slot of what comes may lie after that of what went: a round more or less at each change.
		if n := len(b.rounds); n < 7 || n > 10 {
			t.Errorf("%d rounds in 90 s, want about 9: %v", n, b.rounds)
		}
	})
}

func TestLeavingTargetDoesNotHoldTheRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		found := make(finder)
		b.start(t, Source{
			Name: "http.gw", Interval: 10 * time.Second, Discoveries: []Discovery{found},
			Collector: collector(func(ctx context.Context, target source.Target) (source.Collection, error) {
				if target.Address == "hangs:1" {
					<-ctx.Done()
				}
				return onePageOf(1), ctx.Err()
			}),
		})
		found <- []source.Group{{Targets: at("hangs:1", "a:1")}}
		pass(15 * time.Second)
		found <- []source.Group{{Targets: at("a:1")}}
		synctest.Wait()
		if rounds, rows := len(b.rounds), len(b.rowsOf("a:1")); rounds != rows {
			t.Errorf("%d rounds after the target that hung had gone, want %d, one for each row of the other", rounds, rows)
		}
		b.halt(t)
	})
}

func TestApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		gw := &counting{}
		kept := Source{Name: "http.gw", Version: "1", Collector: gw, Interval: 10 * time.Second, Targets: []string{"a:1", "b:1"}}
		gone := Source{Name: "http.gone", Version: "1", Collector: &counting{}, Interval: 10 * time.Second, Targets: []string{"g:1"}}
		changed := Source{Name: "http.changed", Version: "1", Collector: &counting{}, Interval: 10 * time.Second, Targets: []string{"c:1"}}
		b.start(t, kept, gone, changed)
		pass(20 * time.Second)
		rows := len(b.rowsOf("a:1"))

		if err := b.Apply([]Source{{Name: "http.broken"}}); err == nil {
			t.Error("a source without a collector was accepted")
		}
		kept.Targets = []string{"a:1", "d:1"}
		changed.Version, changed.Interval = "2", 5*time.Second
		fresh := Source{Name: "http.new", Version: "1", Collector: &counting{}, Interval: 10 * time.Second, Targets: []string{"n:1"}}
		if err := b.Apply([]Source{fresh, kept, changed}); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Second)
		if diff := cmp.Diff("n:1 a:1 d:1 c:1", names(b.Manager)); diff != "" {
			t.Errorf("targets (-want +got):\n%s", diff)
		}
		if got := len(b.rowsOf("a:1")); got != rows+2 {
			t.Errorf("the unchanged target has %d rows, want %d", got, rows+2)
		}
		if got := len(b.rowsOf("c:1")); got != 4 {
			t.Errorf("the target of the changed source has %d rows since it was opened again, want 4", got)
		}
		for _, instance := range []string{"g:1", "b:1"} {
			if !b.windows[instance].closed {
				t.Errorf("%s is not closed", instance)
			}
		}
		b.halt(t)
		if err := b.Apply(nil); err == nil {
			t.Error("a stopped manager took new sources")
		}
	})
}

// counting is a collector that can be told from others.
type counting struct {
	mu sync.Mutex
	n  int
}

func (c *counting) Collect(context.Context, source.Target) (source.Collection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return onePageOf(float64(c.n)), nil
}

func TestLimitsMayFailTheCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.start(t, Source{
			Name: "http.gw", Collector: collector(good), Targets: []string{"a:1"}, Interval: 10 * time.Second,
			Limits: Limits{Labels: 1, Fail: true},
		})
		pass(10 * time.Second)
		s := b.Targets()[0]
		if want := `1 series left out: more than 1 labels (limit_action = "fail")`; s.Health != Down || s.LastError != want {
			t.Errorf("target is %s, %q; want it down, %q", s.Health, s.LastError, want)
		}
		b.halt(t)
	})
}

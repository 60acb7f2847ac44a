package rule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// startLanes starts a manager with a number of workers that lets quick rules pass slow ones. It returns how long after
// the start of the last round each rule was done. Within a synctest bubble.
func startLanes(t *testing.T, workers int, definitions ...Definition) (round func() (done map[string]time.Duration)) {
	t.Helper()
	store, err := alert.OpenStore(newDisk())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var begun time.Time
	var done map[string]time.Duration
	m := New(Options{Alerts: store, Workers: workers, Slow: 10 * time.Millisecond, OnEvaluate: func(o Observation) {
		mu.Lock()
		defer mu.Unlock()
		done[o.Rule] = time.Since(begun)
	}})
	if err := m.Start(definitions); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return func() map[string]time.Duration {
		mu.Lock()
		begun, done = time.Now(), map[string]time.Duration{}
		mu.Unlock()
		m.Round("http.gateway", time.Now())
		time.Sleep(interval - time.Millisecond)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return done
	}
}

func TestQuickRulesPassSlowOnes(t *testing.T) {
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hog := says(complete())
				slow(hog, time.Second, complete())
				var definitions []Definition
				for i := range 4 {
					definitions = append(definitions, define(fmt.Sprint("Hog", i), hog))
				}
				definitions = append(definitions, define("Quick", says(complete())), define("Quick too", says(complete())))
				round := startLanes(t, workers, definitions...)
				round() // in which the quick ones are found to be quick
				done := round()
				if done["Quick"] != 0 || done["Quick too"] != 0 {
					t.Errorf("the quick rules were done after %v and %v, want at once", done["Quick"], done["Quick too"])
				}
				if got, want := done["Hog3"], 4*time.Second/time.Duration(workers); got != want {
					t.Errorf("the last slow rule was done after %v, want %v", got, want)
				}
				if hog.most != workers {
					t.Errorf("%d slow rules were evaluated at once, want %d", hog.most, workers)
				}
			})
		})
	}
}

// A rule that was quick so far is slow: it holds nobody up for longer than it takes to see that.
func TestSlowForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hog, turncoat := says(complete()), says(complete())
		slow(hog, 3*time.Second, complete())
		round := startLanes(t, 1, define("Hog", hog), define("Turncoat", turncoat), define("Turncoat too", turncoat), define("Quick", says(complete())))
		round()
		slow(turncoat, time.Second, complete())
		for i, want := range []map[string]time.Duration{
			{"Hog": 3 * time.Second, "Turncoat": time.Second, "Turncoat too": 1010 * time.Millisecond, "Quick": 20 * time.Millisecond},
			{"Hog": 3 * time.Second, "Turncoat": 4 * time.Second, "Turncoat too": 5 * time.Second, "Quick": 0}, // it waits with the slow ones
		} {
			done := round()
			for name, after := range want {
				if done[name] != after {
					t.Errorf("round %d: %s was done after %v, want %v", i, name, done[name], after)
				}
			}
		}
		turncoat.say(complete())
		round()
		if done := round(); done["Turncoat"] != 0 {
			t.Errorf("it is quick again, and was done after %v", done["Turncoat"])
		}
	})
}

// One after the other, rules that were quick turn slow: each is replaced, and no worker is lost or left over.
func TestWorkersAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		var definitions []Definition
		for i := range 7 {
			definitions = append(definitions, define(fmt.Sprint("Rule", i), p))
		}
		round := startLanes(t, 2, definitions...)
		round()
		slow(p, time.Second, complete())
		round()
		p.mu.Lock()
		p.most = 0
		p.mu.Unlock()
		round()
		if p.most != 2 {
			t.Errorf("%d at once after all workers were replaced, want 2", p.most)
		}
	})
}

func TestQuick(t *testing.T) {
	for name, tt := range map[string]struct {
		o    outcome
		want bool
	}{
		"native":                      {outcome{took: 9 * time.Millisecond}, true},
		"native, slow":                {outcome{took: 10 * time.Millisecond}, false},
		"much waiting, little work":   {outcome{took: time.Second, fuel: 9_999_999}, true},
		"much work, in whatever time": {outcome{took: time.Millisecond, fuel: 10_000_000}, false},
		"more work than can be":       {outcome{fuel: 1<<64 - 1}, false},
		"it failed, in whatever time": {outcome{took: time.Millisecond, err: errors.New("no")}, false},
	} {
		if got := tt.o.quick(10 * time.Millisecond); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if (&outcome{}).quick(0) {
		t.Error("a rule is quick where that does not count")
	}
}

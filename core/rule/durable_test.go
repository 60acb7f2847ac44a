package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// crash ends a manager as kill -9 would: nothing of it reaches the disk any more.
func (b *bench) crash(d *disk) {
	d.mu.Lock()
	d.refuse = errors.New("dead")
	d.mu.Unlock()
	_ = b.Stop(context.Background())
	d.mu.Lock()
	d.refuse = nil
	d.mu.Unlock()
}

func TestAFiringAlertSurvivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		p := says(complete(verdict(abi.Active, "/pay", 1)))
		b := start(t, d, 1, define("HighErrors", p))
		b.rounds(1, interval, "http.gateway")
		before := b.store.OfRule("HighErrors")[0]
		b.crash(d)

		time.Sleep(time.Hour)
		b = start(t, d, 1, define("HighErrors", p))
		defer b.stop()
		b.rounds(3, interval, "http.gateway")
		after := b.store.OfRule("HighErrors")[0]
		if !after.FiredAt.Equal(before.FiredAt) || after.Revision != before.Revision {
			t.Errorf("fired at %v revision %d, want %v and %d: people would hear of it again", after.FiredAt, after.Revision, before.FiredAt, before.Revision)
		}
		b.wantTold()
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "resolved"})
	})
}

// Progress towards "for" survives a crash up to the last checkpoint, and the time of the crash does not count.
func TestPendingProgressSurvivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		p := says(complete(verdict(abi.Active, "/pay", 1)))
		def := define("HighErrors", p)
		def.For = 8 * time.Minute
		b := start(t, d, 1, def)
		b.rounds(1+24, interval, "http.gateway") // 6 minutes of evidence, checkpoints each minute
		held := b.store.OfRule("HighErrors")[0].Held
		if held != 6*time.Minute {
			t.Fatalf("held for %v, want 6m", held)
		}
		b.crash(d)

		time.Sleep(24 * time.Hour)
		b = start(t, d, 1, def)
		defer b.stop()
		b.rounds(1+7, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "pending"})
		b.rounds(4, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
	})
}

func TestEvaluationsDoNotCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		p := says(complete(verdict(abi.Active, "/pay", 1)))
		def := define("HighErrors", p)
		def.For = 8 * time.Minute
		b := start(t, d, 1, def)
		defer b.stop()
		value := 0.0
		p.set(func(time.Time) (Evaluation, error) {
			value++
			return complete(verdict(abi.Active, "/pay", value)), nil
		})
		b.rounds(1+32, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		if d.commits != 1+7+1 {
			t.Errorf("%d commits on the way to firing, want pending, 7 checkpoints and firing", d.commits)
		}
		commits := d.commits
		b.rounds(100, interval, "http.gateway")
		if d.commits != commits {
			t.Errorf("%d commits while it fires", d.commits-commits)
		}
		if a := b.store.OfRule("HighErrors")[0]; a.Value != value {
			t.Errorf("value %v in memory, want %v", a.Value, value)
		}
	})
}

func TestStorageThatRefusesDoesNotStopRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.refuse = errors.New("no space left on device")
		p := says(complete(verdict(abi.Active, "/pay", 1)))
		b := start(t, d, 1, define("HighErrors", p))
		defer b.stop()
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		if b.changes() != 1 {
			t.Error("nobody heard of the alert")
		}
		d.mu.Lock()
		d.refuse = nil
		d.mu.Unlock()
		time.Sleep(longestSleep)
		synctest.Wait()
		if again, err := alert.OpenStore(d); err != nil || len(again.All()) != 1 {
			t.Errorf("storage was not brought up to date without a restart: %v, %v", again.All(), err)
		}
	})
}

func TestAlertsOfRemovedRulesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		fires := define("Fires", says(complete(verdict(abi.Active, "/pay", 1))))
		pends := define("Pends", says(complete(verdict(abi.Active, "/pay", 1))))
		pends.For = time.Hour
		stays := define("Stays", says(complete(verdict(abi.Active, "/pay", 1))))
		b := start(t, d, 1, fires, pends, stays)
		b.rounds(2, interval, "http.gateway")
		b.stop()

		b = start(t, d, 1, stays)
		defer b.stop()
		b.wantStates("Fires", map[string]string{"/pay": "resolved"})
		b.wantStates("Pends", map[string]string{})
		b.wantStates("Stays", map[string]string{"/pay": "firing"})
		if a := b.store.OfRule("Fires")[0]; a.Reason != "rule removed" || a.ResolvedAt.IsZero() {
			t.Errorf("reason %q, resolved at %v", a.Reason, a.ResolvedAt)
		}
		b.wantTold("transition firing>resolved", "transition pending>inactive")
		if b.changes() != 1 {
			t.Error("nobody heard of the end")
		}
	})
}

// What fires again before everybody was told of its end is a new incident; the old one is not forgotten on the way.
func TestFiringAgainBeforeItIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, func(d *Definition) { d.For = 0 })
		defer b.stop()
		first := b.store.OfRule("HighErrors")[0]
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		p.say(complete(verdict(abi.Active, "/pay", 2)))
		b.rounds(1, interval, "http.gateway")
		second := b.store.OfRule("HighErrors")[0]
		if second.State != alert.Firing || !second.FiredAt.After(first.FiredAt) || !second.ActiveAt.After(first.ActiveAt) ||
			second.Revision <= first.Revision || !second.ResolvedAt.IsZero() || second.FireValue != 2 {
			t.Errorf("second incident %+v", second)
		}
		if err := b.store.Forget(second.Fingerprint); err != nil {
			t.Fatal(err)
		}
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
	})
}

func TestForgottenWhileItHoldsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete(verdict(abi.Active, "/pay", 1)))
		d := define("HighErrors", p)
		d.For = time.Minute
		b := start(t, newDisk(), 1, d)
		defer b.stop()
		b.rounds(5, interval, "http.gateway")
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		p.say(complete(verdict(abi.Active, "/pay", 1)))
		b.rounds(3, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "resolved"})
		if err := b.store.Forget(b.store.OfRule("HighErrors")[0].Fingerprint); err != nil {
			t.Fatal(err)
		}
		b.wantStates("HighErrors", map[string]string{"/pay": "pending"})
		b.rounds(2, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
	})
}

// Instances come and go, for years.
func TestNothingIsKeptOfWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := says(complete())
		p.set(func(time.Time) (Evaluation, error) {
			n++
			return complete(verdict(abi.Active, fmt.Sprintf("/order/%d", n), 1)), nil
		})
		b := start(t, newDisk(), 1, define("HighErrors", p))
		defer b.stop()
		for range 50 {
			b.rounds(1, interval, "http.gateway")
			for _, a := range b.store.All() {
				if err := b.store.Forget(a.Fingerprint); err != nil {
					t.Fatal(err)
				}
			}
		}
		if kept := len(b.rules[0].progress); kept > 2 || len(b.store.All()) > 2 {
			t.Errorf("%d instances are remembered, %d stored, want those of the last two evaluations", kept, len(b.store.All()))
		}
	})
}

func TestStop(t *testing.T) {
	t.Run("closes programs once and ignores rounds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := says(complete())
			b := start(t, newDisk(), 1, define("HighErrors", p))
			b.stop()
			b.stop()
			b.Round("http.gateway", time.Now())
			synctest.Wait()
			if p.closed != 1 || p.evaluations() != 0 {
				t.Errorf("closed %d times, evaluated %d times", p.closed, p.evaluations())
			}
		})
	})
	t.Run("does not take a cancelled evaluation for a failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, p := firing(t, nil)
			p.set(func(time.Time) (Evaluation, error) { time.Sleep(time.Second); return Evaluation{}, context.Canceled })
			time.Sleep(interval)
			b.Round("http.gateway", time.Now())
			synctest.Wait()
			b.stop()
			b.wantStates("HighErrors", map[string]string{"/pay": "firing"})
		})
	})
	t.Run("is bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			b, p := firing(t, nil)
			p.set(func(time.Time) (Evaluation, error) { <-release; return complete(), nil })
			b.rounds(1, interval, "http.gateway")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := b.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Stop = %v, want the deadline", err)
			}
			close(release)
		})
	})
}

func TestBadDefinitionsAreRefused(t *testing.T) {
	for want, definitions := range map[string][]Definition{
		"no name":    {{Program: says(Evaluation{})}},
		"no program": {{Name: "A"}},
		"negative":   {{Name: "A", Program: says(Evaluation{}), For: -1}},
		"on_missing": {{Name: "A", Program: says(Evaluation{}), OnMissing: "explode"}},
		"twice":      {define("A", says(Evaluation{})), define("A", says(Evaluation{}))},
	} {
		store, err := alert.OpenStore(newDisk())
		if err != nil {
			t.Fatal(err)
		}
		err = New(Options{Alerts: store}).Start(definitions)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want an error about %q", err, want)
		}
	}
}

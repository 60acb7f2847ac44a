package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
)

func shadow(m alert.Member) alert.Member {
	m = changed(m, func(a *alert.Alert) { a.Shadow = true })
	m.Held = alert.Hold{Cause: alert.CauseShadow}
	return m
}

// TestLifted tells what happens when what withheld an opening is over.
func TestLifted(t *testing.T) {
	for name, story := range map[string]func(b *bench){
		"it does not wait for group_interval": func(b *bench) {
			a, x := fire("A"), fire("B")
			b.reconcile(a, held(x))
			b.until(time.Minute)
			b.reconcile(a, x)
			b.sent("30s #1 first notification: A firing", "1m0s #1 new alerts added: A firing, B firing [no longer silenced by s1]")
			b.until(4 * time.Hour)
			b.sent() // and is told once
		},
		"nor for group_wait": func(b *bench) {
			a := fire("A")
			b.reconcile(held(a))
			b.until(10 * time.Second)
			b.reconcile(a)
			b.sent("10s #1 first notification: A firing [no longer silenced by s1]")
		},
		"it is owed from then on, across refusals and a crash, with the reason": func(b *bench) {
			a := fire("A")
			b.service.answer(busy)
			b.reconcile(held(a))
			b.until(time.Minute)
			b.reconcile(a)
			b.sent("1m0s #1 first notification: A firing [no longer silenced by s1]")
			b.crash()
			b.reconcile(resolve(a))
			b.until(time.Hour)
			b.service.mu.Lock()
			defer b.service.mu.Unlock()
			if n := b.service.got[1]; len(b.service.got) != 2 || n.Note != "fired 00:00 UTC, resolved 00:01 UTC (delivered late)" {
				b.Errorf("sent %+v", b.service.got)
			}
		},
		"withheld again before it could be delivered: not told": func(b *bench) {
			a := fire("A")
			b.service.answer(busy)
			b.reconcile(held(a))
			b.until(time.Minute)
			b.reconcile(a)
			b.reconcile(held(a))
			b.until(time.Hour)
			b.sent("1m0s #1 first notification: A firing [no longer silenced by s1]")
			if n := b.durable(); n != 0 {
				b.Errorf("%d records are left", n)
			}
		},
		"from one reason to another: still withheld": func(b *bench) {
			a, other := fire("A"), fire("A")
			other.Held = alert.Hold{Cause: alert.CauseMuted, By: "night"}
			b.reconcile(held(a))
			b.reconcile(other)
			b.until(time.Hour)
			b.sent()
			b.journal("withheld A: silenced by s1", "withheld A: muted by schedule night")
		},
		"it says so once, not at every round": func(b *bench) {
			a := fire("A")
			for range 3 {
				b.reconcile(held(a))
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.decisions) != 1 {
				b.Errorf("journal: %q", b.decisions)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { story(newBench(t)) })
		})
	}
}

// TestShadow tells what becomes of alerts whose rule goes into the shadow, or comes out of it.
func TestShadow(t *testing.T) {
	const became = `the rule became a shadow (mode = "shadow")`
	for name, story := range map[string]func(b *bench){
		"nobody is told, and the journal says who would have been": func(b *bench) {
			a := fire("A")
			b.reconcile(shadow(a))
			b.until(time.Hour)
			b.reconcile(shadow(resolve(a)))
			b.until(2 * time.Hour)
			b.sent()
			b.journal("withheld A: shadow")
			if got := b.settledNow(); len(got) == 0 {
				b.Error("the resolved alert is not settled")
			}
		},
		"what is open is closed, with that reason, and the others stay": func(b *bench) {
			a, x := fire("A"), fire("B")
			b.reconcile(a, x)
			b.until(time.Minute)
			b.reconcile(a, shadow(x))
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing, B firing", "5m30s #1 some alerts resolved: A firing, B resolved ["+became+"]")
			b.reconcile(a, shadow(resolve(x)))
			b.until(2 * time.Hour)
			b.sent()
		},
		"also after a crash": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.crash()
			b.reconcile(shadow(a))
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing", "5m30s #1 all alerts resolved: A resolved ["+became+"]")
			if n := b.durable(); n != 0 {
				b.Errorf("%d records are left", n)
			}
		},
		"what fires is told when the rule leaves the shadow": func(b *bench) {
			a := fire("A")
			b.reconcile(shadow(a))
			b.until(time.Minute)
			b.reconcile(a)
			b.sent("1m0s #1 first notification: A firing [no longer shadow]")
		},
		"and closed, and told again": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(shadow(a))
			b.until(2 * time.Hour)
			b.reconcile(a)
			b.until(3 * time.Hour)
			b.sent(
				"30s #1 first notification: A firing", "5m30s #1 all alerts resolved: A resolved ["+became+"]",
				"2h0m0s #1 first notification: A firing [no longer shadow]",
			)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { story(newBench(t)) })
		})
	}
	t.Run("a receiver that is not told of ends forgets it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(o *delivery.Options) { o.Receivers[0].SendResolved = false })
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(shadow(a))
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing")
			if n := b.durable(); n != 0 {
				b.Errorf("%d records are left", n)
			}
		})
	})
}

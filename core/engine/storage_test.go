package engine

import (
	"strings"
	"testing"
	"time"
)

// critical is a rule over the metric x that is critical.
func critical(name string) string { return above(name, `labels = { severity = "critical" }`) }

// Whether storage refuses or hangs: what is critical is told within ten seconds, the end of it when storage is back.
func TestStorageIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		away func(b *bubble) (back func())
	}{
		{"it refuses", func(b *bubble) func() {
			b.state.Fail(1 << 30)
			return func() { b.state.Fail(0) }
		}},
		{"it hangs", func(b *bubble) func() { return b.state.Block() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, preamble+plain+critical("High"), func(b *bubble) {
				b.page("a:80", "x", 0)
				b.page("b:80", "x", 0)
				b.until(time.Minute)
				back := tt.away(b)
				b.page("a:80", "x", 1) // seen at 1m5s
				b.until(time.Minute + 15*time.Second)
				b.mu.Lock()
				for i := range b.mu.sent {
					if late := b.mu.sent[i].at - (time.Minute + 5*time.Second); late < 0 || late > 10*time.Second {
						t.Errorf("told %s after it fired", late)
					}
					b.mu.sent[i].at = 0
				}
				b.mu.Unlock()
				b.sent("0s webhook.ops: High{severity=\"critical\"} firing [delivery log unavailable, may repeat]")
				if err := b.engine.degraded(); err == nil || !strings.Contains(err.Error(), "storage refuses alerts") ||
					!strings.Contains(err.Error(), "storage refuses deliveries") {
					t.Errorf("degraded: %v", err)
				}

				b.page("a:80", "x", 0)
				b.until(10 * time.Minute)
				b.sent() // its end is held
				if states := b.engine.Alerts(); len(states) != 1 || states[0].State.String() != "resolved" {
					t.Errorf("rules do not go on: %v", states)
				}

				back()
				b.until(10*time.Minute + 10*time.Second)
				b.mu.Lock()
				for i := range b.mu.sent {
					b.mu.sent[i].at = 0
				}
				b.mu.Unlock()
				b.sent("0s webhook.ops: High{severity=\"critical\"} resolved")
				if err := b.engine.degraded(); err != nil {
					t.Errorf("degraded after storage was back: %v", err)
				}
				if left := b.engine.Alerts(); len(left) != 0 {
					t.Errorf("alerts that nobody waits for: %v", left)
				}
			})
		})
	}
}

// Storage is written to as soon as it takes it, although nothing changes any more.
func TestStorageHealsInSilence(t *testing.T) {
	inBubble(t, preamble+plain+critical("High"), func(b *bubble) {
		b.page("a:80", "x", 0)
		b.page("b:80", "x", 0)
		b.until(time.Minute)
		b.state.Fail(1 << 30)
		b.page("a:80", "x", 1)
		b.until(2 * time.Minute)
		b.state.Fail(0)
		b.until(2*time.Minute + 10*time.Second)
		if err := b.engine.degraded(); err != nil {
			t.Errorf("degraded: %v", err)
		}
		b.sent("1m10s webhook.ops: High{severity=\"critical\"} firing [delivery log unavailable, may repeat]")
		b.restart(preamble + plain + critical("High"))
		b.until(5 * time.Minute)
		b.sent() // it is known to be open
	})
}

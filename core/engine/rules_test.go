package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// TestOnMissing takes the data away from what fires, and from what does not.
func TestOnMissing(t *testing.T) {
	for _, tt := range []struct {
		onMissing string
		want      []string
	}{
		{"unknown", nil},
		{"ok", []string{`20m5s webhook.ops: Slow{id="1"} resolved`}},
		{"fire", nil}, // it goes on firing
	} {
		t.Run(tt.onMissing, func(t *testing.T) {
			inBubble(t, preamble+plain+above("Slow", fmt.Sprintf("on_missing = %q", tt.onMissing)), func(b *bubble) {
				b.page("a:80", `x{id="1"}`, 1)
				b.page("b:80")
				b.until(20 * time.Minute)
				b.sent(`5s webhook.ops: Slow{id="1"} firing`)
				b.down("a:80")
				b.until(40 * time.Minute)
				b.sent(tt.want...)
			})
		})
	}
	t.Run("fire, when there was nothing", func(t *testing.T) {
		inBubble(t, preamble+plain+above("Slow", `on_missing = "fire"`), func(b *bubble) {
			b.page("a:80", `x{id="1"}`, 0)
			b.page("b:80")
			b.until(10 * time.Minute)
			b.sent()
			b.down("a:80")
			b.down("b:80")
			b.until(20 * time.Minute)
			b.sent(`10m5s webhook.ops: Slow{id="1"} firing`)
			b.page("a:80", `x{id="1"}`, 0)
			b.page("b:80")
			b.until(30 * time.Minute)
			b.sent(`20m5s webhook.ops: Slow{id="1"} resolved`)
		})
	})
	t.Run("fire, when nothing was ever seen", func(t *testing.T) {
		inBubble(t, preamble+plain+above("Slow", `on_missing = "fire"`), func(b *bubble) {
			b.until(10 * time.Minute)
			b.sent("5s webhook.ops: Slow firing")
		})
	})
}

func TestShadowComesAndGoes(t *testing.T) {
	active, trial := preamble+plain+above("Slow", ""), preamble+plain+above("Slow", `mode = "shadow"`)
	inBubble(t, trial, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(10 * time.Minute)
		b.sent()
		b.journal([]alert.Kind{alert.KindTransition, alert.KindWithheld}, "transition Slow: firing", "withheld Slow: shadow")
		if all := b.engine.Alerts(); len(all) != 1 || !all[0].Shadow || all[0].State != alert.Firing {
			t.Errorf("alerts %+v", all)
		}
		b.restart(active)
		b.until(20 * time.Minute)
		b.sent("10m5s webhook.ops: Slow firing [no longer shadow]")
		b.restart(trial)
		b.until(30 * time.Minute)
		b.sent(`20m5s webhook.ops: Slow resolved [the rule became a shadow (mode = "shadow")]`)
		b.page("a:80", "x", 0)
		b.until(40 * time.Minute)
		b.sent()
		if all := b.engine.Alerts(); len(all) != 0 {
			t.Errorf("what is over and nobody knows of is kept: %+v", all)
		}
	})
}

func TestLimitIsSummedUp(t *testing.T) {
	inBubble(t, preamble+plain+above("Slow", "limit = 2\n  labels = { severity = \"page\" }"), func(b *bubble) {
		b.page("a:80", `x{id="1"}`, 1, `x{id="2"}`, 1, `x{id="3"}`, 1, `x{id="4"}`, 1)
		b.page("b:80")
		b.until(10 * time.Minute)
		b.sent(`5s webhook.ops: Slow{id="1",severity="page"} firing, Slow{id="2",severity="page"} firing, Slow{severity="page",tocsin_over_limit="true"} firing`)
		b.page("a:80", `x{id="1"}`, 0, `x{id="2"}`, 1, `x{id="3"}`, 1, `x{id="4"}`, 0)
		b.until(20 * time.Minute)
		b.sent(`10m5s webhook.ops: Slow{id="1",severity="page"} resolved, Slow{id="2",severity="page"} firing, Slow{id="3",severity="page"} firing, Slow{severity="page",tocsin_over_limit="true"} resolved`)
	})
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// reload has the engine go on with another configuration.
func (b *bubble) reload(configuration string) {
	b.Helper()
	if err := b.engine.Apply(b.Context(), b.load(configuration)); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

// ops is a route like plain with other settings.
func ops(settings string) string {
	return fmt.Sprintf("route {\n  to = [notifier.webhook.ops]\n  repeat_interval = \"1d\"\n  %s\n}\n", settings)
}

func TestReloadOfTheSame(t *testing.T) {
	base := preamble + ops(`group_wait = "2m"`) + above("Hot", `for = "5m"`)
	inBubble(t, base, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		for k := range 40 { // never a second without a reload nearby
			b.until(time.Duration(k) * 17 * time.Second)
			b.reload("# moved\n\n" + base)
		}
		b.until(time.Hour)
		b.sent("7m5s webhook.ops: Hot firing") // 5 s, for, group_wait
		b.page("a:80", "x", 0)
		b.until(2 * time.Hour)
		b.sent("1h0m5s webhook.ops: Hot resolved")
	})
}

func TestReloadChangesFor(t *testing.T) {
	with := func(hold string) string { return preamble + plain + above("Hot", "for = \""+hold+"\"") }
	inBubble(t, with("5m"), func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(2*time.Minute + 7*time.Second)
		b.reload(with("3m"))
		b.until(4 * time.Minute)
		b.sent("3m5s webhook.ops: Hot firing")
		b.reload(with("1h")) // what fires is not asked again
		b.until(5 * time.Minute)
		b.wantAlive("a longer for", "Hot  firing")
		b.sent()
	})
}

func TestReloadRemovesARule(t *testing.T) {
	base := preamble + plain + above("Stays", "")
	inBubble(t, base+above("Goes", ""), func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(time.Minute)
		b.sent("5s webhook.ops: Goes firing", "5s webhook.ops: Stays firing")
		b.reload(base)
		b.until(2 * time.Minute)
		b.sent("1m5s webhook.ops: Goes resolved [rule removed]")
		b.wantAlive("one is gone", "Stays  firing")
		b.reload(base + above("Goes", "")) // a new incident
		b.until(3 * time.Minute)
		b.sent("2m5s webhook.ops: Goes firing")
	})
}

func TestReloadRemovesAReceiver(t *testing.T) {
	both := preamble + strings.Replace(plain, "[notifier.webhook.ops]", "[notifier.webhook.ops, notifier.webhook.dba]", 1) + above("Hot", "")
	alone := strings.Replace(preamble, `notifier "webhook" "dba" { url = "http://dba.invalid" }`, "", 1) + plain + above("Hot", "")
	inBubble(t, both, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(2 * time.Minute)
		b.sent("5s webhook.dba: Hot firing", "5s webhook.ops: Hot firing")
		b.reload(alone)
		b.until(3 * time.Minute)
		b.sent("2m0s webhook.dba: Hot resolved [no longer routed here]")
		if got := b.engine.setup.Load().named[notifierPart("webhook.dba")]; got != nil {
			t.Error("the notifier that has nothing left to say was not given up")
		}
		b.reload(both)
		b.until(4 * time.Minute)
		b.sent("3m0s webhook.dba: Hot firing")
	})
}

// Rules, labels, routes and notifiers change in one moment: nobody is told of what is the case only in between.
func TestReloadChangesLabelsAndRoutesTogether(t *testing.T) {
	with := func(severity string) string {
		return preamble + fmt.Sprintf(`
route {
  to         = [notifier.webhook.dba]
  group_by   = ["alertname"]
  group_wait = "0s"
  route {
    match = ["severity='%s'"]
    to    = [notifier.webhook.ops]
  }
}
`, severity) + above("Hot", `labels = { severity = "`+severity+`" }`)
	}
	inBubble(t, with("critical"), func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(time.Minute)
		b.sent(`5s webhook.ops: Hot{severity="critical"} firing`)
		b.reload(with("page"))
		b.until(2 * time.Minute)
		// The key of a group has the matchers of its route in it, as in Alertmanager, so it is another group.
		b.sent(`1m0s webhook.ops: Hot{severity="critical"} resolved [no longer routed here]`, `1m0s webhook.ops: Hot{severity="page"} firing`)
	})
}

func TestReloadChangesSources(t *testing.T) {
	another := `
source "http" "more" {
  targets  = ["c:80"]
  interval = "10s"
}
`
	base := preamble + plain + above("Hot", "")
	inBubble(t, base, func(b *bubble) {
		b.page("a:80", `x{id="a"}`, 1)
		b.page("b:80", `x{id="b"}`, 1)
		b.page("c:80", `x{id="c"}`, 1)
		b.until(time.Minute)
		b.sent(`5s webhook.ops: Hot{id="a"} firing, Hot{id="b"} firing`)

		b.reload(base + another)
		b.until(2 * time.Minute)
		b.sent(`1m5s webhook.ops: Hot{id="a"} firing, Hot{id="b"} firing, Hot{id="c"} firing`)

		b.reload(strings.Replace(base, `interval = "10s"`, `interval = "20s"`, 1) + another) // goes on with what it had
		b.until(3 * time.Minute)
		b.wantAlive("another interval", "Hot b firing", "Hot c firing", "Hot a firing")
		b.sent()

		b.reload(strings.Replace(base, `, "b:80"`, "", 1)) // a target and a source are gone: that is health
		b.until(5 * time.Minute)
		b.wantAlive("fewer targets", "Hot a firing")
		b.journal([]alert.Kind{alert.KindBlind, alert.KindRuleFailed})
	})
}

func TestReloadGroupsGoOn(t *testing.T) {
	base := preamble + ops(`group_wait = "30s"
  group_interval = "10m"`) + above("Hot", "")
	inBubble(t, base, func(b *bubble) {
		b.page("a:80", `x{id="a"}`, 1)
		b.page("b:80")
		b.until(time.Minute)
		b.sent(`35s webhook.ops: Hot{id="a"} firing`)
		b.page("b:80", `x{id="b"}`, 1)
		b.until(5 * time.Minute)
		b.reload(strings.ReplaceAll(base, "http://ops.invalid", "http://new.invalid") + above("Cold", "mode = \"shadow\""))
		b.until(time.Hour)
		b.sent(`10m35s webhook.ops: Hot{id="a"} firing, Hot{id="b"} firing`) // its group_interval went on
		b.page("a:80")
		b.page("b:80")
		b.until(2 * time.Hour)
		b.sent(`1h0m5s webhook.ops: Hot{id="a"} resolved, Hot{id="b"} resolved`)
	})
}

func TestReloadThatFailsChangesNothing(t *testing.T) {
	base := preamble + plain + above("Hot", `for = "2m"`)
	inBubble(t, base, func(b *bubble) {
		b.page("a:80", "x", 1)
		b.page("b:80")
		b.until(time.Minute)
		before, parts := b.engine.setup.Load(), len(b.engine.setup.Load().named)
		next := b.load(preamble + `notifier "webhook" "more" { url = "http://more.invalid" }` + plain + above("Other", "") + above("Hot", `for = "1m"`))
		next.Rules[1].Inputs[0].Name = "nonsense" // what the loader would find, or a module that refuses
		err := b.engine.Apply(b.Context(), next)
		if err == nil || !strings.Contains(err.Error(), "Hot") {
			t.Fatalf("reload: %v, want an error about the rule", err)
		}
		if b.engine.setup.Load() != before || len(before.named) != parts {
			t.Error("another setup runs")
		}
		if since, why := b.engine.Rejected(); why == nil || !since.Equal(time.Now()) {
			t.Errorf("rejected since %s: %v, want it to be known", since, why)
		}
		b.until(5 * time.Minute)
		b.sent("2m5s webhook.ops: Hot firing")
		b.wantAlive("as before", "Hot  firing")
		b.journal([]alert.Kind{alert.KindEngine}, "engine : tocsin", "engine : "+err.Error())
		b.reload(base)
		if _, why := b.engine.Rejected(); why != nil {
			t.Errorf("still rejected: %v", why)
		}
		b.journal([]alert.Kind{alert.KindEngine}, "engine : nothing changed")
	})
}

func TestReloadWithoutALoader(t *testing.T) {
	inBubble(t, preamble+plain+above("Hot", ""), func(b *bubble) {
		if err := b.engine.Reload(b.Context()); err == nil {
			t.Error("an engine that does not know where its configuration came from loaded it again")
		}
		broken := errors.New("tocsin.hcl: nonsense")
		b.engine.options.Load = func() (*config.Config, error) { return nil, broken }
		if err := b.engine.Reload(b.Context()); !errors.Is(err, broken) {
			t.Errorf("reload: %v, want %v", err, broken)
		}
		if _, why := b.engine.Rejected(); !errors.Is(why, broken) {
			t.Errorf("rejected for %v, want %v", why, broken)
		}
	})
}

// A reload that takes long is given up when the engine stops, and nothing of it is left.
func TestStopEndsAReload(t *testing.T) {
	inBubble(t, preamble+plain+above("Hot", ""), func(b *bubble) {
		ended := make(chan error, 1)
		next := b.load(preamble + strings.Replace(plain, `group_wait      = "0s"`, `group_wait = "1s"`, 1) + above("Hot", "") +
			"source \"http\" \"slow\" {\n  targets = [\"c:80\"]\n}\n")
		b.engine.options.World.Collector = func(config.Source) (scrape.Collector, error) {
			<-b.engine.reloads.life.Done() // as a plugin that does not start
			return nil, context.Canceled
		}
		go func() { ended <- b.engine.Apply(context.Background(), next) }()
		synctest.Wait()
		b.stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("reload: %v, want it to be given up", err)
		}
		if _, why := b.engine.Rejected(); why != nil {
			t.Errorf("rejected: %v, but nobody did", why)
		}
		if err := b.engine.Apply(b.Context(), next); err == nil {
			t.Error("the stopped engine was given another configuration")
		}
		b.state = b.state.Crash()
		b.run(preamble + plain + above("Hot", "")) // for the stop at the end
	})
}

func TestOutletEndsWithTheNotifierThatItBeganWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ended := make(chan string, 2)
		slow := func(name string, takes time.Duration) *sender {
			return &sender{Sender: attemptFunc(func() { time.Sleep(takes); ended <- name })}
		}
		first, second := slow("first", 10*time.Second), slow("second", 20*time.Second)
		o := &outlet{now: first}
		for range 2 {
			go func() { _, _ = o.Send(t.Context(), notifier.Notification{}) }()
			synctest.Wait()
			o.use(second)
		}
		if err := first.close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the first notifier was closed after %s, want it when its call had ended", took)
		}
		if got := []string{<-ended, <-ended}; got[0] != "first" || got[1] != "second" {
			t.Errorf("calls went to %q", got)
		}
	})
}

func TestVersionOfAModule(t *testing.T) {
	dir := t.TempDir()
	write := func(code string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "own.wasm"), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	version := func(name string, blocks ...config.Module) string {
		t.Helper()
		v, err := modules{dirs: []string{dir}, blocks: blocks}.version(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	write("one")
	first := version("own")
	if version("own") != first || version("own", config.Module{Name: "other", Fuel: 1}) != first {
		t.Error("the same module has two versions")
	}
	if version("own", config.Module{Name: "own", Fuel: 1}) == first {
		t.Error("a module with other limits has the same version")
	}
	write("two")
	if version("own") == first {
		t.Error("a module whose file changed has the same version")
	}
	if version("threshold") != version("threshold", config.Module{Name: "own", Fuel: 1}) || version("threshold") == version("own") {
		t.Error("what is built in has the version of another, or two")
	}
}

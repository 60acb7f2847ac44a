package main

import (
	"testing"
)

func TestIncidentIsOpenedAndClosedOnce(t *testing.T) {
	t.Parallel()
	g, p := newGateway(t), newPager(t)
	engine := start(t, writeConfig(t, pipeline(g, p, "")))
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })

	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })

	settled := g.scrapes.Load() + 3
	eventually(t, "three more rounds", func() bool { return g.scrapes.Load() > settled })
	engine.stop(t)
	p.checkIncident(t)
}

func TestKilledEngineCarriesOn(t *testing.T) {
	t.Parallel()
	g, p := newGateway(t), newPager(t)
	dir := writeConfig(t, pipeline(g, p, ""))
	engine := start(t, dir)
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })

	plugins := engine.plugins("")
	if len(plugins) < 2 {
		t.Fatalf("engine has plugin processes %v, want a source and a notifier", plugins)
	}
	g.writtenDown(t)
	engine.kill(t)
	eventually(t, "the killed engine's plugins are gone", func() bool {
		for _, pid := range plugins {
			if commandLine(pid) != "" {
				return false
			}
		}
		return true
	})

	start(t, dir)
	restarted := g.scrapes.Load()
	eventually(t, "the restarted engine sees the errors for a while", func() bool { return g.scrapes.Load() > restarted+5 })
	if got := p.actions(); got != "trigger" {
		t.Fatalf("after the restart PagerDuty has accepted %q, want no second trigger", got)
	}
	g.fail(0)
	eventually(t, "PagerDuty gets the resolve", func() bool { return p.actions() == "trigger resolve" })
	p.checkIncident(t)
}

// writtenDown lets the engine go on for a while. What is killed between an answer and its writing down asks again under the
// same dedup_key, which stories of one incident are not about.
func (g *gateway) writtenDown(t *testing.T) {
	t.Helper()
	answered := g.scrapes.Load()
	eventually(t, "the engine goes on for a while", func() bool { return g.scrapes.Load() > answered+2 })
}

func TestKilledPluginsComeBack(t *testing.T) {
	t.Parallel()
	g, p := newGateway(t), newPager(t)
	engine := start(t, writeConfig(t, pipeline(g, p, "")))
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })

	for _, kind := range []string{"source http", "notifier pagerduty"} {
		before := engine.plugins(kind)
		if len(before) != 1 {
			t.Fatalf("engine has plugin processes %v of %s, want one", before, kind)
		}
		killProcess(t, before[0])
		eventually(t, kind+" is back", func() bool {
			now := engine.plugins(kind)
			return len(now) == 1 && now[0] != before[0]
		})
	}
	scraped := g.scrapes.Load()
	eventually(t, "the target is scraped again", func() bool { return g.scrapes.Load() > scraped+2 })
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	g.writtenDown(t)
	killProcess(t, engine.plugins("notifier pagerduty")[0])
	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })
	p.checkIncident(t)
}

func TestReceiverThatFailsHearsLater(t *testing.T) {
	t.Parallel()
	g, p := newGateway(t), newPager(t)
	start(t, writeConfig(t, pipeline(g, p, "")))
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	p.failing.Store(true)
	g.fail(0.3)
	eventually(t, "the trigger was refused three times", func() bool { return p.refused.Load() >= 3 })
	p.failing.Store(false)
	eventually(t, "PagerDuty gets the trigger", func() bool { return p.actions() == "trigger" })
	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })
	p.checkIncident(t)
}

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A counter grows, the engine is killed, and the counter grows no more. Only windows that survived can tell the engine
// that is started again, whose target answers it once, that there was an increase.
func TestKilledEngineKeepsItsWindows(t *testing.T) {
	t.Parallel()
	var scrapes, answers atomic.Int64
	answers.Store(1 << 30)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := scrapes.Add(1)
		if answers.Add(-1) < 0 {
			http.Error(w, "gone", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "# TYPE jobs_failed_total counter\njobs_failed_total{queue=\"mail\"} %d\n", min(n, 6))
	}))
	t.Cleanup(target.Close)
	p := newPager(t)
	configuration := func(threshold int) string {
		return fmt.Sprintf(`
engine {
  listen      = "127.0.0.1:0"
  window_sync = "100ms"
}
source "http" "jobs" {
  targets  = [%q]
  interval = "500ms"
  timeout  = "500ms"
}
rule "JobsFail" {
  promql      = "increase(jobs_failed_total[1h]) > %d"
  annotations = { summary = "{{ $labels.queue }}" }
}
notifier "pagerduty" "oncall" {
  routing_key = env("ROUTING_KEY")
  url         = %q
}
route {
  to         = [notifier.pagerduty.oncall]
  group_wait = "0s"
}
`, strings.TrimPrefix(target.URL, "http://"), threshold, p.URL+"/v2/enqueue")
	}
	dir := writeConfig(t, configuration(1000))
	engine := start(t, dir)
	eventually(t, "the counter grew", func() bool { return scrapes.Load() > 8 })
	engine.kill(t)

	if err := os.WriteFile(filepath.Join(dir, "tocsin.hcl"), []byte(configuration(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	answers.Store(1)
	engine = start(t, dir)
	eventually(t, "the rule fires on the first round", func() bool { return p.actions() == "trigger" })
	if !strings.Contains(engine.log.String(), "windows are restored") {
		t.Error("the log does not say that windows were restored")
	}
	answers.Store(1 << 30)
	engine.stop(t)
	if got := p.accepted()[0].Payload.Summary; !strings.Contains(got, "mail") {
		t.Errorf("the summary is %q", got)
	}
}

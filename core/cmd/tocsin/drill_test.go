package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/tocsinhq/tocsin/core/drill"
)

// hook is a stand-in for a Slack webhook.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string // guarded by mu
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies = append(h.bodies, string(body))
		fmt.Fprint(w, "ok")
	}))
	t.Cleanup(h.Close)
	return h
}

// drilled tells the pager, and where alerts are critical a Slack channel with texts of its own, after timers that a drill
// must not wait for.
func drilled(p *pager, h *hook) string {
	return fmt.Sprintf(`
engine { listen = "127.0.0.1:0" }
notifier "pagerduty" "oncall" {
  routing_key = env("ROUTING_KEY")
  url         = %q
}
notifier "slack" "ops" {
  api_url = %q
  title   = "{{ .CommonLabels.alertname }} needs you"
  text    = "as always"
}
route {
  to         = [notifier.pagerduty.oncall]
  group_wait = "1h"
  route {
    match = ["severity='critical'"]
    to    = [notifier.pagerduty.oncall, notifier.slack.ops]
  }
}
silence "migration" {
  match  = ["job='odoo'"]
  until  = "2100-01-01T00:00:00Z"
  reason = "db migration"
  owner  = "dba"
}
`, p.URL+"/v2/enqueue", h.URL+"/services/T/B/x")
}

// The route is tested through the real processes, and whatever people see of it says TEST.
func TestDrill(t *testing.T) {
	t.Parallel()
	p, h := newPager(t), newHook(t)
	engine := start(t, writeConfig(t, drilled(p, h)))
	text, code := engine.ask(t, "drill", "-by", "ann", `HighAPIErrorRate{endpoint="/critical/api"}`, "severity=critical")
	for _, want := range []string{`TEST HighAPIErrorRate{endpoint="/critical/api",severity="critical",tocsin_drill=`, "pagerduty.oncall  opened after ", "slack.ops         opened after ", "  closed after "} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not print %q:\n%s", want, text)
		}
	}
	if got := p.actions(); code != 0 || got != "trigger resolve" {
		t.Fatalf("exit %d, PagerDuty accepted %q\n%s", code, got, text)
	}
	p.checkIncident(t)
	for _, e := range p.accepted() {
		if !strings.HasPrefix(e.Payload.Summary, "TEST") {
			t.Errorf("summary %q", e.Payload.Summary)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, body := range h.bodies {
		for _, want := range []string{`"title":"TEST HighAPIErrorRate needs you"`, `"text":"TEST as always"`, `"fallback":"TEST HighAPIErrorRate`} {
			if !strings.Contains(body, want) {
				t.Errorf("Slack was not told %s: %s", want, body)
			}
		}
	}
	if len(h.bodies) != 2 {
		t.Errorf("Slack was told %d times", len(h.bodies))
	}
	if out, _ := engine.ask(t, "why", `{endpoint="/critical/api"}`); !strings.Contains(out, "TEST: a drill by ann") || strings.Count(out, "and of the end at") != 2 {
		t.Errorf("the journal tells: %s", out)
	}
}

// A silence swallows a drill as it would swallow an alert, and that is said.
func TestDrillThatIsSilenced(t *testing.T) {
	t.Parallel()
	p, h := newPager(t), newHook(t)
	engine := start(t, writeConfig(t, drilled(p, h)))
	out, code := engine.ask(t, "drill", "-o", "json", "job=odoo")
	var d drill.Drill
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if len(d.Receivers) != 1 || d.Receivers[0].Withheld != "silenced by migration" || p.actions() != "" {
		t.Errorf("%+v, PagerDuty accepted %q", d, p.actions())
	}
	if out, code := engine.ask(t, "drill", "job=odoo"); code != 1 || !strings.Contains(out, "pagerduty.oncall  not told: silenced by migration") {
		t.Errorf("exit %d: %s", code, out)
	}
	for args, want := range map[string]string{
		"":                "which route?",
		`{job=~"x"}`:      "say what it is",
		"tocsin_drill=x":  "cannot be called",
		"-timeout=1h a=b": "must be from 0 to 10m0s",
	} {
		if out, code := engine.ask(t, append([]string{"drill"}, strings.Fields(args)...)...); code != 1 || !strings.Contains(out, want) {
			t.Errorf("tocsin drill %s: exit %d, %s", args, code, out)
		}
	}
}

// What a drill opened is closed although the engine is killed before anybody ended it.
func TestDrillOutlivesKill(t *testing.T) {
	t.Parallel()
	p, h := newPager(t), newHook(t)
	slow := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-slow }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(slow) })
	h.URL = hanging.URL // the drill waits for it
	dir := writeConfig(t, drilled(p, h))
	engine := start(t, dir)
	client := exec.CommandContext(t.Context(), "tocsin", "drill", "-addr", engine.address(t), "severity=critical")
	var said lockedBuffer
	client.Stdout, client.Stderr = &said, &said
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	engine.kill(t)
	if err := client.Wait(); err == nil || !strings.Contains(said.String(), "What was opened is closed all the same: tocsin why '{tocsin_drill=") {
		t.Errorf("%v: %s", err, &said)
	}
	start(t, dir)
	// Where the kill was quicker than the note that PagerDuty had accepted it, it is told again what it knows.
	eventually(t, "PagerDuty gets the resolve", func() bool { return strings.HasSuffix(p.actions(), " resolve") })
	for _, e := range p.accepted() {
		if e.DedupKey != p.accepted()[0].DedupKey || !strings.HasPrefix(e.Payload.Summary, "TEST") {
			t.Errorf("%+v", e)
		}
	}
}

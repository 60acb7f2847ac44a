package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// rewrite replaces a text in the configuration.
func rewrite(t *testing.T, dir, old, replacement string) {
	t.Helper()
	path := filepath.Join(dir, "tocsin.hcl")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(src), old, replacement, 1)
	if changed == string(src) {
		t.Fatalf("there is no %q", old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload asks for it over HTTP.
func (p *process) reload(t *testing.T) (code int, body string) {
	t.Helper()
	r, err := http.Post(p.address(t)+"/-/reload", "", nil) //nolint:noctx // the test has a deadline
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// An incident that is open goes on over reloads that change all kinds of things, good ones and bad ones.
func TestReload(t *testing.T) {
	t.Parallel()
	g, p, second := newGateway(t), newPager(t), newPager(t)
	dir := writeConfig(t, pipeline(g, p, "# more\n"))
	rewrite(t, dir, "engine {", "engine {\n  self_alerts = false") // rejected configurations are not what receivers are to tell of here
	engine := start(t, dir)
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	processes := engine.plugins("")

	rewrite(t, dir, `threshold    = 0.05`, `threshold    = 0.04`)
	if err := engine.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine says what changed", func() bool {
		return strings.Contains(engine.log.String(), `"changes":["changed rule HighAPIErrorRate: params.threshold"]`)
	})

	rewrite(t, dir, `routing_key = env("ROUTING_KEY")`, `routing_kye = env("ROUTING_KEY")`)
	code, body := engine.reload(t)
	if code != http.StatusInternalServerError || !strings.Contains(body, "routing_kye") || !strings.Contains(body, `Did you mean "routing_key"?`) || !strings.Contains(body, "tocsin.hcl:") {
		t.Errorf("reload with a mistake: %d %s", code, body)
	}
	if plan, err := exec.CommandContext(t.Context(), "tocsin", "plan", "-addr", engine.address(t)).CombinedOutput(); err == nil || !strings.Contains(string(plan), "would be rejected") || !strings.Contains(string(plan), "routing_kye") {
		t.Errorf("plan with a mistake: %v\n%s", err, plan)
	}
	rewrite(t, dir, "routing_kye", "routing_key")
	rewrite(t, dir, `listen     = "127.0.0.1:0"`, `listen     = "127.0.0.1:1"`)
	if code, body := engine.reload(t); code != http.StatusInternalServerError || !strings.Contains(body, "listen cannot change") {
		t.Errorf("reload with another address: %d %s", code, body)
	}
	rewrite(t, dir, `listen     = "127.0.0.1:1"`, `listen     = "127.0.0.1:0"`)

	rewrite(t, dir, "# more\n", fmt.Sprintf("notifier \"pagerduty\" \"second\" {\n  routing_key = env(\"ROUTING_KEY\")\n  url = %q\n}\n", second.URL+"/v2/enqueue"))
	rewrite(t, dir, "to             = [notifier.pagerduty.oncall]", "to             = [notifier.pagerduty.oncall, notifier.pagerduty.second]")
	if code, body := engine.reload(t); code != http.StatusOK {
		t.Errorf("reload with another notifier: %d %s", code, body)
	}
	eventually(t, "the new notifier gets a trigger", func() bool { return second.actions() == "trigger" })
	if now := engine.plugins(""); fmt.Sprint(now) != fmt.Sprint(processes) {
		t.Errorf("plugin processes are %v, were %v: reloads start none that run already", now, processes)
	}

	rewrite(t, dir, ", notifier.pagerduty.second]", "]")
	plan, err := exec.CommandContext(t.Context(), "tocsin", "plan", "-addr", engine.address(t)).CombinedOutput()
	for _, want := range []string{"changed route: to\n", "  closes  pagerduty.second {}:{alertname=\"HighAPIErrorRate\"", "(no longer routed here)", "go on without a word: 1"} {
		if err != nil || !strings.Contains(string(plan), want) {
			t.Errorf("plan does not say %q: %v\n%s", want, err, plan)
		}
	}
	if code, body := engine.reload(t); code != http.StatusOK {
		t.Errorf("reload with a route less: %d %s", code, body)
	}
	eventually(t, "whoever is not told any more hears the end", func() bool { return second.actions() == "trigger resolve" })
	if got := p.actions(); got != "trigger" {
		t.Errorf("after all reloads PagerDuty has accepted %q, want the one trigger", got)
	}
	rewrite(t, dir, "engine {", "plugin \"notifier\" \"pagerduty\" { env = [\"HTTPS_PROXY\"] }\nengine {")
	if code, body := engine.reload(t); code != http.StatusOK {
		t.Errorf("reload with another environment for a plugin: %d %s", code, body)
	}
	eventually(t, "plugins run in new processes, and the old ones are gone", func() bool {
		now := engine.plugins("")
		return len(now) == len(processes) && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(processes, pid) })
	})

	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })
	engine.stop(t)
	p.checkIncident(t)
}

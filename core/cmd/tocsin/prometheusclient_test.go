package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// told is what a webhook was told of the one alert of a group.
type told struct {
	Status string
	Alerts []struct {
		Status, StartsAt, EndsAt, GeneratorURL string
		Labels, Annotations                    map[string]string
	}
}

// A real Prometheus that has the engine as its Alertmanager raises an alert, keeps it alive and ends it; one that is killed
// while its alert fires has its alert end, too, in words that tell it from health. It runs where there is one: -prometheus.
func TestPrometheusAsClient(t *testing.T) {
	t.Parallel()
	if *prometheus == "" {
		t.Skip("no Prometheus to run: -prometheus PATH")
	}
	var mu sync.Mutex
	var all []told // guarded by mu
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m told
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m)
	}))
	t.Cleanup(hook.Close)
	nth := func(n int) (m told) {
		eventually(t, fmt.Sprint("the webhook is told ", n, " times"), func() bool {
			mu.Lock()
			defer mu.Unlock()
			if len(all) >= n {
				m = all[n-1]
			}
			return len(all) >= n
		})
		if len(m.Alerts) != 1 {
			t.Fatalf("told %+v, want one alert", m)
		}
		return m
	}

	dir := writeConfig(t, fmt.Sprintf(`
engine { listen = "127.0.0.1:0" }
notifier "webhook" "hook" {
  url = %q
}
route {
  to             = [notifier.webhook.hook]
  group_by       = ["alertname"]
  group_wait     = "0s"
  group_interval = "1s"
}
`, hook.URL))
	engine := start(t, dir)
	api := engine.address(t)
	var x atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintln(w, "x", x.Load())
	}))
	t.Cleanup(target.Close)
	sender := startSender(t, api, target.URL)

	x.Store(9)
	m := nth(1)
	a := m.Alerts[0]
	if m.Status != "firing" || a.Labels["alertname"] != "TooHigh" || a.Labels["severity"] != "critical" || a.Annotations["summary"] != "x is 9" || !strings.Contains(a.GeneratorURL, "/graph?g0.expr=x") {
		t.Errorf("told %+v", m)
	}
	// It is posted again and again, which is no news.
	eventually(t, "the alert is posted again", func() bool { return received(t, api, "firing") >= 3 })
	x.Store(1)
	if m = nth(2); m.Status != "resolved" || m.Alerts[0].StartsAt != a.StartsAt {
		t.Errorf("told %+v, want the end of %+v", m, a)
	}

	x.Store(9)
	if m = nth(3); m.Status != "firing" {
		t.Errorf("told %+v, want another incident", m)
	}
	if err := sender.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if m = nth(4); m.Status != "resolved" {
		t.Errorf("told %+v, want the end", m)
	}
	eventually(t, "the journal says why it ended", func() bool {
		out, _ := engine.ask(t, "why", "TooHigh")
		return strings.Contains(out, "expired: its sender went silent")
	})
}

// startSender runs a Prometheus that evaluates each second, has the engine as its Alertmanager and says that x is too high
// above 5. It posts an alert every two seconds, and each time says that it lasts for eight.
func startSender(t *testing.T, alertmanager, target string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	for name, text := range map[string]string{
		"prometheus.yml": fmt.Sprintf(`
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: [rules.yml]
alerting: { alertmanagers: [ { static_configs: [ { targets: [%q] } ] } ] }
scrape_configs: [ { job_name: x, static_configs: [ { targets: [%q] } ] } ]
`, host(alertmanager), host(target)),
		"rules.yml": `
groups:
- name: all
  rules:
  - alert: TooHigh
    expr: x > 5
    labels: { severity: critical }
    annotations: { summary: "x is {{ $value }}" }
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String() // it does not say which port it chose itself
	free.Close()
	cmd := exec.CommandContext(t.Context(), *prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--rules.alert.resend-delay=2s")
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of prometheus:\n%s", log)
		}
	})
	return cmd
}

// received is how many alerts of a status were posted, by the engine's own metrics.
func received(t *testing.T, api, status string) (n int) {
	t.Helper()
	for line := range strings.Lines(call(t, http.MethodGet, api+"/metrics", "")) {
		if rest, ok := strings.CutPrefix(line, `alertmanager_alerts_received_total{status="`+status+`",version="v2"} `); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

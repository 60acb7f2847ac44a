package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests; none takes nearly as long unless something is broken.
const patience = 2 * time.Minute

// eventually waits for a condition of other processes.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s in vain: %s", patience, what)
		case <-tick.C:
		}
	}
}

// gateway is a target whose /critical/api fails on demand.
type gateway struct {
	*httptest.Server
	scrapes atomic.Int64

	mu struct {
		sync.Mutex
		since   time.Time
		share   float64 // of requests that fail
		ok, bad float64
	}
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{}
	g.mu.since = time.Now()
	g.Server = httptest.NewServer(http.HandlerFunc(g.metrics))
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) count() {
	now := time.Now()
	requests := now.Sub(g.mu.since).Seconds() * 200
	g.mu.since = now
	g.mu.ok += requests * (1 - g.mu.share)
	g.mu.bad += requests * g.mu.share
}

// fail lets that share of the requests fail from now on.
func (g *gateway) fail(share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count()
	g.mu.share = share
}

func (g *gateway) metrics(w http.ResponseWriter, _ *http.Request) {
	g.scrapes.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintf(w, "# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\",endpoint=\"/critical/api\"} %d\nhttp_requests_total{code=\"503\",endpoint=\"/critical/api\"} %d\n", int64(g.mu.ok), int64(g.mu.bad))
}

func (g *gateway) address() string { return strings.TrimPrefix(g.URL, "http://") }

// pagerEvent is one event that the PagerDuty stand-in accepted.
type pagerEvent struct {
	Action   string `json:"event_action"`
	DedupKey string `json:"dedup_key"`
	Payload  struct {
		Summary, Severity string
		Details           struct{ Note string } `json:"custom_details"`
	}
}

// pager is a stand-in for PagerDuty that can be told to fail.
type pager struct {
	*httptest.Server
	failing atomic.Bool
	refused atomic.Int64

	mu     sync.Mutex
	events []pagerEvent // guarded by mu
}

func newPager(t *testing.T) *pager {
	p := &pager{}
	p.Server = httptest.NewServer(http.HandlerFunc(p.enqueue))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) enqueue(w http.ResponseWriter, r *http.Request) {
	if p.failing.Load() {
		p.refused.Add(1)
		http.Error(w, "try again", http.StatusInternalServerError)
		return
	}
	var e pagerEvent
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.events = append(p.events, e)
	p.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.DedupKey)
}

func (p *pager) accepted() []pagerEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// actions are the accepted event_actions in order: "trigger resolve".
func (p *pager) actions() string {
	var actions []string
	for _, e := range p.accepted() {
		actions = append(actions, e.Action)
	}
	return strings.Join(actions, " ")
}

// checkIncident demands one trigger and one resolve that belong together, and nothing else.
func (p *pager) checkIncident(t *testing.T) {
	t.Helper()
	if got := p.actions(); got != "trigger resolve" {
		t.Fatalf("PagerDuty accepted %q, want \"trigger resolve\"", got)
	}
	trigger, resolve := p.accepted()[0], p.accepted()[1]
	if trigger.Payload.Severity != "critical" {
		t.Errorf("severity is %q, want critical", trigger.Payload.Severity)
	}
	if !strings.Contains(trigger.Payload.Summary, "/critical/api") {
		t.Errorf("summary %q does not name the endpoint", trigger.Payload.Summary)
	}
	if len(trigger.DedupKey) != 64 || strings.Trim(trigger.DedupKey, "0123456789abcdef") != "" {
		t.Errorf("dedup_key %q is not 64 hexadecimal digits", trigger.DedupKey)
	}
	if resolve.DedupKey != trigger.DedupKey {
		t.Errorf("the resolve has dedup_key %s, the trigger %s", resolve.DedupKey, trigger.DedupKey)
	}
}

// pipeline is the rule of the reference scenario in seconds. extra is appended.
func pipeline(g *gateway, p *pager, extra string) string {
	return fmt.Sprintf(`
engine {
  listen     = "127.0.0.1:0"
  module_dir = ["rules"]
}
source "http" "gateway" {
  targets  = [%q]
  interval = "1s"
  timeout  = "1s"
}
rule "HighAPIErrorRate" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{job='gateway'}"
    window = "5s"
  }
  params {
    threshold    = 0.05
    errors       = "code=~'5..|5xx'"
    by           = ["endpoint"]
    min_requests = 20
  }
  for         = "3s"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail" }
}
notifier "pagerduty" "oncall" {
  routing_key = env("ROUTING_KEY")
  url         = %q
}
route {
  to             = [notifier.pagerduty.oncall]
  group_by       = ["alertname", "endpoint"]
  group_wait     = "1s"
  group_interval = "1s"
}
%s`, g.address(), p.URL+"/v2/enqueue", extra)
}

// process is a running tocsin.
type process struct {
	*exec.Cmd
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs `tocsin run` on the configuration in dir, with further arguments. It is killed at the end of the test.
func start(t testing.TB, dir string, more ...string) *process {
	t.Helper()
	args := append([]string{"run", dir, "-log-format", "json", "-log-level", "debug"}, more...)
	p := &process{Cmd: exec.Command("tocsin", args...), log: &lockedBuffer{}} //nolint:noctx // killed by the cleanup, the context of the test ends before it
	p.Env = append(os.Environ(), "ROUTING_KEY=0123456789abcdef0123456789abcdef")
	p.Stderr, p.Stdout = p.log, io.Discard
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.kill(t)
		}
		if t.Failed() {
			t.Logf("log of tocsin run:\n%s", p.log)
		}
		if strings.Contains(p.log.String(), "0123456789abcdef0123456789abcdef") {
			t.Error("the routing key is in the log")
		}
	})
	return p
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	_ = p.Process.Kill()
	_ = p.Wait() // "signal: killed"
}

// stop is a stop in good order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("tocsin run ended with %v", err)
	}
}

// plugins are the pids of the engine's plugin processes of that kind; "" is any.
func (p *process) plugins(kind string) []int {
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid))
	var pids []int
	for _, file := range children {
		list, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(list)) {
			pid, _ := strconv.Atoi(field)
			if cmdline := commandLine(pid); strings.Contains(cmdline, "plugin-serve") && strings.Contains(cmdline, kind) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// commandLine is "" for a process that is gone or a zombie.
func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}

func writeConfig(t testing.TB, hcl string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tocsin.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// killProcess is kill -9.
func killProcess(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill -9 %d: %v", pid, err)
	}
}

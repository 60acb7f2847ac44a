package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The load of [BenchmarkThousandRules].
const (
	loadTargets = 10
	loadGroups  = 10  // on the page of each target
	loadSeries  = 100 // in each group: 10 endpoints with 10 codes
	loadRules   = 10  // that read each group
)

var loadInterval = flag.Duration("interval", time.Second, "between two collections in BenchmarkThousandRules")

// BenchmarkThousandRules is what it costs to run 1,000 rules that read 100 series each, from 10 targets of 1,000
// series: the whole product with its plugin processes, as `tocsin run` starts it. One operation is one interval, in
// which each rule is evaluated once. It reports the CPU time and the memory (PSS) of the process tree; the targets are
// this process and do not count. `make load` runs it for a minute with the interval that is usual.
func BenchmarkThousandRules(b *testing.B) {
	dir, round := b.TempDir(), make(chan struct{}, 1)
	if err := os.WriteFile(filepath.Join(dir, "tocsin.hcl"), loadConfig(b, *loadInterval, round), 0o600); err != nil {
		b.Fatal(err)
	}
	var log bytes.Buffer
	p := exec.CommandContext(b.Context(), "tocsin", "run", dir, "-log-format", "json")
	p.Stderr, p.Stdout, p.WaitDelay = &log, io.Discard, patience
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the context of the benchmark at the latest
		defer close(ended)
		_ = p.Wait()
	}()
	b.Cleanup(func() { <-ended })
	next := func() {
		select {
		case <-round:
		case <-ended:
			b.Fatalf("tocsin run ended: %v\n%s", p.ProcessState, &log)
		}
	}
	for range 3 { // then the windows have rows, and the rules were evaluated
		next()
	}
	n, begun, before := 0, time.Now(), usageOf(b, p.Process.Pid)
	for b.Loop() {
		next()
		n++
	}
	after, took := usageOf(b, p.Process.Pid), time.Since(begun)
	cpu := after.cpu - before.cpu
	b.ReportMetric(100*cpu.Seconds()/took.Seconds(), "%cpu")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(n*loadTargets*loadGroups*loadRules), "cpu-ns/evaluation")
	b.ReportMetric(float64(after.pss)/1e6, "MB-pss")
}

// loadConfig serves the targets and writes the configuration. round hears when all targets were collected.
func loadConfig(b *testing.B, interval time.Duration, round chan<- struct{}) []byte {
	var targets []string
	begun := time.Now()
	for n := range loadTargets {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = w.Write(loadPage(time.Since(begun)))
			if n == loadTargets-1 {
				select {
				case round <- struct{}{}:
				default: // nobody waits yet
				}
			}
		}))
		b.Cleanup(server.Close)
		targets = append(targets, strconv.Quote(strings.TrimPrefix(server.URL, "http://")))
	}
	var hcl bytes.Buffer
	hcl.WriteString(`
engine {
  listen = "127.0.0.1:0"
}
notifier "webhook" "nobody" {
  url = "http://127.0.0.1:9/"
}
route {
  to = [notifier.webhook.nobody]
}
`)
	for n, target := range targets {
		fmt.Fprintf(&hcl, "source \"http\" \"app%d\" {\n  targets  = [%s]\n  interval = %q\n}\n", n, target, interval)
		for group := range loadGroups {
			for rule := range loadRules {
				fmt.Fprintf(&hcl, `
rule "Errors_%d_%d_%d" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total{job='app%[1]d',shard='%[2]d'}"
    window = %[4]q
  }
  params {
    by        = ["endpoint"]
    threshold = 0.%02[3]d
  }
  for         = "5m"
  labels      = { severity = "critical" }
  annotations = { summary = "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail" }
}
`, n, group, rule, (20 * interval).String())
			}
		}
	}
	return hcl.Bytes()
}

// loadPage is what a target serves after some time.
func loadPage(up time.Duration) []byte {
	page := []byte("# TYPE http_requests_total counter\n")
	for group := range loadGroups {
		for i := range loadSeries {
			page = fmt.Appendf(page, "http_requests_total{shard=\"%d\",endpoint=\"/api/v1/resource/%d\",code=\"%d\",pod=\"gateway-7d9f8b6c5-%06d\"} %d\n",
				group, i/10, 200+33*(i%10), group*loadSeries+i, int(up.Seconds()*float64(i+1)))
		}
	}
	return page
}

// usage is what a process and its children use.
type usage struct {
	cpu time.Duration // user and system
	pss int64         // proportional set size, bytes: what processes share counts once
}

// usageOf reads it from /proc.
func usageOf(b *testing.B, pid int) (sum usage) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, ticks := range fields[11:13] { // utime, stime
		n, _ := strconv.Atoi(ticks)
		sum.cpu += time.Duration(n) * time.Second / 100 // USER_HZ is 100 wherever Go runs
	}
	memory, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(memory)) {
		if fields := strings.Fields(line); fields[0] == "Pss:" {
			kB, _ := strconv.ParseInt(fields[1], 10, 64)
			sum.pss += kB << 10
		}
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range children {
		list, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(list)) {
			child, _ := strconv.Atoi(field)
			of := usageOf(b, child)
			sum.cpu, sum.pss = sum.cpu+of.cpu, sum.pss+of.pss
		}
	}
	return sum
}

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

// ingestLoad is what [BenchmarkIngest] and its kin collect.
type ingestLoad struct {
	targets  int
	series   int // on the page of each target
	rows     int // of the window
	interval time.Duration
	engine   string // lines of the engine block
	rules    string
}

var (
	ingestInterval = flag.Duration("ingest-interval", time.Second, "between two collections in BenchmarkIngest")
	ingestLarge    = flag.Bool("ingest-large", false, "run the benchmarks of BenchmarkIngest's kin that take minutes")
)

// BenchmarkIngest is what it costs to collect 10 targets of 10,000 series each: the whole product with its plugin
// processes, as `tocsin run` starts it, its windows logged. Once there is a rule that reads all of it, evaluated with each
// round, and once no rule at all. One operation is one round. It reports the CPU time a sample and the memory (PSS) of
// the process tree; the targets are this process and do not count.
func BenchmarkIngest(b *testing.B) {
	load := ingestLoad{targets: 10, series: 10_000, rows: 20, interval: *ingestInterval}
	for _, tt := range []struct {
		name string
		load ingestLoad
	}{
		{"a rule reads all", load.withRule()},
		{"all is kept", load.withAllKept()},
		{"nothing is kept", load},
	} {
		b.Run(tt.name, func(b *testing.B) { ingest(b, tt.load) })
	}
}

// BenchmarkIngestMillion is a million series in 100 targets, kept for 20 rows.
func BenchmarkIngestMillion(b *testing.B) {
	if !*ingestLarge {
		b.Skip("takes minutes: make scale")
	}
	ingest(b, ingestLoad{targets: 100, series: 10_000, rows: 20, interval: 5 * time.Second}.withAllKept())
}

// BenchmarkIngestManyTargets is 5,000 small targets, collected as often as is usual.
func BenchmarkIngestManyTargets(b *testing.B) {
	if !*ingestLarge {
		b.Skip("takes minutes: make scale")
	}
	ingest(b, ingestLoad{targets: 5000, series: 100, rows: 2, interval: 15 * time.Second}.withAllKept())
}

func (l ingestLoad) window() string { return (time.Duration(l.rows) * l.interval).String() }

func (l ingestLoad) withAllKept() ingestLoad {
	l.engine = fmt.Sprintf("keep = \"all\"\n  keep_for = %q", l.window())
	return l
}

func (l ingestLoad) withRule() ingestLoad {
	l.rules = fmt.Sprintf(`
rule "Errors" {
  module = "error_rate"
  input "requests" {
    select = "http_requests_total"
    window = %q
  }
  params {
    threshold = 0.9
  }
}
`, l.window())
	return l
}

func ingest(b *testing.B, load ingestLoad) {
	dir, round := b.TempDir(), make(chan struct{}, 1)
	var hcl bytes.Buffer
	fmt.Fprintf(&hcl, `
engine {
  listen = "127.0.0.1:0"
  %s
}
notifier "webhook" "nobody" {
  url = "http://127.0.0.1:9/"
}
route {
  to = [notifier.webhook.nobody]
}
source "http" "app" {
  targets  = [%s]
  interval = %q
}
%s`, load.engine, strings.Join(ingestFleet(b, load, round), ", "), load.interval, load.rules)
	if err := os.WriteFile(filepath.Join(dir, "tocsin.hcl"), hcl.Bytes(), 0o600); err != nil {
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
	for range load.rows + 5 { // then the windows are full
		next()
	}
	n, begun, before := 0, time.Now(), usageOf(b, p.Process.Pid)
	for b.Loop() {
		next()
		n++
	}
	after, took := usageOf(b, p.Process.Pid), time.Since(begun)
	b.ReportMetric(float64((after.cpu-before.cpu).Nanoseconds())/float64(n*load.targets*load.series), "cpu-ns/sample")
	b.ReportMetric(100*(after.cpu-before.cpu).Seconds()/took.Seconds(), "%cpu")
	b.ReportMetric(float64(after.pss)/1e6, "MB-pss")
	logged, _ := filepath.Glob(filepath.Join(dir, "data", "windows", "*.wal"))
	size := int64(0)
	for _, file := range logged {
		if info, err := os.Stat(file); err == nil {
			size += info.Size()
		}
	}
	b.ReportMetric(float64(size)/1e6, "MB-log")
}

// ingestFleet serves the targets and returns their addresses, quoted. round hears when the last one was asked. Of the
// series of a page every second one grows from one collection to the next.
func ingestFleet(b *testing.B, load ingestLoad, round chan<- struct{}) (addresses []string) {
	for n := range load.targets {
		page := []byte("# TYPE http_requests_total counter\n")
		var counters []int // where the last digits of those that grow are
		for i := range load.series {
			page = fmt.Appendf(page, "http_requests_total{endpoint=\"/api/v1/resource/%d\",code=\"%d\",pod=\"gateway-7d9f8b6c5-%06d\"} %08d\n",
				i/10, 200+33*(i%10), i, 10_000_000+i)
			if i%2 == 0 {
				counters = append(counters, len(page)-2)
			}
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			for _, at := range counters {
				for page[at]++; page[at] > '9'; page[at]++ {
					page[at] = '0'
					at--
				}
			}
			_, _ = w.Write(page)
			if n == load.targets-1 {
				select {
				case round <- struct{}{}:
				default: // nobody waits yet
				}
			}
		}))
		b.Cleanup(server.Close)
		addresses = append(addresses, strconv.Quote(strings.TrimPrefix(server.URL, "http://")))
	}
	return addresses
}

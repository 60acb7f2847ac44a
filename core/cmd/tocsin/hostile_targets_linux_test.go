package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Targets that hang, drip, never end or lead nowhere cost their own timeout and a bounded buffer: the one beside them,
// served by the same plugin process, is collected as if they were not there, and memory stays bounded.
func TestHostileTargetsHarmNobody(t *testing.T) {
	t.Parallel()
	var asked [6]atomic.Int64
	serve := func(n int, handler http.HandlerFunc) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[n].Add(1)
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			handler(w, r)
		}))
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		return strconv.Quote(strings.TrimPrefix(server.URL, "http://"))
	}
	comments := bytes.Repeat([]byte("# a comment\n"), 5000)
	targets := []string{
		serve(0, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy 1") }),
		serve(1, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		serve(2, func(w http.ResponseWriter, r *http.Request) { // a byte a second
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("#"))
				w.(http.Flusher).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
				}
			}
		}),
		serve(3, func(w http.ResponseWriter, _ *http.Request) { // series without end
			out := bufio.NewWriterSize(w, 1<<16)
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(out, "endless{number=\"%d\"} 1\n", i); err != nil {
					return
				}
			}
		}),
		serve(4, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for {
				if _, err := z.Write(comments); err != nil {
					return
				}
			}
		}),
		serve(5, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }),
	}
	p := start(t, writeConfig(t, fmt.Sprintf(`
engine {
  listen = "127.0.0.1:0"
}
notifier "webhook" "nobody" {
  url = "http://127.0.0.1:9/"
}
route {
  to = [notifier.webhook.nobody]
}
source "http" "app" {
  targets         = [%s]
  interval        = "1s"
  body_size_limit = "1MiB"
}
`, strings.Join(targets, ", "))))
	eventually(t, "the healthy target is collected among the others", func() bool { return asked[0].Load() >= 8 })
	for n := range asked {
		if most := asked[0].Load() + 1; n < 5 && asked[n].Load() > most {
			t.Errorf("target %d was asked %d times in %d intervals", n, asked[n].Load(), most)
		}
	}
	for _, pid := range append(p.plugins("http"), p.Process.Pid) {
		if peak := peakMemory(t, pid); peak > 768<<20 { // of what it would take in a second without bounds
			t.Errorf("process %d took %d MB", pid, peak>>20)
		}
	}
	p.stop(t)
	for n, want := range []string{"", "deadline exceeded", "deadline exceeded", "", "", "redirected without end"} {
		var down string
		for line := range strings.Lines(p.log.String()) {
			if strings.Contains(line, strings.Trim(targets[n], `"`)) && strings.Contains(line, "target is down") {
				down += line
			}
		}
		if n == 0 && down != "" || !strings.Contains(down, want) {
			t.Errorf("target %d is said to be down: %q, want %q", n, down, want)
		}
	}
}

// peakMemory is the most that a process has used so far, in bytes.
func peakMemory(t *testing.T, pid int) (peak int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			peak, _ = strconv.Atoi(fields[1])
		}
	}
	return peak << 10
}

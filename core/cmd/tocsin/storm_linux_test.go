package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// BenchmarkStorm is others who post 10,000 groups of 5 alerts, 64 at a time over HTTP, to the product as it runs, until a
// webhook was told of each of them: the whole way with plugin processes, state and journal on disk. It reports the CPU
// time of the process tree for each alert, how fast the posts are answered, how many notifications were sent and the memory
// (PSS) in the end. `make storm` runs it once.
func BenchmarkStorm(b *testing.B) {
	const groups, each, batch = 10_000, 5, 64
	for b.Loop() {
		told := newArrivals(b, groups*each)
		p := start(b, writeConfig(b, fmt.Sprintf(`
engine {
  listen   = "127.0.0.1:0"
  data_dir = %q
}
notifier "webhook" "ops" { url = %q }
route {
  to             = [notifier.webhook.ops]
  group_by       = ["alertname", "grp"]
  group_wait     = "1s"
  group_interval = "5m"
}
`, filepath.Join(b.TempDir(), "data"), told.URL)), "-log-level", "info")
		url := p.address(b)
		before, begun := usageOf(b, p.Process.Pid), time.Now()
		var posts []map[string]any
		for i := range groups * each {
			posts = append(posts, map[string]any{
				"labels": map[string]string{
					"alertname": "HighAPIErrorRate", "grp": strconv.Itoa(i / each), "i": strconv.Itoa(i % each), "severity": "critical", "endpoint": "/critical/api",
				},
				"annotations": map[string]string{"summary": "error rate above 5% for 5 minutes on /critical/api"},
			})
			if len(posts) == batch || i == groups*each-1 {
				body, err := json.Marshal(posts)
				if err != nil {
					b.Fatal(err)
				}
				call(b, http.MethodPost, url+"/api/v2/alerts", string(body))
				posts = posts[:0]
			}
		}
		posted := time.Since(begun)
		<-told.all
		after := usageOf(b, p.Process.Pid)
		p.kill(b)
		b.ReportMetric(float64((after.cpu-before.cpu).Microseconds())/(groups*each), "cpu-µs/alert")
		b.ReportMetric(groups*each/posted.Seconds(), "posted-alerts/s")
		b.ReportMetric(float64(told.number()), "notifications")
		b.ReportMetric(float64(after.pss)/1e6, "MB-pss")
	}
}

// arrivals is a webhook that waits until it was told of a number of alerts.
type arrivals struct {
	*httptest.Server
	all chan struct{} // closed then

	mu            sync.Mutex
	alerts        map[string]bool
	notifications int
}

func newArrivals(b *testing.B, alerts int) *arrivals {
	w := &arrivals{all: make(chan struct{}), alerts: map[string]bool{}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		var n struct {
			Alerts []struct{ Labels map[string]string }
		}
		if err := json.Unmarshal(body.Bytes(), &n); err != nil {
			b.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notifications++
		missing := len(w.alerts) < alerts
		for _, a := range n.Alerts {
			w.alerts[a.Labels["grp"]+"/"+a.Labels["i"]] = true
		}
		if missing && len(w.alerts) == alerts {
			close(w.all)
		}
	}))
	b.Cleanup(w.Close)
	return w
}

func (w *arrivals) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.notifications
}

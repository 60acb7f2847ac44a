//go:build unix

package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// BenchmarkStorm is others who raise thousands of alerts at once, in groups of 5 and posts of 64: from the post to the
// acceptance of the last group by a receiver in this process, with state and journal on disk. What an alert costs does
// not follow how many there are. It reports CPU time, since disks and busy machines differ, and what the heap holds in
// the end.
func BenchmarkStorm(b *testing.B) {
	for _, groups := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("%d groups", groups), func(b *testing.B) {
			const each, batch = 5, 64
			var posted, settled, heap float64
			for b.Loop() {
				told := make(chan struct{}, groups)
				e := stormed(b, told)
				empty, before, begun := heapSize(), cpuTime(b), time.Now()
				for at := 0; at < groups*each; at += batch {
					var posts []api.Posted
					for i := at; i < min(at+batch, groups*each); i++ {
						posts = append(posts, raised(i/each, i%each))
					}
					if err := e.post(posts); err != nil {
						b.Fatal(err)
					}
				}
				posted += time.Since(begun).Seconds()
				for range groups {
					<-told
				}
				settled += float64((cpuTime(b) - before).Microseconds())
				heap += heapSize() - empty
				if err := e.Stop(context.WithoutCancel(b.Context())); err != nil {
					b.Fatal(err)
				}
			}
			alerts := float64(groups * each * b.N)
			b.ReportMetric(alerts/posted, "posted-alerts/s")
			b.ReportMetric(settled/alerts, "cpu-µs/alert")
			b.ReportMetric(heap/alerts, "heap-B/alert")
		})
	}
}

// raised is an alert as somebody posts it: its strings are its own.
func raised(group, n int) api.Posted {
	return api.Posted{
		Labels: frame.FromMap(map[string]string{
			"alertname": "HighAPIErrorRate", "grp": strconv.Itoa(group), "i": strconv.Itoa(n), "severity": "critical", "endpoint": "/critical/api",
		}),
		Annotations: map[string]string{"summary": "error rate above 5% for 5 minutes on /critical/api"},
	}
}

// stormed is an engine whose one receiver accepts everything and says so.
func stormed(b *testing.B, told chan<- struct{}) *Engine {
	dir := b.TempDir()
	path := filepath.Join(dir, "storm.hcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, `
engine {
  listen   = "127.0.0.1:0"
  data_dir = %q
}
notifier "webhook" "ops" { url = "http://ops.invalid" }
route {
  to             = [notifier.webhook.ops]
  group_by       = ["alertname", "grp"]
  group_wait     = "1s"
  group_interval = "5m"
}`, filepath.Join(dir, "data")), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, diags := config.Load([]string{path}, config.Options{Catalog: Catalog})
	if cfg == nil {
		b.Fatal(diags)
	}
	e, err := New(b.Context(), Options{
		Config: cfg, Logger: zerolog.Nop(),
		World: World{Sender: func(config.Notifier) (delivery.Sender, error) { return accepting(told), nil }},
	})
	if err == nil {
		err = e.Start(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// accepting is a receiver that accepts everything.
type accepting chan<- struct{}

func (a accepting) Send(context.Context, notifier.Notification) (notifier.Result, error) {
	a <- struct{}{}
	return notifier.Result{Outcome: notifier.Delivered}, nil
}

// heapSize is what lives on the heap, in bytes.
func heapSize() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

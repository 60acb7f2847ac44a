package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkHangingReceiver is how long it takes from the post of an alert to its arrival at a receiver: alone, and
// beside one of the same kind, so served by the same plugin process, that takes connections and never answers. One
// alert comes after the other, each a group of its own, which both should hear of at once. It reports percentiles in
// milliseconds of the whole way, over HTTP on both ends.
func BenchmarkHangingReceiver(b *testing.B) {
	for _, tt := range []struct {
		name, to string
		hang     bool
	}{
		{"alone", "notifier.webhook.healthy", false},
		{"beside one that hangs", "notifier.webhook.healthy, notifier.webhook.hanging", true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			arrived := make(chan struct{}, 1)
			healthy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				arrived <- struct{}{}
			}))
			b.Cleanup(healthy.Close)
			over := make(chan struct{})
			var hang atomic.Int64
			hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				hang.Add(1)
				<-over
			}))
			b.Cleanup(hanging.Close)
			b.Cleanup(func() { close(over) })
			url := start(b, writeConfig(b, fmt.Sprintf(`
engine {
  listen   = "127.0.0.1:0"
  data_dir = %q
}
notifier "webhook" "healthy" { url = %q }
notifier "webhook" "hanging" { url = %q }
route {
  to         = [%s]
  group_by   = ["..."]
  group_wait = "0s"
}
`, filepath.Join(b.TempDir(), "data"), healthy.URL, hanging.URL, tt.to))).address(b)

			var delays []time.Duration
			for b.Loop() {
				begun := time.Now()
				call(b, http.MethodPost, url+"/api/v2/alerts", fmt.Sprintf(`[{"labels":{"alertname":"A","n":"%d"}}]`, len(delays)))
				<-arrived
				delays = append(delays, time.Since(begun))
			}
			if n := hang.Load(); (n > 0) != tt.hang {
				b.Fatalf("%d attempts hang", n)
			}
			slices.Sort(delays)
			for _, p := range []int{50, 99, 100} {
				b.ReportMetric(float64(delays[(len(delays)-1)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
		})
	}
}

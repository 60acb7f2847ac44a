package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// service is a simulated web service with a /metrics page: an nginx gateway or an Odoo backend.
type service struct {
	name    string
	address string
	server  *http.Server
	done    chan struct{}

	mu struct {
		sync.Mutex
		since  time.Time // up to when requests have been counted
		broken bool
		counts map[endpointCode]float64
	}
}

type endpointCode struct{ endpoint, code string }

// requestsPerSecond is the traffic on each endpoint of a simulated service.
var requestsPerSecond = map[string]float64{"/critical/api": 200, "/api/v1/orders": 120, "/health": 10}

// errorShare of the requests on /critical/api fails while a service is broken.
const errorShare = 0.3

// startService serves a simulated service on a free port of the loopback interface.
func startService(ctx context.Context, name string) (*service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the simulated %s: %w", name, err)
	}
	s := &service{name: name, address: listener.Addr().String(), done: make(chan struct{})}
	s.mu.since = time.Now()
	s.mu.counts = map[endpointCode]float64{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // ends with ErrServerClosed
	}()
	return s, nil
}

func (s *service) stop(ctx context.Context) {
	_ = s.server.Shutdown(ctx)
	<-s.done
}

// setBroken lets /critical/api fail, or heals it.
func (s *service) setBroken(broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countRequests()
	s.mu.broken = broken
}

// countRequests brings the counters up to now. The caller holds the mutex.
func (s *service) countRequests() {
	now := time.Now()
	seconds := now.Sub(s.mu.since).Seconds()
	s.mu.since = now
	for endpoint, rate := range requestsPerSecond {
		failed := 0.0
		if s.mu.broken && endpoint == "/critical/api" {
			failed = errorShare
		}
		s.mu.counts[endpointCode{endpoint, "200"}] += seconds * rate * (1 - failed)
		s.mu.counts[endpointCode{endpoint, "503"}] += seconds * rate * failed
	}
}

func (s *service) metrics(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.countRequests()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintln(w, "# HELP http_requests_total Requests by endpoint and status code.")
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for _, endpoint := range []string{"/api/v1/orders", "/critical/api", "/health"} {
		for _, code := range []string{"200", "503"} {
			fmt.Fprintf(w, "http_requests_total{code=%q,endpoint=%q} %d\n", code, endpoint, int64(s.mu.counts[endpointCode{endpoint, code}]))
		}
	}
}

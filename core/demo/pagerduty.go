package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// event is what PagerDuty is sent, as far as the story checks it.
type event struct {
	Action   string `json:"event_action"`
	DedupKey string `json:"dedup_key"`
	Payload  struct {
		Summary  string `json:"summary"`
		Severity string `json:"severity"`
	} `json:"payload"`

	body string // the whole event, indented
}

// pager is a stand-in for PagerDuty's Events API v2: it answers 202 and hands over what it got.
type pager struct {
	url    string
	events chan event
	server *http.Server
	done   chan struct{}
}

func startPager(ctx context.Context) (*pager, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the PagerDuty stand-in: %w", err)
	}
	p := &pager{
		url:    "http://" + listener.Addr().String() + "/v2/enqueue",
		events: make(chan event, 16),
		done:   make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/enqueue", p.enqueue)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(listener) // ends with ErrServerClosed
	}()
	return p, nil
}

func (p *pager) stop(ctx context.Context) {
	_ = p.server.Shutdown(ctx)
	<-p.done
}

func (p *pager) enqueue(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 512<<10))
	var e event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		http.Error(w, `{"status":"invalid event","message":"`+err.Error()+`"}`, http.StatusBadRequest)
		return
	}
	var indented bytes.Buffer
	_ = json.Indent(&indented, body, "    ", "  ") // it was valid JSON a moment ago
	e.body = indented.String()

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, e.DedupKey)
	select {
	case p.events <- e:
	default: // the story is over or something sends without end; the check counts what it has
	}
}

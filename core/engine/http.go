package engine

import (
	"context"
	"errors"
	"log" //nolint:depguard // net/http takes no other logger
	"net"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/core/api"
)

// serve answers HTTP until the engine is stopped.
func (e *Engine) serve() {
	options := api.Options{Ready: e.isReady, Degraded: e.degraded, Alertmanager: e.alertmanager(), Metrics: e.metrics.handler(), Tocsin: e.tocsin(), Pages: e.pages()}
	if e.options.Load != nil {
		options.Reload = func() error { return e.Reload(context.Background()) } // whether its caller waits for it or not
		options.Plan = func() any {
			p, err := e.Plan(context.Background())
			if err != nil {
				p.Rejected = err.Error()
			}
			return p
		}
	}
	server := &http.Server{
		Handler:           e.guarded(e.metrics.served(api.New(options))),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         e.tls,
		ErrorLog:          log.New(e.logger.With().Str("part", "http").Logger(), "", 0), // failed handshakes
	}
	serve := server.Serve
	if e.tls != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			e.logger.Error().Err(err).Msg("the HTTP API ended; alerts are still sent")
		}
	}()
	e.opened.push("http", func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		<-done
		return err
	})
}

// guarded lets in who may, by the configuration that runs.
func (e *Engine) guarded(all http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.setup.Load().guard.Handler(all).ServeHTTP(w, r)
	})
}

func (e *Engine) isReady() error {
	if !e.ready.Load() {
		return errors.New("starting or stopping")
	}
	return nil
}

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
	server := &http.Server{
		Handler: guard(e.options.Config.Web).Handler(e.metrics.served(api.New(api.Options{
			Ready: e.isReady, Alertmanager: e.alertmanager(), Metrics: e.metrics.handler(),
		}))),
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

func (e *Engine) isReady() error {
	if !e.ready.Load() {
		return errors.New("starting or stopping")
	}
	return nil
}

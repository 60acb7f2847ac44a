package engine

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/core/api"
)

// serve answers HTTP until the engine is stopped.
func (e *Engine) serve() {
	server := &http.Server{
		Handler:           api.New(api.Options{Ready: e.isReady, Alertmanager: e.alertmanager()}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
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

package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tocsinhq/tocsin/core/state"
)

const (
	// storagePatience is how long whoever has something to store waits for a disk that hangs.
	storagePatience = 2 * time.Second

	// mendEvery is how often storage that refused is asked again when nothing else changes.
	mendEvery = time.Second
)

// openStore opens the durable state. A disk that is full or broken does not keep the engine from running.
func (e *Engine) openStore(dir string) error {
	if given := e.options.World.State; given != nil {
		e.state = state.Impatient(given, storagePatience)
		e.durable = e.state
		return nil
	}
	store, err := state.Open(filepath.Join(dir, "state.db"))
	if state.Refuses(err) {
		e.state = state.Instead(err)
		e.durable = e.state
		return nil
	}
	if err != nil {
		return err
	}
	e.state = state.Impatient(store, storagePatience)
	e.durable = state.Spilling(e.state, filepath.Join(dir, "state.spill"), e.logger)
	return nil
}

// mendStorage has what storage refused written as soon as it takes it, also if nothing changes any more.
func (e *Engine) mendStorage() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(mendEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if _, refused := e.alerts.Refused(); refused != nil {
				_ = e.alerts.Flush() // Refused says so
			}
			e.states.mend()
		}
	}()
	e.opened.push("mending", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// degraded is what an operator must know of storage; nil: what changes is durable.
func (e *Engine) degraded() error {
	var errs []error
	if notice := e.state.Notice(); notice != nil {
		errs = append(errs, notice)
	}
	if since, refused := e.alerts.Refused(); refused != nil {
		errs = append(errs, fmt.Errorf("storage refuses alerts since %s: %w", since.UTC().Format(time.RFC3339), refused))
	}
	if since, refused := e.ledger.Degraded(); refused != nil {
		errs = append(errs, fmt.Errorf("storage refuses deliveries since %s: %w", since.UTC().Format(time.RFC3339), refused))
	}
	return errors.Join(errs...)
}

// storageStands is an error while storage does not answer. Where it refuses it answers, and its own alert is told.
func (e *Engine) storageStands() error {
	if _, err := e.alerts.Refused(); errors.Is(err, state.ErrSlow) {
		return err
	}
	return nil
}

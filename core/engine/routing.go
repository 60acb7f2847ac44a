package engine

import (
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
)

// reroute asks for the routes to be computed again. Rules call it after a whole round, so that an alert which inhibits
// another of the same round is already there.
func (e *Engine) reroute() {
	select {
	case e.changed <- struct{}{}:
	default: // asked for already
	}
}

// routeChanges computes what every receiver should know whenever that may have changed.
func (e *Engine) routeChanges() {
	e.reroute() // what was firing before the start
	for range e.changed {
		now := time.Now()
		e.ledger.Reconcile(route.Desired(route.Input{Alerts: e.alerts.All(), Root: e.routes, Now: now}), now)
	}
}

// forget drops resolved alerts that every receiver knows to be over.
func (e *Engine) forget(settled []alert.Fingerprint) {
	if err := e.alerts.Forget(settled...); err != nil {
		e.logger.Error().Err(err).Msg("forget settled alerts: they are kept and tried again")
	}
}

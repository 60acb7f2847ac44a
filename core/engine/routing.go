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

// routeChanges computes what every receiver should know whenever that may have changed: when alerts changed, and when a
// silence or a schedule begins or ends.
func (e *Engine) routeChanges() {
	e.reroute() // what was firing before the start
	var valid span
	nap := time.NewTimer(longestNap)
	defer nap.Stop()
	for {
		select {
		case _, open := <-e.changed:
			if !open {
				return
			}
		case <-nap.C:
			if now := time.Now(); valid.holds(now) {
				nap.Reset(valid.nap(now))
				continue
			}
		}
		now := time.Now()
		in := e.routingInput(now)
		e.ledger.Reconcile(route.Desired(in), now)
		e.observeSilences(in)
		valid = span{from: now.Round(0), until: route.Next(in)}
		nap.Reset(valid.nap(now))
	}
}

// span is the time for which a decision holds as long as alerts do not change, by the clock on the wall, which silences
// and schedules go by. A zero until has no end.
type span struct{ from, until time.Time }

func (s span) holds(now time.Time) bool {
	return s.until.IsZero() || !now.Round(0).Before(s.from) && now.Before(s.until)
}

// longestNap bounds how late it is noticed that the clock was set, or that the machine slept.
const longestNap = 5 * time.Second

// nap is how long to wait before holds is asked again.
func (s span) nap(now time.Time) time.Duration {
	if s.until.IsZero() {
		return longestNap
	}
	return min(s.until.Sub(now), longestNap)
}

// decided takes what delivery decided.
func (e *Engine) decided(d alert.Decision) {
	e.metrics.decided(d)
	e.journal.Record(d)
}

// forget drops resolved alerts that every receiver knows to be over.
func (e *Engine) forget(settled []alert.Fingerprint) {
	if err := e.alerts.Forget(settled...); err != nil {
		e.logger.Error().Err(err).Msg("forget settled alerts: they are kept and tried again")
	}
}

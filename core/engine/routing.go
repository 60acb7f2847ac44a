package engine

import (
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/route"
)

// alertsChanged asks for the routes of the alerts that changed. Rules call it after a whole round, so that an alert which
// inhibits another of the same round is already there.
func (e *Engine) alertsChanged() {
	select {
	case e.changed <- struct{}{}:
	default: // asked for already
	}
}

// reroute asks for the routes of all alerts to be computed again, after a change of anything else that decides.
func (e *Engine) reroute() {
	e.anew.Store(true)
	e.alertsChanged()
}

// routeChanges computes what every receiver should know whenever that may have changed: when alerts changed, and when a
// silence or a schedule begins or ends, or an alert is acknowledged.
func (e *Engine) routeChanges() {
	e.alertsChanged() // what was firing before the start
	d := decider{input: e.routingInput, watch: e.alerts.Watch()}
	nap := time.NewTimer(longestNap)
	defer nap.Stop()
	for {
		select {
		case _, open := <-e.changed:
			if !open {
				return
			}
		case <-nap.C:
			if now := time.Now(); d.valid.holds(now) {
				nap.Reset(d.valid.nap(now))
				continue
			}
		}
		e.deciding.Lock()
		now := time.Now()
		if groups, all := d.decide(now, e.anew.Swap(false)); all {
			e.ledger.Reconcile(groups, now)
		} else {
			e.ledger.Update(groups, now)
		}
		e.deciding.Unlock()
		e.observeSilences(d.router, now)
		e.observeAcks(now)
		e.observeConfigured(d.router, d.silences, now)
		e.tellEnded(now)
		nap.Reset(d.valid.nap(now))
	}
}

// decider decides what every receiver should know: everything at first, and where something else than alerts changed;
// from then on what changed.
type decider struct {
	input func(now time.Time) route.Input // all that decides at that time
	watch *alert.Watch

	router   *route.Router
	silences []route.Silence // that the router was made with
	valid    span            // of the router
}

// decide returns the groups that changed, or all of them. Where anew is true it decides everything again.
func (d *decider) decide(now time.Time, anew bool) (groups []alert.Group, all bool) {
	changed, gone := d.watch.Take() // before the input, which has all of these, or newer ones
	if all = d.router == nil || anew || !d.valid.holds(now); all {
		in := d.input(now)
		d.router, d.silences, d.valid = route.New(in), in.Silences, span{from: now.Round(0), until: route.Next(in)}
	} else {
		d.router.Update(changed, gone)
	}
	return d.router.Changed(), all
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
	e.drills.Observe(&d)
	e.journal.Record(d)
}

// forget drops resolved alerts that every receiver knows to be over.
func (e *Engine) forget(settled []alert.Fingerprint) {
	if err := e.alerts.Forget(settled...); err != nil {
		e.logger.Error().Err(err).Msg("forget settled alerts: they are kept and tried again")
	}
}

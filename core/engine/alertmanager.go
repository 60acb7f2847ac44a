package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/intake"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/silence"
)

// apiVersion is the release of Alertmanager whose API is spoken. amtool compares it with its own.
const apiVersion = "0.34.0"

// openIntake prepares to take the alerts that others raise.
func (e *Engine) openIntake() {
	cfg := e.options.Config.Engine
	e.intake = intake.New(intake.Options{
		Alerts: e.alerts, ResolveTimeout: cfg.ResolveTimeout, Hold: cfg.ExternalExpiry == "unknown",
		Record: e.journal.Record, OnChange: e.alertsChanged, Logger: e.logger,
	}, time.Now())
}

// openSilences loads the silences that people made.
func (e *Engine) openSilences() (err error) {
	if e.silences, err = silence.Open(e.state); err != nil {
		return err
	}
	for _, err := range e.silences.Damaged() {
		e.logger.Error().Err(err).Msg("a silence cannot be read: what it hid is told")
	}
	return nil
}

// routingInput is all that decides who hears of what at that time.
func (e *Engine) routingInput(now time.Time) route.Input {
	return e.inputOf(e.setup.Load().routes, e.alerts.All(), now)
}

// inputOf is all that decides where alerts are routed like that.
func (e *Engine) inputOf(in route.Input, alerts []alert.Alert, now time.Time) route.Input {
	in.Alerts, in.Now, in.Acks = alerts, now, e.acks.Acks()
	in.Silences = e.notOver(in.Silences)
	for _, s := range e.silences.All() {
		if s.At(now) != silence.Expired {
			in.Silences = append(in.Silences, route.Silence{ID: s.ID, Matchers: s.Matchers, StartsAt: s.StartsAt, EndsAt: s.EndsAt})
		}
	}
	return in
}

// observeSilences ends the silences that last until what they hid is over, and forgets old ones.
func (e *Engine) observeSilences(router *route.Router, now time.Time) {
	hiding := map[string]bool{}
	for _, s := range e.silences.All() {
		if s.UntilResolved && s.At(now) == silence.Active {
			hiding[s.ID] = router.Hides(s.ID)
		}
	}
	if len(hiding) > 0 {
		over, err := e.silences.Observe(hiding, now)
		if err != nil {
			e.logger.Error().Err(err).Msg("end silences that hide nothing any more: they are tried again")
		}
		for _, id := range over {
			if s, ok := e.silences.Get(id); ok {
				e.tellSilence(&s, alert.CauseSilenceIdle, now)
			}
		}
		if len(over) > 0 {
			e.reroute()
		}
	}
	if err := e.silences.Forget(now); err != nil {
		e.logger.Error().Err(err).Msg("forget old silences: they are tried again")
	}
}

// alertmanager is what the API of Alertmanager shows and changes.
func (e *Engine) alertmanager() *api.Alertmanager {
	return &api.Alertmanager{
		Post: e.post, Alerts: e.firing, Groups: e.groups, Silences: reroutingSilences{e.silences, e},
		Config: func() string { return alertmanagerConfig(e.setup.Load().config) }, Receivers: e.receivers, Version: apiVersion, Revision: e.options.Version, Started: time.Now(),
	}
}

// receivers are the references of all receivers.
func (e *Engine) receivers() (refs []string) {
	for _, r := range e.setup.Load().receivers {
		refs = append(refs, r.Ref)
	}
	return refs
}

// post takes the alerts of others.
func (e *Engine) post(posted []api.Posted) error {
	alerts := make([]intake.Posted, len(posted))
	for i, p := range posted {
		alerts[i] = intake.Posted(p)
	}
	err := e.intake.Post(alerts, time.Now())
	if errors.Is(err, alert.ErrNotDurable) {
		return fmt.Errorf("%w: %w", api.ErrStorage, err)
	}
	return err
}

// firing are the alerts that fire, with what the routes make of them.
func (e *Engine) firing() []api.Alert {
	standings := route.Explain(e.routingInput(time.Now()))
	alerts := make([]api.Alert, len(standings))
	for i, s := range standings {
		alerts[i] = api.Alert{Alert: s.Alert, Receivers: s.Receivers, SilencedBy: s.SilencedBy, MutedBy: s.MutedBy, Routed: true}
		if s.InhibitedBy != nil {
			alerts[i].InhibitedBy = []string{s.InhibitedBy.Fingerprint.String()}
		}
	}
	return alerts
}

// groups are what each receiver should know.
func (e *Engine) groups() []api.Group {
	in := e.routingInput(time.Now())
	standing := map[alert.Fingerprint]api.Alert{}
	for _, a := range e.firing() {
		standing[a.Fingerprint] = a
	}
	var groups []api.Group
	for _, g := range route.Desired(in) {
		group := api.Group{Receiver: g.Receiver, Labels: g.Labels}
		for _, m := range g.Members {
			if a, fires := standing[m.Alert.Fingerprint]; fires {
				group.Alerts = append(group.Alerts, a)
			}
		}
		if len(group.Alerts) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

// reroutingSilences has the routes computed again after each change, and the change in the journal.
type reroutingSilences struct {
	*silence.Store
	engine *Engine
}

// Set implements [api.Silences].
func (s reroutingSilences) Set(wanted silence.Silence, now time.Time) (string, error) {
	id, err := s.Store.Set(wanted, now)
	s.engine.reroute()
	if made, ok := s.Get(id); err == nil && ok {
		cause := alert.CauseSilenceMade
		if wanted.ID != "" {
			cause = alert.CauseSilenceChanged
		}
		s.engine.tellSilence(&made, cause, now)
	}
	return id, err
}

// Expire implements [api.Silences].
func (s reroutingSilences) Expire(id string, now time.Time) error {
	err := s.Store.Expire(id, now)
	s.engine.reroute()
	if ended, ok := s.Get(id); err == nil && ok {
		s.engine.tellSilence(&ended, alert.CauseSilenceExpired, now)
	}
	return err
}

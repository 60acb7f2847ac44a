package engine

import (
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/route"
)

// openAcks loads who has taken which alert.
func (e *Engine) openAcks() (err error) {
	if e.acks, err = ack.Open(e.state); err != nil {
		return err
	}
	for _, err := range e.acks.Damaged() {
		e.logger.Error().Err(err).Msg("an acknowledgement cannot be read: its alert is told again")
	}
	return nil
}

// take has somebody take the alerts that fire now and are asked for; it is durable when it returns them.
func (e *Engine) take(t api.Taking) ([]alert.Ack, error) {
	now := time.Now()
	var acks []alert.Ack
	for _, a := range e.takable(&t) {
		acks = append(acks, alert.Ack{
			Fingerprint: a.Fingerprint, Labels: a.Labels, FiredAt: a.FiredAt, Owner: t.Owner, Reason: t.Reason, At: now, Until: t.Until,
		})
	}
	if len(acks) == 0 {
		return nil, fmt.Errorf("%w: no alert that fires matches", api.ErrNothing)
	}
	if err := e.acks.Take(acks); err != nil {
		return nil, err
	}
	for i := range acks {
		e.recordAck(&acks[i], alert.CauseAcknowledged, t.Owner)
	}
	e.reroute()
	return acks, nil
}

// takable are the alerts that fire and are asked for: those of a group, or those that a question is about.
func (e *Engine) takable(t *api.Taking) (found []*alert.Alert) {
	alerts := e.alerts.All()
	inGroup := map[alert.Fingerprint]bool{}
	if t.Group != "" {
		for _, g := range route.Desired(e.inputOf(e.setup.Load().routes, alerts, time.Now())) {
			for _, m := range g.Members {
				if g.Key == t.Group {
					inGroup[m.Alert.Fingerprint] = true
				}
			}
		}
	}
	for i := range alerts {
		a := &alerts[i]
		switch {
		case a.State != alert.Firing || a.Shadow:
		case t.Group != "" && !inGroup[a.Fingerprint]:
		case t.Alert.Fingerprint != 0 && t.Alert.Fingerprint != a.Fingerprint:
		case asksFor(&t.Alert, a.Rule, a.Labels):
			found = append(found, a)
		}
	}
	return found
}

// withdraw takes an acknowledgement back; by says who did.
func (e *Engine) withdraw(fp alert.Fingerprint, by string) error {
	k, taken := e.acks.Acks()[fp]
	if !taken {
		return fmt.Errorf("alert %s: %w", fp, ack.ErrNotFound)
	}
	ended, err := e.acks.End(k)
	if err != nil || len(ended) == 0 {
		return err
	}
	e.recordAck(&ended[0], alert.CauseAckWithdrawn, by)
	e.reroute()
	return nil
}

// observeAcks ends the acknowledgements that do not count any more, so that one does not count again.
func (e *Engine) observeAcks(now time.Time) {
	over := map[alert.Cause][]alert.Ack{}
	for fp, k := range e.acks.Acks() {
		var about *alert.Alert
		if a, known := e.alerts.Get(fp); known {
			about = &a
		}
		if cause := k.Over(about, now); cause != "" {
			over[cause] = append(over[cause], k)
		}
	}
	for cause, acks := range over {
		ended, err := e.acks.End(acks...)
		if err != nil {
			e.logger.Error().Err(err).Msg("end acknowledgements that are over: they are tried again")
			continue
		}
		for i := range ended {
			e.recordAck(&ended[i], cause, "")
		}
		e.reroute()
	}
}

// recordAck writes what became of an acknowledgement to the journal.
func (e *Engine) recordAck(k *alert.Ack, cause alert.Cause, by string) {
	d := alert.Decision{
		Time: time.Now(), Kind: alert.KindAck, Cause: cause, Fingerprint: k.Fingerprint, Rule: k.Labels.Get("alertname"), Labels: k.Labels, By: by,
		Reason: string(cause),
	}
	if by != "" {
		d.Reason += " by " + by
	}
	switch cause {
	case alert.CauseAcknowledged:
		d.Until = k.Until
		if !k.Until.IsZero() {
			d.Reason += " until " + k.Until.UTC().Format(time.RFC3339)
		}
		if k.Reason != "" {
			d.Reason += ": " + k.Reason
		}
	case alert.CauseAckLifted:
		d.Reason += ": the severity is higher than what " + k.Owner + " took"
	}
	e.journal.Record(d)
}

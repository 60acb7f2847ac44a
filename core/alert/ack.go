package alert

import (
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Ack says that somebody has taken an alert: while it stays as it was then, nobody is told more of it. Its end is told,
// and so is everything again once its severity is higher than it was.
type Ack struct {
	Fingerprint Fingerprint  `json:"fingerprint"`
	Labels      frame.Labels `json:"labels"`  // of the alert when it was taken
	FiredAt     time.Time    `json:"firedAt"` // of the incident: the next one is nobody's
	Owner       string       `json:"owner"`
	Reason      string       `json:"reason,omitempty"`
	At          time.Time    `json:"at"`
	Until       time.Time    `json:"until,omitzero"` // zero: as long as the incident lasts
}

// Over tells why an acknowledgement does not count any more for the alert as it is, nil if there is none: one of the
// causes of [KindAck]; "" while it counts.
func (k *Ack) Over(a *Alert, now time.Time) Cause {
	switch {
	case a == nil || a.State != Firing || !a.FiredAt.Equal(k.FiredAt):
		return CauseAckOver
	case Rises(k.Labels, a.Labels):
		return CauseAckLifted
	case !k.Until.IsZero() && !now.Before(k.Until):
		return CauseAckExpired
	}
	return ""
}

package drill

import (
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Drill is how one stands.
type Drill struct {
	ID          string            `json:"id"`
	Fingerprint alert.Fingerprint `json:"fingerprint"`
	Labels      map[string]string `json:"labels"`
	State       State             `json:"state"`
	StartedAt   time.Time         `json:"startedAt"`
	EndedAt     time.Time         `json:"endedAt,omitzero"` // of the alert: from here on receivers should know that it is over
	Reason      string            `json:"reason,omitempty"` // why it was given up; "" if it was not
	Receivers   []Receiver        `json:"receivers"`        // in the order of references and groups, those of fallbacks last
}

// State of a drill.
type State string

// The states.
const (
	Opening State = "opening" // the alert fires
	Closing State = "closing" // it is over, and receivers are told so
	Done    State = "done"    // nobody is waited for any more
)

// Receiver is what became of a drill at one receiver.
type Receiver struct {
	Receiver string `json:"receiver"`
	Group    string `json:"group"`
	Fallback bool   `json:"fallback,omitempty"` // hears of it because another did not accept it in time
	Withheld string `json:"withheld,omitempty"` // why it is not told: "silenced by migration"
	OpenOnly bool   `json:"openOnly,omitempty"` // it is not told of the end (send_resolved = false)
	Rejected bool   `json:"rejected,omitempty"` // it will never accept it
	Opened   Step   `json:"opened"`
	Closed   Step   `json:"closed"`
	Error    string `json:"error,omitempty"` // what it answered last, if it did not accept that
}

// Step is one of the two things that a receiver is told.
type Step struct {
	At       time.Time `json:"at,omitzero"`       // when it accepted that; zero while it has not
	Seconds  float64   `json:"seconds,omitempty"` // until then, from when the alert began or ended
	Attempts int       `json:"attempts"`
}

// OK tells that every receiver was told that the alert fires, and of its end.
func (d *Drill) OK() bool {
	return d.State == Done && !slices.ContainsFunc(d.Receivers, func(r Receiver) bool {
		return r.Opened.At.IsZero() || r.Closed.At.IsZero() && !r.OpenOnly
	})
}

// opened tells that there is nobody left from whom to wait for an answer.
func (d *Drill) opened() bool {
	return !slices.ContainsFunc(d.Receivers, func(r Receiver) bool {
		return r.Opened.At.IsZero() && r.Withheld == "" && !r.Rejected
	})
}

// closed tells the same of the end.
func (d *Drill) closed() bool {
	return !slices.ContainsFunc(d.Receivers, func(r Receiver) bool {
		begun := !r.Opened.At.IsZero() || r.Opened.Attempts > 0 && !r.Rejected // or it may believe that it fires
		return begun && r.Closed.At.IsZero() && !r.OpenOnly && !r.Rejected
	})
}

func (d *Drill) clone() Drill {
	c := *d
	c.Receivers = slices.Clone(d.Receivers)
	return c
}

// drill is one with what only its manager needs.
type drill struct {
	alert   alert.Alert
	timeout time.Duration
	changed chan struct{} // capacity 1
	now     Drill         // guarded by the manager's mutex
}

// Observe takes what delivery decides. It does not block.
func (m *Manager) Observe(d *alert.Decision) {
	if d.Receiver == "" || m.running.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, each := range m.mu.drills {
		if each.now.State != Done && each.now.note(d) {
			select {
			case each.changed <- struct{}{}:
			default:
			}
		}
	}
}

// note takes a decision, and tells whether it changes anything.
func (d *Drill) note(decision *alert.Decision) bool {
	at := slices.IndexFunc(d.Receivers, func(r Receiver) bool { return r.Receiver == decision.Receiver && r.Group == decision.Group })
	if at < 0 {
		if decision.Fingerprint != d.Fingerprint {
			return false
		}
		at = len(d.Receivers)
		d.Receivers = append(d.Receivers, Receiver{Receiver: decision.Receiver, Group: decision.Group, Fallback: true})
	}
	r := &d.Receivers[at]
	switch decision.Kind {
	case alert.KindIntent:
		if r.Opened.At.IsZero() {
			r.Opened.Attempts++
		} else {
			r.Closed.Attempts++
		}
	case alert.KindWithheld:
		r.Withheld = decision.Reason
	case alert.KindLifted:
		r.Withheld = ""
	case alert.KindRetry:
		r.Error = decision.Reason
	case alert.KindDeadLetter:
		r.Rejected, r.Error = true, decision.Reason
	case alert.KindAccepted:
		if r.Opened.At.IsZero() { // also where it is told only now that it is over
			r.Opened.At, r.Opened.Seconds = decision.Time, decision.Time.Sub(d.StartedAt).Seconds()
		}
		if decision.To == alert.Resolved.String() {
			r.Closed.At, r.Closed.Seconds = decision.Time, decision.Time.Sub(d.EndedAt).Seconds()
		}
		r.Error, r.Rejected, r.Withheld = "", false, ""
	default:
		return false
	}
	return true
}

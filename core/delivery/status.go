package delivery

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Record is where one receiver stands with one group, for people and tests.
type Record struct {
	Receiver  string       `json:"receiver"`
	Group     string       `json:"group"`
	DedupKey  string       `json:"dedupKey"`
	Labels    frame.Labels `json:"labels,omitempty"`
	State     RecordState  `json:"state"`
	Firing    int          `json:"firing"`    // alerts that the receiver should believe to fire
	Instances []Instance   `json:"instances"` // what it knows

	AcceptedAt time.Time `json:"acceptedAt,omitzero"`
	Reference  string    `json:"reference,omitempty"`
	Attempt    *Attempt  `json:"attempt,omitempty"` // the last one, if it was not accepted
	Failures   int       `json:"failures,omitempty"`
	NextAt     time.Time `json:"nextAt,omitzero"` // when something is sent as things stand: a change, a retry or a repeat
	Error      string    `json:"error,omitempty"`

	OwedSince time.Time `json:"owedSince,omitzero"` // when the first of what it does not know was due; zero while it knows all that is
}

// RecordState sums a record up.
type RecordState string

// The states.
const (
	Idle       RecordState = "idle"        // the receiver knows everything
	Waiting    RecordState = "waiting"     // for a timer
	Queued     RecordState = "queued"      // for the receiver
	Sending    RecordState = "sending"     //
	Retrying   RecordState = "retrying"    // after a failure
	DeadLetter RecordState = "dead letter" // the receiver rejected it
	SummedUp   RecordState = "summed up"   // in the storm page
	Orphaned   RecordState = "orphaned"    // the receiver is not configured any more
)

// Records returns all records, ordered by receiver and group.
func (l *Ledger) Records() []Record {
	l.mu.Lock()
	defer l.unlock()
	all := make([]Record, 0, len(l.mu.records))
	for _, rec := range l.mu.records {
		all = append(all, rec.report())
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Group, b.Group))
	})
	return all
}

func (r *record) report() Record {
	report := Record{
		Receiver: r.Receiver, Group: r.Group, DedupKey: r.dedup, Labels: r.Labels, Instances: slices.Clone(r.Instances),
		AcceptedAt: r.AcceptedAt, Reference: r.Reference, Failures: r.Failures, Error: r.Error,
	}
	if r.Attempt != nil {
		attempt := *r.Attempt
		report.Attempt = &attempt
	}
	if r.at >= 0 {
		report.NextAt = r.due
	}
	report.OwedSince = r.owedSince(time.Now())
	changed := false
	if r.present || r.adopted {
		s := r.survey()
		report.Firing, changed = s.firing, s.changed()
	}
	switch {
	case r.receiver == nil:
		report.State = Orphaned
	case r.busy:
		report.State = Sending
	case r.queued:
		report.State = Queued
	case r.Dead != "" && r.at < 0:
		report.State = DeadLetter
	case r.Failures > 0 || r.Attempt != nil:
		report.State = Retrying
	case changed:
		report.State = Waiting
	case r.holdsSummed():
		report.State = SummedUp
	default:
		report.State = Idle
	}
	return report
}

// owedSince is when the first of what is to be told was due; zero if nothing is yet.
func (r *record) owedSince(now time.Time) (first time.Time) {
	if !r.present && !r.adopted {
		return time.Time{}
	}
	s := r.survey()
	r.parts(func(m *alert.Member, known *Instance) {
		var due time.Time
		switch r.roleOf(m, known) {
		case opening:
			if known == nil || known.Lifted == "" || r.Attempt != nil { // else it was withheld until a moment ago
				due, _ = r.dueOf(m.Alert, &s)
			}
		case closing, late:
			if m != nil {
				due = m.Alert.ResolvedAt
			} else {
				due = known.GoneAt
			}
			if s.accepted && r.present {
				due = latest(due, r.AcceptedAt.Add(r.group.Interval))
			}
		}
		if !due.IsZero() && !due.After(now) && (first.IsZero() || due.Before(first)) {
			first = due
		}
	})
	return first
}

package delivery

import (
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// fallbackSuffix makes the key of the group that the receivers of a fallback hear of.
const fallbackSuffix = "/fallback"

// overdueAt returns when a fallback has to step in because the receiver did not take what was due; zero if nothing is.
// What it rejected for ever is overdue at once.
func (r *record) overdueAt() time.Time {
	f := r.group.Fallback
	if f == nil || !r.present {
		return time.Time{}
	}
	s := r.survey()
	var due time.Time
	r.parts(func(m *alert.Member, known *Instance) {
		untold := m != nil && m.Alert.State == alert.Firing && known != nil && known.Status == Summed && known.ToldAt.IsZero()
		if r.roleOf(m, known) != opening && !untold {
			return
		}
		at, _ := r.dueOf(m.Alert, &s)
		if r.Dead == "" {
			at = at.Add(f.After)
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	})
	return due
}

// fallBack has others hear of a group as long as its receiver does not take what is due, and then until it is over for
// them too. It is called after everything that may change that, and returns the records of the others. The mutex is
// held.
func (l *Ledger) fallBack(rec *record, now time.Time) (others []*record) {
	f := rec.group.Fallback
	if f == nil {
		return nil
	}
	due := rec.overdueAt()
	overdue := !due.IsZero() && !due.After(now)
	for _, ref := range f.To {
		if ref == rec.Receiver {
			continue
		}
		other := l.mu.records[recordKey{ref, rec.Group + fallbackSuffix}]
		switch {
		case other == nil && !overdue:
			continue
		case other == nil:
			other = l.recordOf(rec.fallbackGroup(ref))
		}
		if other.behind == nil {
			other.behind = map[*record]bool{}
		}
		if overdue && !other.behind[rec] {
			l.decide(other, alert.Decision{Kind: alert.KindGrouped, Cause: alert.CauseFallback, Labels: rec.Labels, Reason: fallbackNote(rec, now)})
		}
		if delete(other.behind, rec); rec.present {
			other.behind[rec] = overdue
		}
		l.engage(other, rec, now)
		others = append(others, other)
	}
	return others
}

// engage says what a receiver of a fallback should know: nothing, or what the receiver that is behind should.
func (l *Ledger) engage(other, rec *record, now time.Time) {
	wanted := len(other.behind) > 0 && other.unsettled()
	for _, overdue := range other.behind {
		wanted = wanted || overdue
	}
	other.generation = l.mu.generation
	switch {
	case !wanted:
		l.adopt(other, nil, now)
	case rec.present:
		g := rec.fallbackGroup(other.Receiver)
		if g.Note = other.group.Note; !other.present || g.Note == "" {
			g.Note = fallbackNote(rec, now)
		}
		l.adopt(other, g, now)
	}
}

// fallbackGroup is the group as a receiver of the fallback hears of it: at once.
func (r *record) fallbackGroup(receiver string) *alert.Group {
	g := r.group
	g.Receiver, g.Key, g.Fallback, g.Wait = receiver, r.Group+fallbackSuffix, nil, 0
	return &g
}

func fallbackNote(rec *record, now time.Time) string {
	if rec.Dead != "" {
		return fmt.Sprintf("fallback: %s rejected this: %s", rec.Receiver, rec.Error)
	}
	note := fmt.Sprintf("fallback: %s has not accepted this by %s", rec.Receiver, hourMinute(now))
	if rec.Error != "" {
		note += ": " + rec.Error
	}
	return note
}

package delivery

import (
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// conclude brings everything that depends on a record up to date after a change. The mutex is held.
func (l *Ledger) conclude(rec *record, now time.Time) {
	if !rec.busy && !rec.queued {
		if !rec.speaks(now) { // nothing to say, so nothing failed either
			if rec.Attempt != nil || rec.Dead != "" {
				l.touch(rec)
			}
			rec.Attempt, rec.Failures, rec.NextAt, rec.Dead = nil, 0, time.Time{}, ""
			if rec.opened() { // it may have been taken
				rec.paged(now)
			}
			rec.unpaged()
			if rec.receiver != nil {
				rec.Error = ""
			}
		}
	}
	l.account(rec)
	l.plan(rec, now)
	if !rec.present && !rec.busy && !rec.queued && !rec.unsettled() {
		l.mu.timetable.remove(rec)
		delete(l.mu.records, recordKey{rec.Receiver, rec.Group})
		if rec.receiver != nil && rec.receiver.mu.retired {
			l.retire()
		}
	}
}

// account notes which resolved alerts a record waits for, and settles those that it was the last to wait for. A record
// whose receiver is gone waits for nobody: it holds itself what it needs.
func (l *Ledger) account(rec *record) {
	var owes []alert.Fingerprint
	if rec.receiver != nil {
		rec.parts(func(m *alert.Member, known *Instance) {
			if m == nil || m.Alert.State != alert.Resolved {
				return
			}
			if role := rec.roleOf(m, known); role == closing || role == late || known != nil && known.Status == Summed {
				owes = append(owes, m.Alert.Fingerprint)
			}
		})
	}
	before := rec.owes
	rec.owes = owes
	for _, fp := range owes {
		l.mu.owed[fp]++
	}
	for _, fp := range before {
		if l.mu.owed[fp]--; l.mu.owed[fp] > 0 {
			continue
		}
		delete(l.mu.owed, fp)
		if members := rec.group.Members; rec.present {
			if m := memberOf(&members, fp); m != nil && m.Alert.State == alert.Resolved {
				l.settle(fp)
			}
		}
	}
}

// settle reports alerts once everything that was decided so far is durable. The mutex is held.
func (l *Ledger) settle(fps ...alert.Fingerprint) {
	if len(fps) == 0 || l.options.Settled == nil {
		return
	}
	l.mu.batch.settled = append(l.mu.batch.settled, fps...)
	signal(l.dirty)
}

// wakeUp does what a record's time has come for: what is due is owed from here on, so that an alert that ends before the
// receiver answers is told all the same; and where nothing stands against it, it is handed to the receiver. The mutex
// is held.
func (l *Ledger) wakeUp(rec *record, now time.Time) {
	send := false
	if !rec.busy && !rec.queued {
		due := rec.next(now)
		send = !due.IsZero() && !due.After(now) && rec.speaks(now)
	}
	l.owe(rec, send, now)
	l.fallBack(rec, now)
}

// owe notes what is due, everything that there is to tell where it is to be sent now, and hands it to the receiver
// then. The mutex is held.
func (l *Ledger) owe(rec *record, send bool, now time.Time) {
	s := rec.survey()
	var owed []alert.Fingerprint
	rec.parts(func(m *alert.Member, known *Instance) {
		if rec.roleOf(m, known) != opening || known != nil && known.Status != Closed {
			return
		}
		if due, _ := rec.dueOf(m.Alert, &s); send || !due.After(now) {
			owed = append(owed, m.Alert.Fingerprint)
		}
	})
	for _, fp := range owed {
		rec.put(fp, Due)
	}
	switch {
	case send && !l.affords(rec, now):
		l.sumUp(rec, now)
	case send && l.offer(rec, now):
		l.plan(rec, now) // its intent is written soon
	case len(owed) > 0:
		l.touch(rec)
		fallthrough
	default:
		l.conclude(rec, now)
	}
}

// Retry tries a record again now, whatever it waits for, also one that was rejected. It returns an error where there
// is no such record or nothing to tell.
func (l *Ledger) Retry(receiver, group string) error {
	l.mu.Lock()
	defer l.unlock()
	rec := l.mu.records[recordKey{receiver, group}]
	if rec == nil || rec.receiver == nil || !l.mu.reconciled {
		return fmt.Errorf("retry %s %s: there is no such delivery", receiver, group)
	}
	rec.Dead, rec.NextAt = "", time.Time{}
	now := time.Now()
	if rec.busy || rec.queued {
		return nil
	}
	if !rec.speaks(now) {
		return fmt.Errorf("retry %s %s: there is nothing to tell", receiver, group)
	}
	l.owe(rec, true, now)
	return nil
}

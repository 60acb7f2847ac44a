package delivery

import (
	"fmt"
	"time"
)

// Configure makes the receivers those of a new configuration, while everything goes on: records, timers, queues and
// attempts under way stay as they are; the next attempt goes through the new sender. A receiver that is gone is kept
// until what is open there is closed; then [Options.Retired] is told, after which its sender is not used any more.
// Have a Reconcile without its groups follow. After an error nothing has changed.
//
// externalURL is what [Options.ExternalURL] was.
func (l *Ledger) Configure(receivers []Receiver, externalURL string) error {
	if err := Check(receivers); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.unlock()
	now := time.Now()
	l.options.ExternalURL = externalURL
	wanted := map[string]bool{}
	for _, r := range receivers {
		wanted[r.Ref] = true
		if old := l.receivers[r.Ref]; old != nil {
			old.become(r)
			continue
		}
		fresh := newReceiver(r)
		l.receivers[r.Ref] = fresh
		for _, rec := range l.mu.records { // of a former configuration that had it too
			if rec.Receiver == r.Ref {
				rec.receiver, rec.Error = fresh, ""
				l.weigh(rec)
				l.conclude(rec, now)
			}
		}
	}
	for ref, r := range l.receivers {
		r.mu.retired = !wanted[ref]
	}
	l.retire()
	return nil
}

// Check finds what would make receivers unusable, in [New] and [Ledger.Configure].
func Check(receivers []Receiver) error {
	seen := map[string]bool{}
	for _, r := range receivers {
		if r.Ref == "" || r.Sender == nil {
			return fmt.Errorf("delivery: receiver %q has no reference or no sender", r.Name)
		}
		if seen[r.Ref] {
			return fmt.Errorf("delivery: two receivers are called %s", r.Ref)
		}
		seen[r.Ref] = true
	}
	return nil
}

// become takes over a new configuration; queue, pause and failures stay. The mutex is held.
func (r *receiver) become(next Receiver) {
	if next.Rate != r.Rate || next.Burst != r.Burst {
		r.bucket = newBucket(next)
	}
	r.Receiver = next.withDefaults()
}

// retire drops the receivers that are gone and have no record left. The mutex is held.
func (l *Ledger) retire() {
	for ref, r := range l.receivers {
		if !r.mu.retired || r.mu.workers > 0 || l.knows(r) {
			continue
		}
		delete(l.receivers, ref)
		l.mu.retired = append(l.mu.retired, ref)
	}
}

// knows tells whether a record of the receiver is left. The mutex is held.
func (l *Ledger) knows(r *receiver) bool {
	for _, rec := range l.mu.records {
		if rec.receiver == r {
			return true
		}
	}
	return false
}

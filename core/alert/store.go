package alert

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Committer is the durable state as the store uses it.
type Committer interface {
	// Commit writes all values or none and returns when they are durable. A nil value deletes its key.
	Commit(writes map[string][]byte) error
	// Load visits every key that begins with prefix.
	Load(prefix string, visit func(key string, value []byte) error) error
}

// ErrNotDurable says that a change was made in memory only, because storage refused it. The change counts: the store
// writes it with the next change, or on [Store.Flush].
var ErrNotDurable = errors.New("alerts changed in memory only")

// Store holds the alerts that are not over yet: in memory for those who ask, and durably for the next start.
//
// A change is durable before it can be seen here, so nobody acts on what a crash would undo. Only where storage
// refuses is it seen without that: alerting goes on, see [ErrNotDurable].
type Store struct {
	committer Committer
	damaged   []error

	// Held by whoever commits. Changes queue up meanwhile and go together into the next commit, so that a storm of
	// transitions costs few of them.
	committing sync.Mutex
	places     map[Fingerprint]place // of what is stored, or may be; guarded by committing
	lastPlace  place

	mu struct {
		sync.Mutex
		alerts  map[Fingerprint]*Alert // what they point to is never changed
		rules   map[string]map[Fingerprint]struct{}
		queue   []*change
		dirty   map[Fingerprint]struct{} // memory differs from what is durable
		refused error                    // what storage said to the last commit, nil when it accepted
		since   time.Time                // storage refuses since
		watches []*Watch
	}
}

// OpenStore loads the alerts that a former process left. A record that cannot be read is set aside under another key
// and named by [Store.Damaged]; an error means that storage itself could not be read.
func OpenStore(c Committer) (*Store, error) {
	s := &Store{committer: c, places: map[Fingerprint]place{}}
	s.mu.alerts = map[Fingerprint]*Alert{}
	s.mu.rules = map[string]map[Fingerprint]struct{}{}
	s.mu.dirty = map[Fingerprint]struct{}{}

	aside := map[string][]byte{}
	err := c.Load(prefix, func(k string, value []byte) error {
		a, err := decode(k, value)
		if err != nil {
			s.damaged = append(s.damaged, err)
			aside[asideKey(k)], aside[k] = slices.Clone(value), nil
			return nil
		}
		at := placeOf(k)
		if other, twice := s.places[a.Fingerprint]; twice { // the newer one counts
			aside[min(at, other).key(a.Fingerprint)] = nil
			if at < other {
				return nil
			}
		}
		s.places[a.Fingerprint] = at
		s.lastPlace = max(s.lastPlace, at)
		s.set(&a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load alerts: %w", err)
	}
	if len(aside) > 0 {
		if err := c.Commit(aside); err != nil {
			s.damaged = append(s.damaged, fmt.Errorf("set damaged alerts aside, they stay where they are: %w", err))
		}
	}
	return s, nil
}

// Damaged names the records that could not be read when the store was opened. Their alerts are lost until their
// rules see them again, so say it loudly.
func (s *Store) Damaged() []error { return slices.Clone(s.damaged) }

// Put makes alerts durable, then visible; all or none. On [ErrNotDurable] they are visible all the same.
func (s *Store) Put(alerts ...Alert) error {
	c := &change{}
	for _, a := range alerts {
		c.add(a.Fingerprint, func(*Alert) *Alert { return &a })
	}
	return s.commit(c)
}

// Drop deletes alerts, whatever their state.
func (s *Store) Drop(fps ...Fingerprint) error {
	c := &change{}
	for _, fp := range fps {
		c.add(fp, func(*Alert) *Alert { return nil })
	}
	return s.commit(c)
}

// Forget ends resolved alerts that nobody waits for any more. Alerts in another state are left alone: one that
// fires again is a new incident. One that holds again, but not long enough yet, goes on as pending.
func (s *Store) Forget(fps ...Fingerprint) error {
	c := &change{}
	for _, fp := range fps {
		c.add(fp, func(a *Alert) *Alert {
			switch {
			case a == nil || a.State != Resolved:
				return a
			case a.AgainAt.IsZero():
				return nil
			}
			return pendingAgain(a)
		})
	}
	return s.commit(c)
}

// pendingAgain is what remains of a resolved alert whose condition holds again once the resolve is settled.
func pendingAgain(a *Alert) *Alert {
	return &Alert{
		Fingerprint: a.Fingerprint, Rule: a.Rule, Identity: a.Identity, Labels: a.Labels, Annotations: a.Annotations,
		State: Pending, Value: a.Value, Text: a.Text, ActiveAt: a.AgainAt, Held: a.Held, Revision: a.Revision + 1,
	}
}

// Flush writes everything that is not durable yet.
func (s *Store) Flush() error {
	return s.commit(&change{flush: true})
}

// Observe changes alerts in memory only, for what is worth showing and not worth a commit: values and progress.
// They are written with the next Put of the same alert, or on Flush. Annotations stay as they are. An alert that was dropped, forgotten or revised
// in the meantime is left alone.
func (s *Store) Observe(alerts ...Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		if old, known := s.mu.alerts[a.Fingerprint]; known && old.Revision == a.Revision {
			a.Annotations = old.Annotations // people are shown changes of them by a revision only
			s.set(&a)
			s.mu.dirty[a.Fingerprint] = struct{}{}
		}
	}
}

// Refused tells since when storage refuses changes and what it said last; nil when all is durable.
func (s *Store) Refused() (since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.since, s.mu.refused
}

// Get returns one alert.
func (s *Store) Get(fp Fingerprint) (Alert, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, known := s.mu.alerts[fp]; known {
		return *a, true
	}
	return Alert{}, false
}

// OfRule returns the alerts of one rule, ordered by fingerprint.
func (s *Store) OfRule(name string) []Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	alerts := make([]Alert, 0, len(s.mu.rules[name]))
	for fp := range s.mu.rules[name] {
		alerts = append(alerts, *s.mu.alerts[fp])
	}
	return sorted(alerts)
}

// All returns all alerts, ordered by fingerprint.
func (s *Store) All() []Alert {
	s.mu.Lock()
	defer s.mu.Unlock()
	alerts := make([]Alert, 0, len(s.mu.alerts))
	for _, a := range s.mu.alerts {
		alerts = append(alerts, *a)
	}
	return sorted(alerts)
}

// Rules returns the names of the rules that have alerts, sorted.
func (s *Store) Rules() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.mu.rules))
}

func sorted(alerts []Alert) []Alert {
	slices.SortFunc(alerts, func(a, b Alert) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
	return alerts
}

// set puts an alert into memory. The mutex is held, or the store not yet shared.
func (s *Store) set(a *Alert) {
	if old, known := s.mu.alerts[a.Fingerprint]; known && old.Rule != a.Rule {
		s.unset(a.Fingerprint)
	}
	s.mu.alerts[a.Fingerprint] = a
	s.note(a.Fingerprint)
	ofRule := s.mu.rules[a.Rule]
	if ofRule == nil {
		ofRule = map[Fingerprint]struct{}{}
		s.mu.rules[a.Rule] = ofRule
	}
	ofRule[a.Fingerprint] = struct{}{}
}

// unset removes an alert from memory. The mutex is held.
func (s *Store) unset(fp Fingerprint) {
	rule := s.mu.alerts[fp].Rule
	delete(s.mu.alerts, fp)
	s.note(fp)
	delete(s.mu.rules[rule], fp)
	if len(s.mu.rules[rule]) == 0 {
		delete(s.mu.rules, rule)
	}
}

package silence

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// prefix is where silences stand in the durable state.
const prefix = "silence/"

// Keep is how long an expired silence is still shown, as in Alertmanager.
const Keep = 120 * time.Hour

// maxSilences keeps a script that makes silences in a loop from filling memory and disk.
const maxSilences = 50_000

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("there is no such silence")
	ErrInvalid  = errors.New("invalid silence")
	ErrExpired  = errors.New("the silence has expired already")
)

// Committer is the durable state as the store uses it.
type Committer interface {
	// Commit writes all values or none and returns when they are durable. A nil value deletes its key.
	Commit(writes map[string][]byte) error
	// Load visits every key that begins with prefix.
	Load(prefix string, visit func(key string, value []byte) error) error
}

// Store holds the silences. A change is durable before it is answered, or it did not happen.
type Store struct {
	committer Committer
	damaged   []error

	changing sync.Mutex // one change at a time

	mu       sync.Mutex
	silences map[string]*Silence // guarded by mu; the silences themselves are never changed

	configured map[string]progress // guarded by mu; by name, how far those of the configuration have come
}

// Open loads the silences of a former process. One that cannot be read stays where it is and is named by Damaged.
func Open(c Committer) (*Store, error) {
	s := &Store{committer: c, silences: map[string]*Silence{}, configured: map[string]progress{}}
	err := c.Load(prefix, func(key string, value []byte) error {
		decoded, err := decode(value)
		if err == nil && prefix+decoded.ID != key {
			err = fmt.Errorf("it is that of %s", decoded.ID)
		}
		if err != nil {
			s.damaged = append(s.damaged, fmt.Errorf("%s: %w", key, err))
			return nil
		}
		s.silences[decoded.ID] = decoded
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load silences: %w", err)
	}
	return s, s.loadConfigured()
}

// Damaged names the records that could not be read: their silences are lost, and what they hid is told.
func (s *Store) Damaged() []error { return slices.Clone(s.damaged) }

// Set makes a silence, or changes the one with the given ID, and returns its ID when that is durable. As in
// Alertmanager a silence is changed in place only where that does not rewrite the past; otherwise the old one expires
// and a new one, with a new ID, takes its place. Errors wrap [ErrInvalid] or [ErrNotFound], or are those of storage.
func (s *Store) Set(wanted Silence, now time.Time) (id string, err error) {
	if err := wanted.check(now); err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	var before *Silence
	if wanted.ID != "" {
		if before = s.get(wanted.ID); before == nil {
			return "", fmt.Errorf("silence %s: %w", wanted.ID, ErrNotFound)
		}
	} else if n := s.count(); n >= maxSilences {
		return "", fmt.Errorf("%w: there are %d silences, which is the limit", ErrInvalid, n)
	}
	next := wanted
	next.Matchers, next.Annotations = slices.Clone(wanted.Matchers), maps.Clone(wanted.Annotations)
	next.UpdatedAt = now
	changes := []*Silence{&next}
	switch {
	case before != nil && changesInPlace(before, &wanted, now):
		next.Hid = before.Hid
		if before.At(now) == Active {
			next.StartsAt = before.StartsAt
		}
	default:
		if before != nil && before.At(now) != Expired {
			changes = append(changes, ended(before, now))
		}
		next.ID, next.Hid = uuid.NewString(), false
		if next.StartsAt.Before(now) {
			next.StartsAt = now
		}
	}
	return next.ID, s.commit(changes)
}

// changesInPlace tells whether a change leaves the past as it was. The API shows times to the millisecond, and clients
// send back what they were shown.
func changesInPlace(before, wanted *Silence, now time.Time) bool {
	if !sameMatchers(before.Matchers, wanted.Matchers) {
		return false
	}
	switch before.At(now) {
	case Active:
		return wanted.StartsAt.UnixMilli() == before.StartsAt.UnixMilli()
	case Pending:
		return !wanted.StartsAt.Before(now)
	}
	return false
}

// ended is a silence that ends now.
func ended(s *Silence, now time.Time) *Silence {
	over := *s
	over.EndsAt, over.UpdatedAt = now, now
	if over.StartsAt.After(now) {
		over.StartsAt = now
	}
	return &over
}

// Expire ends a silence now.
func (s *Store) Expire(id string, now time.Time) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	before := s.get(id)
	switch {
	case before == nil:
		return fmt.Errorf("silence %s: %w", id, ErrNotFound)
	case before.At(now) == Expired:
		return fmt.Errorf("silence %s: %w", id, ErrExpired)
	}
	return s.commit([]*Silence{ended(before, now)})
}

// Observe takes over which silences hide an alert at this time, by ID. Those that end with what they hid end if they
// hide nothing any more; it returns their IDs.
func (s *Store) Observe(hiding map[string]bool, now time.Time) (over []string, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	var changes []*Silence
	for _, silence := range s.All() {
		if !silence.UntilResolved || silence.At(now) != Active || hiding[silence.ID] == silence.Hid {
			continue
		}
		if hiding[silence.ID] {
			next := silence
			next.Hid = true
			changes = append(changes, &next)
			continue
		}
		changes = append(changes, ended(&silence, now))
		over = append(over, silence.ID)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return over, s.commit(changes)
}

// Forget drops what expired longer than [Keep] ago.
func (s *Store) Forget(now time.Time) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	writes := map[string][]byte{}
	for _, silence := range s.All() {
		if silence.EndsAt.Add(Keep).Before(now) {
			writes[prefix+silence.ID] = nil
		}
	}
	if len(writes) == 0 {
		return nil
	}
	if err := s.committer.Commit(writes); err != nil {
		return fmt.Errorf("forget old silences: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range writes {
		delete(s.silences, key[len(prefix):])
	}
	return nil
}

// commit makes changes durable, then visible.
func (s *Store) commit(changes []*Silence) error {
	writes := map[string][]byte{}
	for _, c := range changes {
		data, err := encode(c)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		writes[prefix+c.ID] = data
	}
	if err := s.committer.Commit(writes); err != nil {
		return fmt.Errorf("store silence: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.silences[c.ID] = c
	}
	return nil
}

// Get returns one silence.
func (s *Store) Get(id string) (Silence, bool) {
	if found := s.get(id); found != nil {
		return *found, true
	}
	return Silence{}, false
}

func (s *Store) get(id string) *Silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silences[id]
}

func (s *Store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.silences)
}

// All returns all silences, by the end of each and then by ID. They share what they hold and must not be changed.
func (s *Store) All() []Silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Silence, 0, len(s.silences))
	for _, silence := range s.silences {
		all = append(all, *silence)
	}
	slices.SortFunc(all, func(a, b Silence) int {
		return cmp.Or(a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Package ack keeps which alerts somebody has taken: durably, one acknowledgement an alert. What an acknowledgement does,
// and when it ends, is decided elsewhere; this package knows which there are.
package ack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tocsinhq/tocsin/core/alert"
)

// prefix + fingerprint is where an acknowledgement stands in the durable state, as JSON.
const prefix = "ack/"

// What there may be. It is far above what people do and keeps a script from filling the store.
const (
	maxAcks   = 50_000
	maxOwner  = 256     // bytes
	maxReason = 8 << 10 // bytes
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("nobody has taken this alert")
	ErrInvalid  = errors.New("invalid acknowledgement")
)

// Committer is the durable state as the store uses it.
type Committer interface {
	// Commit writes all values or none and returns when they are durable. A nil value deletes its key.
	Commit(writes map[string][]byte) error
	// Load visits every key that begins with prefix.
	Load(prefix string, visit func(key string, value []byte) error) error
}

// Store holds the acknowledgements. A change is durable before it is answered, or it did not happen.
type Store struct {
	committer Committer
	damaged   []error

	changing sync.Mutex // one change at a time

	mu   sync.Mutex
	acks map[alert.Fingerprint]alert.Ack // guarded by mu; replaced, never changed
}

// Open loads the acknowledgements of a former process. One that cannot be read stays where it is and is named by Damaged.
func Open(c Committer) (*Store, error) {
	s := &Store{committer: c, acks: map[alert.Fingerprint]alert.Ack{}}
	err := c.Load(prefix, func(key string, value []byte) error {
		var k alert.Ack
		err := json.Unmarshal(value, &k)
		if err == nil && keyOf(k.Fingerprint) != key {
			err = fmt.Errorf("it is that of %s", k.Fingerprint)
		}
		if err != nil {
			s.damaged = append(s.damaged, fmt.Errorf("%s: %w", key, err))
			return nil
		}
		s.acks[k.Fingerprint] = k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load acknowledgements: %w", err)
	}
	return s, nil
}

func keyOf(fp alert.Fingerprint) string { return prefix + fp.String() }

// Damaged names the records that could not be read: who took those alerts is lost, and they are told again.
func (s *Store) Damaged() []error { return slices.Clone(s.damaged) }

// Take makes acknowledgements, all or none; they are durable when it returns. One of the same alert is replaced. Errors
// wrap [ErrInvalid], or are those of storage.
func (s *Store) Take(acks []alert.Ack) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := maps.Clone(s.Acks())
	writes := map[string][]byte{}
	for _, k := range acks {
		if err := check(&k); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		value, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		next[k.Fingerprint], writes[keyOf(k.Fingerprint)] = k, value
	}
	if len(next) > maxAcks {
		return fmt.Errorf("%w: there would be %d, and %d is the limit", ErrInvalid, len(next), maxAcks)
	}
	return s.commit(next, writes)
}

// check says what is wrong with an acknowledgement that somebody wants to make.
func check(k *alert.Ack) error {
	switch {
	case strings.TrimSpace(k.Owner) == "":
		return errors.New("owner is required: others must know whom to ask")
	case len(k.Owner) > maxOwner:
		return fmt.Errorf("owner has %d bytes, the limit is %d", len(k.Owner), maxOwner)
	case len(k.Reason) > maxReason:
		return fmt.Errorf("reason has %d bytes, the limit is %d", len(k.Reason), maxReason)
	case !k.Until.IsZero() && !k.Until.After(k.At):
		return errors.New("until is in the past")
	}
	return nil
}

// End ends acknowledgements, all or none; that is durable when it returns. It returns those that there were: one that was
// replaced meanwhile is another and goes on.
func (s *Store) End(acks ...alert.Ack) ([]alert.Ack, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := maps.Clone(s.Acks())
	writes := map[string][]byte{}
	var ended []alert.Ack
	for _, k := range acks {
		if now, known := next[k.Fingerprint]; known && now.At.Equal(k.At) && now.FiredAt.Equal(k.FiredAt) {
			ended = append(ended, now)
			delete(next, k.Fingerprint)
			writes[keyOf(k.Fingerprint)] = nil
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	if err := s.commit(next, writes); err != nil {
		return nil, err
	}
	return ended, nil
}

// commit makes a change durable, then visible.
func (s *Store) commit(next map[alert.Fingerprint]alert.Ack, writes map[string][]byte) error {
	if err := s.committer.Commit(writes); err != nil {
		return fmt.Errorf("store acknowledgements: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = next
	return nil
}

// Acks are all acknowledgements. The map must not be changed; it does not change either.
func (s *Store) Acks() map[alert.Fingerprint]alert.Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks
}

// All are all acknowledgements, the oldest first.
func (s *Store) All() []alert.Ack {
	return slices.SortedFunc(maps.Values(s.Acks()), func(a, b alert.Ack) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
}

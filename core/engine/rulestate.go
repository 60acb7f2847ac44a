package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

const (
	// ruleStatePrefix is where what rules remember stands in the durable state, a key for each rule.
	ruleStatePrefix = "rulestate/"

	// snapshotEvery is how old the last snapshot of a rule gets while its alerts do not change.
	snapshotEvery = time.Minute

	// ruleStateEvery is the least time between two commits of snapshots that nothing hurries: rules share them.
	ruleStateEvery = 10 * time.Second
)

// ruleStates keeps what rules remember in the durable state. When storage refuses, alerting goes on: what could not be
// written is written with the next commit.
type ruleStates struct {
	store interface {
		Commit(writes map[string][]byte) error
	}
	logger zerolog.Logger

	mu      sync.Mutex
	newest  map[string][]byte // by rule
	waiting map[string][]byte // by key; nil: to be removed
	written time.Time
	refused bool // said once
}

// openRuleStates reads what earlier runs have kept.
func openRuleStates(store interface {
	Commit(writes map[string][]byte) error
	Load(prefix string, visit func(key string, value []byte) error) error
}, logger zerolog.Logger,
) (*ruleStates, error) {
	s := &ruleStates{store: store, logger: logger, newest: map[string][]byte{}, waiting: map[string][]byte{}}
	err := store.Load(ruleStatePrefix, func(key string, value []byte) error {
		s.newest[strings.TrimPrefix(key, ruleStatePrefix)] = bytes.Clone(value)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load what rules remember: %w", err)
	}
	return s, nil
}

// of returns what the rule remembered last, perhaps in an earlier run; nil for nothing.
func (s *ruleStates) of(rule string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest[rule]
}

// prune removes what rules remembered that are no more.
func (s *ruleStates) prune(there map[string]bool) {
	s.mu.Lock()
	for rule := range s.newest {
		if !there[rule] {
			delete(s.newest, rule)
			s.waiting[ruleStatePrefix+rule] = nil
		}
	}
	s.mu.Unlock()
	_ = s.flush() // has been said
}

// put takes over the state of a rule, nil for none. It is durable when put returns if it is urgent, else soon.
func (s *ruleStates) put(rule string, state []byte, urgent bool) {
	s.mu.Lock()
	s.newest[rule] = state
	s.waiting[ruleStatePrefix+rule] = state
	due := urgent || time.Since(s.written) >= ruleStateEvery
	s.mu.Unlock()
	if due {
		_ = s.flush() // has been said
	}
}

// mend writes what storage refused before.
func (s *ruleStates) mend() {
	s.mu.Lock()
	refused := s.refused
	s.mu.Unlock()
	if refused {
		_ = s.flush() // has been said
	}
}

// flush writes what waits.
func (s *ruleStates) flush() error {
	s.mu.Lock()
	writes := s.waiting
	s.waiting = map[string][]byte{}
	s.written = time.Now()
	s.mu.Unlock()
	if len(writes) == 0 {
		return nil
	}
	err := s.store.Commit(writes)
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.refused
	s.refused = err != nil
	switch {
	case err != nil:
		writes = maps.Clone(writes)  // storage may still be at them
		maps.Copy(writes, s.waiting) // which is newer
		s.waiting = writes
		if !said {
			s.logger.Error().Err(err).Msg("storage refuses what rules remember: alerting goes on, after a crash now they would know less")
		}
		return fmt.Errorf("write what rules remember: %w", err)
	case said:
		s.logger.Info().Msg("storage accepts what rules remember again")
	}
	return nil
}

// snapshotter is a rule as a module runs it.
type snapshotter interface {
	Snapshot(ctx context.Context) ([]byte, error)
}

// memory carries what one rule remembers to the durable state.
//
// A snapshot is durable before the alerts of its evaluation are: a rule may know of an alert that a crash has lost, which
// it then raises again, but never has an alert that it knows nothing of, which it might call healthy.
type memory struct {
	name   string
	rule   snapshotter
	states *ruleStates
	logger zerolog.Logger

	taken  time.Time // evaluation of the last snapshot
	active uint64    // which instances were active in the last evaluation
	kept   []byte    // the last snapshot, of an earlier run at first
	failed string    // why there was none, said once
}

// evaluated takes a snapshot if the evaluation changed what is active, or the last one is old.
func (m *memory) evaluated(ctx context.Context, at time.Time, verdicts []abi.Verdict) {
	active := uint64(0)
	for i := range verdicts {
		if v := &verdicts[i]; v.Status == abi.Active {
			active += v.Labels.Hash() // in any order
		}
	}
	urgent := active != m.active
	m.active = active
	if urgent || at.Sub(m.taken) >= snapshotEvery {
		m.taken = at
		m.snapshot(ctx, urgent)
	}
}

// snapshot hands the rule's state on if it is another one than before.
func (m *memory) snapshot(ctx context.Context, urgent bool) {
	state, err := m.rule.Snapshot(ctx)
	if err != nil {
		if text := err.Error(); text != m.failed && !errors.Is(err, context.Canceled) {
			m.failed = text
			m.logger.Warn().Str("rule", m.name).Err(err).Msg("what a rule remembers cannot be kept: after a restart it knows what it knew before")
		}
		return
	}
	m.failed = ""
	if !bytes.Equal(state, m.kept) {
		m.kept = state
		m.states.put(m.name, state, urgent)
	}
}

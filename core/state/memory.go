package state

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ErrInjected is the error of a commit that [MemoryStore.Fail] made fail.
var ErrInjected = errors.New("storage refuses (injected)")

// MemoryStore is a [Store] for tests that fails on demand, and for a time without storage.
type MemoryStore struct {
	disk   *disk // what survives a crash; shared with the store that [MemoryStore.Crash] returns
	notice error

	mu struct {
		sync.Mutex
		closed  bool
		crashed bool
		fail    int
		blocked chan struct{} // commits wait until it is closed
		commits int
	}
}

// disk is the content of a MemoryStore.
type disk struct {
	sync.Mutex
	values map[string][]byte
}

// Memory returns an empty store that forgets everything when the process ends.
func Memory() *MemoryStore { return &MemoryStore{disk: &disk{values: map[string][]byte{}}} }

// Instead returns an empty store in memory in the place of one that could not be opened. Its notice is an
// [UnavailableError].
func Instead(cause error) *MemoryStore {
	m := Memory()
	m.notice = &UnavailableError{Cause: cause}
	return m
}

// Fail makes the next n commits fail with [ErrInjected]; they write nothing.
func (m *MemoryStore) Fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.fail = n
}

// Block makes commits wait until release is called.
func (m *MemoryStore) Block() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	blocked := make(chan struct{})
	m.mu.blocked = blocked
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.mu.blocked == blocked { // a crash may have been quicker
			m.mu.blocked = nil
			close(blocked)
		}
	})
}

// Commits counts the commits that were written.
func (m *MemoryStore) Commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.commits
}

// Crash returns what a process finds that starts after this one was killed now: whatever was durable. The old store
// refuses everything from then on, including commits that it holds up.
func (m *MemoryStore) Crash() *MemoryStore {
	m.mu.Lock()
	m.mu.crashed = true
	blocked := m.mu.blocked
	m.mu.blocked = nil
	m.mu.Unlock()
	if blocked != nil {
		close(blocked)
	}
	return &MemoryStore{disk: m.disk}
}

// Notice implements [Store].
func (m *MemoryStore) Notice() error { return m.notice }

// Commit implements [Store].
func (m *MemoryStore) Commit(writes map[string][]byte) error {
	if err := check(writes); err != nil {
		return err
	}
	m.mu.Lock()
	blocked := m.mu.blocked
	m.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed || m.mu.crashed {
		return ErrClosed
	}
	if m.mu.fail > 0 {
		m.mu.fail--
		return ErrInjected
	}
	m.mu.commits++
	m.disk.Lock()
	defer m.disk.Unlock()
	for key, value := range writes {
		if value == nil {
			delete(m.disk.values, key)
		} else {
			m.disk.values[key] = append([]byte{}, value...)
		}
	}
	return nil
}

// Load implements [Store].
func (m *MemoryStore) Load(prefix string, visit func(key string, value []byte) error) error {
	m.mu.Lock()
	closed := m.mu.closed || m.mu.crashed
	m.mu.Unlock()
	if closed {
		return ErrClosed
	}
	m.disk.Lock()
	values := maps.Clone(m.disk.values)
	m.disk.Unlock()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if err := visit(key, bytes.Clone(values[key])); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [Store].
func (m *MemoryStore) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed = true
	return nil
}

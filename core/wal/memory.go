package wal

import (
	"bytes"
	"slices"
	"sync"
)

// Memory is a log that forgets everything when the process ends, for rehearsals and tests. It writes at once, and grows
// until the next start. The zero value is an empty one.
type Memory struct {
	mu      sync.Mutex
	records [][]byte // guarded by mu
}

// Replay does as [Log.Replay].
func (m *Memory) Replay(apply func(record []byte) error) (r Replayed) {
	m.mu.Lock()
	records := slices.Clone(m.records)
	m.mu.Unlock()
	for _, record := range records {
		r.Records++
		r.Bytes += int64(len(record))
		if apply(record) != nil {
			r.Refused++
		}
	}
	return r
}

// Start does as [Log.Start], once.
func (m *Memory) Start(snapshot func(put func(record []byte))) {
	m.mu.Lock()
	m.records = nil
	m.mu.Unlock()
	snapshot(m.Append)
}

// Append does as [Log.Append].
func (m *Memory) Append(record []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = append(m.records, bytes.Clone(record))
}

// Status does as [Log.Status].
func (m *Memory) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Written: uint64(len(m.records))}
	for _, record := range m.records {
		s.Bytes += int64(len(record))
	}
	return s
}

// Close does nothing: what was appended stays.
func (m *Memory) Close() error { return nil }

// Crash returns a log with what this one has. What is appended to this one from now on is not seen any more.
func (m *Memory) Crash() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{records: slices.Clone(m.records)}
}

package wasm

import (
	"sync/atomic"

	"github.com/tetratelabs/wazero/experimental"
)

// budget is what the memories of all instances may hold together, so that many modest rules cannot do what one greedy
// rule may not.
type budget struct {
	limit uint64
	used  atomic.Uint64
}

// take grants n more bytes, or none.
func (b *budget) take(n uint64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.give(n)
	return false
}

func (b *budget) give(n uint64) { b.used.Add(-n) }

// memory is the linear memory of one instance: address space for the whole cap is reserved at once, so that its address
// never changes, and pages cost nothing until the guest touches them. Growth beyond the cap is refused, and counted:
// it explains the failure that usually follows.
type memory struct {
	limit   uint64
	total   *budget
	space   []byte
	size    uint64 // granted
	refused int
	wanted  uint64 // size of the last growth that was refused
	crowded bool   // it was refused because all instances together have too much
}

// Allocate is what wazero calls when it makes the instance. A module's own maximum may be lower than the cap.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory to size bytes; nil refuses.
func (m *memory) Reallocate(size uint64) []byte {
	if size <= m.limit && size >= m.size {
		if m.total.take(size - m.size) {
			m.size = size
			if m.reserve() {
				return m.space[:size:size]
			}
		} else {
			m.crowded = true
		}
	}
	m.refused++
	m.wanted = size
	return nil
}

func (m *memory) reserve() bool {
	if m.space == nil {
		space, err := reserve(int(m.limit))
		if err != nil {
			return false
		}
		m.space = space
	}
	return true
}

// bound says what the growth that was refused ran into.
func (m *memory) bound() string {
	if m.crowded {
		return "the " + bytesText(int64(m.total.limit)) + " that all rule modules may have together"
	}
	return "the memory cap of " + bytesText(int64(m.limit))
}

// Free gives the memory back. Only who may call the instance may close it: nobody is running in it then.
func (m *memory) Free() {
	if m.space != nil {
		release(m.space)
		m.space = nil
	}
	if m.size > 0 {
		m.total.give(m.size)
		m.size = 0
	}
}

package wasm

import "github.com/tetratelabs/wazero/experimental"

// memory is the linear memory of one instance: address space for the whole cap is reserved at once, so that its address
// never changes, and pages cost nothing until the guest touches them. Growth beyond the cap is refused, and counted:
// it explains the failure that usually follows.
type memory struct {
	limit   uint64
	space   []byte
	refused int
	wanted  uint64 // size of the last growth that was refused
}

// Allocate is what wazero calls when it makes the instance. A module's own maximum may be lower than the cap.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate grows the memory to size bytes; nil refuses.
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused++
		m.wanted = size
		return nil
	}
	if m.space == nil {
		space, err := reserve(int(m.limit))
		if err != nil {
			m.refused++
			m.wanted = size
			return nil
		}
		m.space = space
	}
	return m.space[:size:size]
}

// Free gives the memory back. Only who may call the instance may close it: nobody is running in it then.
func (m *memory) Free() {
	if m.space != nil {
		release(m.space)
		m.space = nil
	}
}

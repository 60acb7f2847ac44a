package wasm

import (
	"crypto/sha256"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// loaded is what came of loading a module, kept for those who load the same again. Instances are not kept: nobody finds
// anything of a former rule in their memory.
type loaded struct {
	manifest abi.Manifest
	code     *code
}

// loadedAs is what has to be the same for it: the module's bytes and its limits.
type loadedAs struct {
	sum    [sha256.Size]byte
	limits Limits
}

// recall makes the module from what was kept, if it was.
func (h *Host) recall(m *Module) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.mu.kept[loadedAs{m.sum, m.limits}]
	if !ok || h.mu.closed {
		return false
	}
	l.code.uses++
	m.manifest, m.code = l.manifest, l.code
	return true
}

// keep keeps what came of loading a module until the host is closed, if that is what it is to do.
func (h *Host) keep(m *Module) {
	if !h.keeps {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	as := loadedAs{m.sum, m.limits}
	if _, ok := h.mu.kept[as]; !ok {
		m.code.uses++ // so that nobody is the last
		h.mu.kept[as] = loaded{m.manifest, m.code}
	}
}

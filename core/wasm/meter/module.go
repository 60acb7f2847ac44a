package meter

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

const (
	sectionCustom byte = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
)

// order is where a section stands in a module: the data count, the youngest, stands before the code.
func order(id byte) int {
	switch id {
	case sectionDataCount:
		return 2*int(sectionCode) - 1
	default:
		return 2 * int(id)
	}
}

const (
	i32       byte = 0x7f
	i64       byte = 0x7e
	f32       byte = 0x7d
	f64       byte = 0x7c
	v128      byte = 0x7b
	funcref   byte = 0x70
	externref byte = 0x6f

	kindFunction byte = 0
	kindTable    byte = 1
	kindMemory   byte = 2
	kindGlobal   byte = 3
)

type section struct {
	id   byte
	name string // of a custom section
	body []byte // of a custom section: with its name
}

// Import is a function that a module wants from its host.
type Import struct{ Module, Name string }

func (i Import) String() string { return i.Module + "." + i.Name }

type signature struct{ params, results string } // value types, a byte each

type export struct {
	kind  byte
	index uint32
}

type tableType struct{ min uint32 }

// Module is a module whose structure has been read. Function bodies are read when it is checked or metered.
type Module struct {
	size      int
	sections  []section
	types     []signature
	imported  []uint32 // type of each imported function
	imports   []Import // of each imported function
	foreign   []string // imports that are not functions
	defined   []uint32 // type of each defined function
	tables    []tableType
	memories  []memoryType
	globals   int    // imported and defined
	elements  uint64 // of all segments
	exports   map[string]export
	start     bool
	escapes   bool // an imported function can be reached by call_indirect
	namesData bool // an instruction names a data segment; known when the code was metered
}

type memoryType struct {
	min, max uint32 // pages
	imported bool
}

// Parse reads the structure of a module. It refuses what version 2 of the WebAssembly core specification does not
// know, and never panics, whatever code holds.
func Parse(code []byte) (*Module, error) {
	if !bytes.HasPrefix(code, header) {
		if len(code) >= 8 && bytes.HasPrefix(code, header[:4]) {
			return nil, fmt.Errorf("WebAssembly binary of version %x: only core modules of version 1 can be loaded, not components", code[4:8])
		}
		return nil, errors.New("not a WebAssembly binary")
	}
	m := &Module{size: len(code), exports: map[string]export{}}
	r := &reader{b: code, at: len(header)}
	last := 0
	for !r.done() {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		s := section{id: id, body: body}
		if id == sectionCustom {
			in := &reader{b: body}
			s.name = in.name()
			if in.err != nil {
				return nil, fmt.Errorf("custom section: %w", in.err)
			}
		} else {
			if id > sectionDataCount {
				return nil, fmt.Errorf("section %d is not known", id)
			}
			if order(id) <= last {
				return nil, fmt.Errorf("section %d is out of order or given twice", id)
			}
			last = order(id)
			if err := m.read(id, body); err != nil {
				return nil, fmt.Errorf("section %d: %w", id, err)
			}
		}
		m.sections = append(m.sections, s)
	}
	if n := m.codeCount(); n != len(m.defined) {
		return nil, fmt.Errorf("%d functions are declared, %d have a body", len(m.defined), n)
	}
	return m, nil
}

// Custom returns the content of a custom section.
func (m *Module) Custom(name string) ([]byte, bool) {
	for _, s := range m.sections {
		if s.id == sectionCustom && s.name == name {
			r := &reader{b: s.body}
			r.name()
			return s.body[r.at:], true
		}
	}
	return nil, false
}

// HasExport tells whether the module exports a function of this name.
func (m *Module) HasExport(name string) bool {
	e, ok := m.exports[name]
	return ok && e.kind == kindFunction
}

// Imports lists the functions that the module wants.
func (m *Module) Imports() []Import { return m.imports }

// Exports spells what the module exports, in order: functions as name(params) -> results, others by their name alone.
func (m *Module) Exports() []string {
	var all []string
	for name, e := range m.exports {
		if e.kind == kindFunction {
			have, _ := m.functionType(e.index)
			name += "(" + spell(have.params) + ")"
			if have.results != "" {
				name += " -> " + spell(have.results)
			}
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Functions is the number of functions that the module defines.
func (m *Module) Functions() int { return len(m.defined) }

// MemoryPages is how much memory the module starts with, in pages of 64 KiB.
func (m *Module) MemoryPages() uint32 {
	if len(m.memories) == 0 {
		return 0
	}
	return m.memories[0].min
}

func (m *Module) bodyOf(id byte) []byte {
	for _, s := range m.sections {
		if s.id == id {
			return s.body
		}
	}
	return nil
}

func (m *Module) codeCount() int {
	body := m.bodyOf(sectionCode)
	if body == nil {
		return 0
	}
	r := &reader{b: body}
	return int(r.u32())
}

func (m *Module) functionType(index uint32) (signature, bool) {
	if index >= uint32(len(m.imported)) {
		index -= uint32(len(m.imported))
		if index >= uint32(len(m.defined)) {
			return signature{}, false
		}
		return m.types[m.defined[index]], true
	}
	return m.types[m.imported[index]], true
}

func (m *Module) functions() uint32 { return uint32(len(m.imported) + len(m.defined)) }

// Package meter reads WebAssembly modules without running them: it checks what a module may be, and rewrites its
// bytecode so that every function entry and every turn of a loop pays from a fuel counter.
//
// The counter is one more mutable i64 global, placed last so that nothing is renumbered, exported under [FuelExport].
// The host fills it before a call and reads it afterwards. Below zero the guest traps. That stops loops and
// call trees alike, costs a few per cent, and gives each evaluation a price that is the same on every machine.
package meter

import (
	"fmt"
	"slices"
)

// Version is part of every cache key: a change of the rewriter must not meet code of an older one.
const Version = 1

// FuelExport is the name under which the counter is exported. A module that uses it itself is refused.
const FuelExport = "tocsin_fuel"

// Prices, in fuel. One unit is about one instruction.
const (
	priceEntry  = 2    // of a call, besides the instructions of the body
	priceLoop   = 1    // of a turn of a loop, besides its instructions
	priceImport = 64   // of a call of the host, which leaves compiled code
	priceGrow   = 256  // of memory.grow, which leaves it too
	pricePage   = 1024 // of each page that memory.grow asks for
	byteShift   = 3    // bulk memory operations: one unit for eight bytes
	localShift  = 3    // locals are cleared at entry: one unit for eight
)

// exactRegions is the price above which a loop's or function's body is charged piece by piece, where blocks end,
// instead of as a whole. Compilers that have no structured jumps (Go's) wrap each function in one loop with a jump
// table: charging such a body for each jump would make their fuel meaningless.
const exactRegions = 64

// maxMetered bounds the code that comes out: a module of nothing but empty loops grows eightfold.
const maxMetered = 64 << 20

// Meter returns the module with fuel metering. Of the custom sections only "name" and those in keep survive.
// initial is what the counter holds until the host sets it: what a start function may spend.
func (m *Module) Meter(initial int64, keep ...string) ([]byte, error) {
	fuel := uint32(m.globals)
	out := &writer{}
	out.raw(header)
	pending := map[byte]bool{sectionGlobal: true, sectionExport: true}
	add := func(id byte) error {
		body, err := m.rewriteSection(id, fuel, initial)
		if err != nil {
			return err
		}
		out.section(id, body)
		delete(pending, id)
		return nil
	}
	for _, s := range m.sections {
		if s.id == sectionCustom {
			if m.keeps(s, keep) {
				out.section(s.id, s.body)
			}
			continue
		}
		for _, id := range []byte{sectionGlobal, sectionExport} { // absent ones are made at their place
			if pending[id] && order(id) < order(s.id) {
				if err := add(id); err != nil {
					return nil, err
				}
			}
		}
		switch s.id {
		case sectionGlobal, sectionExport, sectionCode:
			if err := add(s.id); err != nil {
				return nil, err
			}
		case sectionData: // stands behind the code
			out.section(s.id, m.mergeData(s.body))
		default:
			out.section(s.id, s.body)
		}
	}
	for _, id := range []byte{sectionGlobal, sectionExport} {
		if pending[id] {
			if err := add(id); err != nil {
				return nil, err
			}
		}
	}
	return out.b, nil
}

// Strip returns the module as it is, without the custom sections that Meter drops too.
func (m *Module) Strip(keep ...string) []byte {
	out := &writer{}
	out.raw(header)
	for _, s := range m.sections {
		if s.id != sectionCustom || m.keeps(s, keep) {
			out.section(s.id, s.body)
		}
	}
	return out.b
}

func (m *Module) keeps(s section, keep []string) bool {
	return s.name == "name" || slices.Contains(keep, s.name)
}

func (m *Module) rewriteSection(id byte, fuel uint32, initial int64) ([]byte, error) {
	out := &writer{}
	body := m.bodyOf(id)
	r := &reader{b: body}
	n := uint32(0)
	if body != nil {
		n = r.u32()
	}
	switch id {
	case sectionGlobal:
		out.u32(n + 1)
		out.raw(body[min(r.at, len(body)):])
		out.raw([]byte{i64, 1, opI64Const})
		out.s64(initial)
		out.raw([]byte{opEnd})
	case sectionExport:
		out.u32(n + 1)
		out.raw(body[min(r.at, len(body)):])
		out.name(FuelExport)
		out.raw([]byte{kindGlobal})
		out.u32(fuel)
	case sectionCode:
		out.u32(n)
		for i := range n {
			size := r.u32()
			code := r.bytes(size)
			if r.err != nil {
				return nil, r.err
			}
			f := function{module: m, fuel: fuel, index: i}
			metered, err := f.rewrite(code)
			if err != nil {
				return nil, fmt.Errorf("function %d: %w", uint32(len(m.imported))+i, err)
			}
			out.u32(uint32(len(metered)))
			out.raw(metered)
			if len(out.b) > maxMetered {
				return nil, fmt.Errorf("the code grows beyond %d MiB when it is metered", maxMetered>>20)
			}
		}
	}
	return out.b, r.err
}

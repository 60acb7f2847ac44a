// Package meter reads WebAssembly modules without running them: it checks what a module may be, and rewrites its
// bytecode so that every function entry and every turn of a loop pays from a fuel counter.
//
// The budget of a call is the sum of two more mutable i64 globals: a small part stands in the counter that the code
// pays from, the rest beside it. When the counter falls below zero a function that was added too takes the next part
// from the rest, and leaves compiled code for a moment: Go's scheduler and collector cannot stop native code, so this is
// where they get their turn. When there is nothing left the guest traps. That stops loops and call trees alike, costs a
// few per cent, and gives each evaluation a price that is the same on every machine.
//
// Globals, function and type are placed last, so that nothing is renumbered.
package meter

import (
	"errors"
	"fmt"
)

// The names under which the counter and what is kept beside it are exported.
const (
	FuelExport = "tocsin_fuel"
	RestExport = "tocsin_fuel_rest"
)

// Slice is how much of a budget the counter holds at most: what a guest may spend before it lets Go have its turn.
// About a millisecond, and far from it only in code that is made of divisions or of large bulk operations.
const Slice = 1_000_000

// Split divides a budget into what the counter and what the rest must hold.
func Split(budget uint64) (fuel, rest uint64) {
	fuel = min(budget, Slice)
	return fuel, budget - fuel
}

// Prices, in fuel. One unit is about one instruction.
const (
	priceEntry  = 2    // of a call, besides the instructions of the body
	priceLoop   = 1    // of a turn of a loop, besides its instructions
	priceHost   = 64   // of what leaves compiled code: calls of the host, and ref.func
	priceGrow   = 256  // of memory.grow, which leaves it too and may take memory from the system
	pricePage   = 1024 // of each page that memory.grow asks for
	priceBulk   = 24   // of a bulk operation, besides its length
	priceDivide = 8    // of what a processor does slowly: division, remainder, square root
	byteShift   = 3    // bulk memory operations: one unit for eight bytes
	localShift  = 3    // locals are cleared at entry: one unit for eight
	moveShift   = 1    // values that a call or branch hands over: one unit for two
)

// Bounds that keep hostile modules from costing much more memory than their size: what reads them makes something of
// each entry. They are far above what compilers make.
const (
	maxLocals  = 50_000    // of a function
	maxValues  = 1_000     // parameters, or results, of a type
	maxNesting = 10_000    // blocks in blocks
	maxEntries = 100_000   // of a section; elements of all segments
	maxData    = 1_000_000 // data segments: Go's linker makes tens of thousands, see mergeData
	maxBody    = 512 << 10 // bytes of a function
)

// exactRegions is the price above which a loop's or function's body is charged piece by piece, where blocks end,
// instead of as a whole. Compilers that have no structured jumps (Go's) wrap each function in one loop with a jump
// table: charging such a body for each jump would make their fuel meaningless.
const exactRegions = 64

// maxMetered bounds the code that comes out: a module of nothing but empty loops grows eightfold.
const maxMetered = 64 << 20

// Meter returns the module with fuel metering, and without custom sections. Nobody needs these any more, and what reads
// them must be as careful as what is here: the runtime makes room for as many names as a "name" section says it has.
// initial is the budget until the host sets it: what a start function may spend.
func (m *Module) Meter(initial uint64) ([]byte, error) {
	out := &writer{}
	out.raw(header)
	pending := []byte{sectionType, sectionFunction, sectionGlobal, sectionExport, sectionCode} // in their order
	for _, s := range m.sections {
		if s.id == sectionCustom {
			continue
		}
		for len(pending) > 0 && order(pending[0]) <= order(s.id) { // absent ones are made at their place
			if err := m.extend(out, pending[0], initial); err != nil {
				return nil, err
			}
			pending = pending[1:]
		}
		switch s.id {
		case sectionType, sectionFunction, sectionGlobal, sectionExport, sectionCode:
		case sectionData: // stands behind the code
			out.section(s.id, m.mergeData(s.body))
		default:
			out.section(s.id, s.body)
		}
	}
	for _, id := range pending {
		if err := m.extend(out, id, initial); err != nil {
			return nil, err
		}
	}
	return out.b, nil
}

// Strip returns the module as it is, without custom sections. What Meter refuses it refuses.
func (m *Module) Strip() ([]byte, error) {
	if err := m.eachBody(func(f *function, code []byte) error { return f.scan(code) }); err != nil {
		return nil, err
	}
	out := &writer{}
	out.raw(header)
	for _, s := range m.sections {
		if s.id != sectionCustom {
			out.section(s.id, s.body)
		}
	}
	return out.b, nil
}

// extend writes a section with what metering adds to it.
func (m *Module) extend(out *writer, id byte, initial uint64) error {
	body := m.bodyOf(id)
	r := &reader{b: body}
	n := uint32(0)
	if body != nil {
		n = r.u32()
	}
	w := &writer{}
	old := body[min(r.at, len(body)):]
	switch id {
	case sectionType:
		w.u32(n + 1)
		w.raw(old)
		w.raw([]byte{0x60, 0, 0})
	case sectionFunction:
		w.u32(n + 1)
		w.raw(old)
		w.u32(uint32(len(m.types)))
	case sectionGlobal:
		w.u32(n + 2)
		w.raw(old)
		fuel, rest := Split(initial)
		for _, v := range []uint64{fuel, rest} {
			w.raw([]byte{i64, 1, opI64Const})
			w.s64(int64(v))
			w.raw([]byte{opEnd})
		}
	case sectionExport:
		w.u32(n + 2)
		w.raw(old)
		for i, name := range []string{FuelExport, RestExport} {
			w.name(name)
			w.raw([]byte{kindGlobal})
			w.u32(uint32(m.globals + i))
		}
	case sectionCode:
		w.u32(n + 1)
		err := m.eachBody(func(f *function, code []byte) error {
			metered, err := f.rewrite(code)
			if err != nil {
				return err
			}
			w.sized(metered)
			if len(w.b) > maxMetered {
				return fmt.Errorf("the code grows beyond %d MiB when it is metered", maxMetered>>20)
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.sized(m.turn())
	}
	out.section(id, w.b)
	return nil
}

// eachBody calls do with the body of each function.
func (m *Module) eachBody(do func(f *function, code []byte) error) error {
	r, effort, size := &reader{b: m.bodyOf(sectionCode)}, 0, 0
	for i := range m.defined {
		if i == 0 {
			r.u32()
		}
		code := r.bytes(r.u32())
		if r.err != nil {
			return r.err
		}
		f := &function{module: m, fuel: uint32(m.globals), index: uint32(i)}
		if err := do(f, code); err != nil {
			return fmt.Errorf("function %d: %w", len(m.imported)+i, err)
		}
		if effort += f.effort(); effort > maxTotalEffort {
			return errors.New("the functions have too many blocks and locals: the module would take too long to compile")
		}
		if size += f.size(); size > maxTotalSize {
			return errors.New("the functions have too many locals, instructions and values that are handed over: the module would take too long to compile")
		}
	}
	return nil
}

package meter

import (
	"errors"
	"fmt"
)

// read takes from a section what checks and rewriting need.
func (m *Module) read(id byte, body []byte) error {
	r := &reader{b: body}
	switch id {
	case sectionStart:
		m.start = true
		if r.u32() >= m.functions() {
			r.fail(errors.New("the start function does not exist"))
		}
	case sectionDataCount:
		r.u32()
	case sectionCode:
		for range r.count() {
			r.bytes(r.u32())
		}
	default:
		n, limit := r.count(), uint32(maxEntries)
		if id == sectionData {
			limit = maxData
		}
		if n > limit {
			return fmt.Errorf("%d entries, the limit is %d", n, limit)
		}
		for range n {
			m.entry(id, r)
			if r.err != nil {
				return r.err
			}
		}
	}
	if r.err == nil && !r.done() {
		return errors.New("bytes are left over")
	}
	return r.err
}

func (m *Module) entry(id byte, r *reader) {
	switch id {
	case sectionType:
		if c := r.byte(); c != 0x60 {
			r.fail(fmt.Errorf("type form %#x is not supported", c))
		}
		t := signature{r.valueTypes(), r.valueTypes()}
		if n := max(len(t.params), len(t.results)); n > maxValues {
			r.fail(fmt.Errorf("a type with %d parameters or results, the limit is %d", n, maxValues))
		}
		m.types = append(m.types, t)
	case sectionImport:
		m.importEntry(r)
	case sectionFunction:
		m.defined = append(m.defined, r.typeIndex(m))
	case sectionTable:
		r.refType()
		m.tables = append(m.tables, tableType{r.limits().min})
	case sectionMemory:
		m.memories = append(m.memories, r.limits())
	case sectionGlobal:
		r.globalType()
		r.constExpr(m)
		m.globals++
	case sectionExport:
		m.exportEntry(r)
	case sectionElement:
		m.elementEntry(r)
	case sectionData:
		mode := r.u32()
		if mode > 2 {
			r.fail(fmt.Errorf("data segment of mode %d", mode))
		}
		if mode == 2 && r.u32() != 0 {
			r.fail(errors.New("data for a second memory"))
		}
		if mode != 1 {
			r.constExpr(m)
		}
		r.bytes(r.u32())
	}
}

func (m *Module) importEntry(r *reader) {
	imp := Import{r.name(), r.name()}
	switch kind := r.byte(); kind {
	case kindFunction:
		m.imported = append(m.imported, r.typeIndex(m))
		m.imports = append(m.imports, imp)
		return
	case kindTable:
		r.refType()
		m.tables = append(m.tables, tableType{r.limits().min})
	case kindMemory:
		mem := r.limits()
		mem.imported = true
		m.memories = append(m.memories, mem)
	case kindGlobal:
		r.globalType()
		m.globals++
	default:
		r.fail(fmt.Errorf("import of kind %d", kind))
	}
	m.foreign = append(m.foreign, imp.String())
}

func (m *Module) exportEntry(r *reader) {
	name := r.name()
	e := export{r.byte(), r.u32()}
	bounds := map[byte]uint64{
		kindFunction: uint64(m.functions()), kindTable: uint64(len(m.tables)),
		kindMemory: uint64(len(m.memories)), kindGlobal: uint64(m.globals),
	}
	limit, known := bounds[e.kind]
	_, twice := m.exports[name]
	switch {
	case !known:
		r.fail(fmt.Errorf("export of kind %d", e.kind))
	case uint64(e.index) >= limit: // above all not the fuel counter, which gets the next index
		r.fail(fmt.Errorf("export %q names something that does not exist", name))
	case twice:
		r.fail(fmt.Errorf("export %q is given twice", name))
	case name == FuelExport, name == RestExport:
		r.fail(fmt.Errorf("export %q is reserved", name))
	}
	m.exports[name] = e
	m.escapes = m.escapes || e.kind == kindFunction && e.index < uint32(len(m.imported)) // ref.func may name it
}

func (m *Module) elementEntry(r *reader) {
	mode := r.u32()
	if mode > 7 {
		r.fail(fmt.Errorf("element segment of mode %d", mode))
		return
	}
	active, explicit, exprs := mode&1 == 0, mode&2 != 0, mode&4 != 0
	if active {
		if explicit {
			if r.u32() >= uint32(len(m.tables)) {
				r.fail(errors.New("elements for a table that does not exist"))
			}
		}
		r.constExpr(m)
	}
	if mode&3 != 0 {
		if exprs {
			r.refType()
		} else if c := r.byte(); c != 0 {
			r.fail(fmt.Errorf("element kind %d", c))
		}
	}
	n := r.count()
	if m.elements += uint64(n); m.elements > maxEntries {
		r.fail(fmt.Errorf("%d elements, the limit is %d", m.elements, maxEntries))
	}
	for range n {
		if r.err != nil {
			return
		}
		if exprs {
			r.constExpr(m)
		} else {
			r.functionIndex(m)
		}
	}
}

func (r *reader) valueTypes() string {
	b := r.bytes(r.u32())
	for _, c := range b {
		if !isValueType(c) {
			r.fail(fmt.Errorf("value type %#x is not supported", c))
		}
	}
	return string(b)
}

func isValueType(c byte) bool {
	switch c {
	case i32, i64, f32, f64, v128, funcref, externref:
		return true
	}
	return false
}

func (r *reader) refType() {
	if c := r.byte(); c != funcref && c != externref {
		r.fail(fmt.Errorf("reference type %#x is not supported", c))
	}
}

func (r *reader) typeIndex(m *Module) uint32 {
	i := r.u32()
	if i >= uint32(len(m.types)) {
		r.fail(fmt.Errorf("type %d does not exist", i))
		return 0
	}
	return i
}

// functionIndex reads the index of a function whose reference is taken.
func (r *reader) functionIndex(m *Module) {
	i := r.u32()
	if i >= m.functions() {
		r.fail(fmt.Errorf("function %d does not exist", i))
	}
	m.escapes = m.escapes || i < uint32(len(m.imported))
}

func (r *reader) globalType() {
	if c := r.byte(); !isValueType(c) {
		r.fail(fmt.Errorf("value type %#x is not supported", c))
	}
	if c := r.byte(); c > 1 {
		r.fail(fmt.Errorf("mutability %d", c))
	}
}

// limits reads the size of a table or memory. Shared and 64-bit memories are proposals beyond version 2.
func (r *reader) limits() memoryType {
	flag := r.byte()
	t := memoryType{min: r.u32(), max: ^uint32(0)}
	switch flag {
	case 0:
	case 1:
		t.max = r.u32()
	default:
		r.fail(fmt.Errorf("limits with flag %#x: shared and 64-bit memories are not supported", flag))
	}
	return t
}

// constExpr passes over an initializer. It may not name a global that does not exist: that would be the fuel counter.
func (r *reader) constExpr(m *Module) {
	for r.err == nil {
		switch op := r.byte(); op {
		case opEnd:
			return
		case opI32Const:
			r.leb(5)
		case opI64Const:
			r.leb(10)
		case opF32Const:
			r.bytes(4)
		case opF64Const:
			r.bytes(8)
		case opGlobalGet:
			if r.u32() >= uint32(m.globals) {
				r.fail(errors.New("an initializer names a global that does not exist"))
			}
		case opRefNull:
			r.refType()
		case opRefFunc:
			r.functionIndex(m)
		case opVector:
			if c := r.byte(); c != vecConst {
				r.fail(fmt.Errorf("opcode fd %#x in an initializer", c))
			}
			r.bytes(16)
		default:
			r.fail(fmt.Errorf("opcode %#x in an initializer", op))
		}
	}
}

package meter

import (
	"errors"
	"fmt"
	"strings"
)

// Signature is an export that a policy asks for. Types are spelled "i32 i64"; "" is none.
type Signature struct {
	Name            string
	Params, Results string
	Optional        bool
}

// Policy is what a module must be. Zero numbers stand for no limit.
type Policy struct {
	Bytes       int
	Functions   int
	MemoryPages uint32 // that the module may start with
	Table       uint32 // elements that the tables may start with together
	Exports     []Signature
	Memory      string                         // name of the export of the module's own memory
	Import      func(Import) (Signature, bool) // what a function is that may be imported
	Reactor     string                         // a module that exports _start but not this one is a command
}

// Check tells everything about the module that the policy does not allow.
func (m *Module) Check(p Policy) error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Bytes > 0 && m.size > p.Bytes {
		add("the module has %d bytes, the limit is %d", m.size, p.Bytes)
	}
	if p.Functions > 0 && len(m.defined) > p.Functions {
		add("the module has %d functions, the limit is %d", len(m.defined), p.Functions)
	}
	elements := uint64(0)
	for _, t := range m.tables {
		elements += uint64(t.min)
	}
	if p.Table > 0 && elements > uint64(p.Table) {
		add("tables start with %d elements, the limit is %d", elements, p.Table)
	}
	errs = append(errs, m.checkMemory(p)...)
	if p.Reactor != "" && m.HasExport("_start") && !m.HasExport(p.Reactor) {
		add("this is a command module: build a reactor (Go: -buildmode=c-shared)")
	} else {
		for _, want := range p.Exports {
			if err := m.checkExport(want); err != nil {
				errs = append(errs, err)
			}
		}
	}
	errs = append(errs, m.checkImports(p)...)
	return errors.Join(errs...)
}

func (m *Module) checkMemory(p Policy) (errs []error) {
	if p.Memory != "" {
		e, ok := m.exports[p.Memory]
		if !ok || e.kind != kindMemory {
			errs = append(errs, fmt.Errorf("the module must export its memory as %q", p.Memory))
		}
	}
	for _, mem := range m.memories {
		if mem.imported {
			errs = append(errs, errors.New("the module imports its memory: it must bring its own"))
		}
		if p.MemoryPages > 0 && mem.min > p.MemoryPages {
			errs = append(errs, fmt.Errorf("the module starts with %d pages of memory (%d KiB), its limit is %d pages (%d KiB)",
				mem.min, uint64(mem.min)*64, p.MemoryPages, uint64(p.MemoryPages)*64))
		}
	}
	if len(m.memories) > 1 {
		errs = append(errs, errors.New("the module has more than one memory"))
	}
	return errs
}

func (m *Module) checkExport(want Signature) error {
	e, ok := m.exports[want.Name]
	if !ok && want.Optional {
		return nil
	}
	if !ok || e.kind != kindFunction {
		return fmt.Errorf("the module must export the function %s(%s)", want.Name, want.Params)
	}
	have, _ := m.functionType(e.index)
	return want.check("export "+want.Name, have)
}

func (want Signature) check(what string, have signature) error {
	if spell(have.params) != want.Params || spell(have.results) != want.Results {
		return fmt.Errorf("%s is (%s) -> (%s), it must be (%s) -> (%s)", what, spell(have.params), spell(have.results), want.Params, want.Results)
	}
	return nil
}

func (m *Module) checkImports(p Policy) (errs []error) {
	if len(m.foreign) > 0 {
		errs = append(errs, fmt.Errorf("the module imports what is not a function: %s", strings.Join(m.foreign, ", ")))
	}
	if p.Import == nil {
		return errs
	}
	var unknown []string
	for k, i := range m.imports {
		want, ok := p.Import(i)
		if !ok {
			unknown = append(unknown, i.String())
			continue
		}
		if err := want.check("import "+i.String(), m.types[m.imported[k]]); err != nil {
			errs = append(errs, err)
		}
	}
	if len(unknown) > 0 {
		errs = append(errs, fmt.Errorf("the module imports functions that a rule does not get: %s", strings.Join(unknown, ", ")))
	}
	return errs
}

func spell(types string) string {
	names := map[byte]string{i32: "i32", i64: "i64", f32: "f32", f64: "f64", v128: "v128", funcref: "funcref", externref: "externref"}
	var words []string
	for _, c := range []byte(types) {
		words = append(words, names[c])
	}
	return strings.Join(words, " ")
}

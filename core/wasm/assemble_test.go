package wasm_test

import (
	"encoding/binary"
	"slices"
)

// A little assembler: modules are written in the test that needs them.

const (
	tI32 byte = 0x7f
	tI64 byte = 0x7e
)

// fn is one function. Its code ends with the end opcode, which assemble adds.
type fn struct {
	params, results []byte
	locals          []byte // types
	code            []byte
	export          string
}

type imp struct {
	module, name    string
	params, results []byte
}

type module struct {
	imports []imp
	funcs   []fn
	memory  []uint32 // min, optional max
	tables  []uint32 // min of each
	globals [][]byte // whole entries
	elems   []uint32 // functions put at the start of table 0
	exports [][]byte // whole entries, besides those of functions
	data    []byte   // at data0 of the memory
	data0   int32
	start   int // 1 + function
	custom  map[string][]byte
}

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func vec[T any](items []T, each func(T) []byte) []byte {
	b := uleb(uint64(len(items)))
	for _, i := range items {
		b = append(b, each(i)...)
	}
	return b
}

func str(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func (m module) assemble() []byte {
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	section := func(id byte, body []byte) {
		out = append(append(append(out, id), uleb(uint64(len(body)))...), body...)
	}
	type sig struct{ params, results []byte }
	var sigs []sig
	for _, i := range m.imports {
		sigs = append(sigs, sig{i.params, i.results})
	}
	for _, f := range m.funcs {
		sigs = append(sigs, sig{f.params, f.results})
	}
	section(1, vec(sigs, func(s sig) []byte {
		return slices.Concat([]byte{0x60}, str(string(s.params)), str(string(s.results)))
	}))
	at := uint64(0)
	section(2, vec(m.imports, func(i imp) []byte {
		at++
		return slices.Concat(str(i.module), str(i.name), []byte{0}, uleb(at-1))
	}))
	section(3, vec(m.funcs, func(fn) []byte { at++; return uleb(at - 1) }))
	if len(m.tables) > 0 {
		section(4, vec(m.tables, func(n uint32) []byte { return append([]byte{0x70, 0}, uleb(uint64(n))...) }))
	}
	if len(m.memory) > 0 {
		section(5, slices.Concat([]byte{1, byte(len(m.memory) - 1)}, uleb(uint64(m.memory[0])), func() []byte {
			if len(m.memory) > 1 {
				return uleb(uint64(m.memory[1]))
			}
			return nil
		}()))
	}
	if len(m.globals) > 0 {
		section(6, vec(m.globals, func(g []byte) []byte { return g }))
	}
	exports := slices.Clone(m.exports)
	for i, f := range m.funcs {
		if f.export != "" {
			exports = append(exports, slices.Concat(str(f.export), []byte{0}, uleb(uint64(len(m.imports)+i))))
		}
	}
	section(7, vec(exports, func(e []byte) []byte { return e }))
	if m.start > 0 {
		section(8, uleb(uint64(m.start-1)))
	}
	if len(m.elems) > 0 {
		section(9, slices.Concat([]byte{1, 0, 0x41, 0, 0x0b}, vec(m.elems, func(i uint32) []byte { return uleb(uint64(i)) })))
	}
	section(10, vec(m.funcs, func(f fn) []byte {
		locals := vec(f.locals, func(t byte) []byte { return []byte{1, t} })
		return str(string(slices.Concat(locals, f.code, []byte{0x0b})))
	}))
	if len(m.data) > 0 {
		section(11, slices.Concat([]byte{1, 0, 0x41}, sleb(int64(m.data0)), []byte{0x0b}, str(string(m.data))))
	}
	for name, content := range m.custom {
		section(0, append(str(name), content...))
	}
	return out
}

func i32c(v int32) []byte { return append([]byte{0x41}, sleb(int64(v))...) }

func code(parts ...[]byte) []byte { return slices.Concat(parts...) }

func call(i int) []byte { return append([]byte{0x10}, uleb(uint64(i))...) }

func op(b ...byte) []byte { return b }

// Indexes of the functions that every test module imports.
const (
	impEmit = iota
	impFail
	impLog
	imports
)

const testManifest = `{"abi":{"major":1,"min_minor":0},"name":"hostile","inputs":[{"name":"in"}]}`

const sharedManifest = `{"abi":{"major":1,"min_minor":0},"name":"hostile","shared":true,"inputs":[{"name":"in"}]}`

// Where the slots of a test module lie: 64 KiB each, from the second page on.
const slotBase, slotSize = 1 << 16, 1 << 16

// ruleModule is a well-behaved rule module whose evaluation does what body says: (rule, ptr, len) -> status.
// Local 3 of body is an i32, local 4 an i64. more are further functions, after the fixed ones.
func ruleModule(body []byte, more ...fn) module {
	handle := []byte{tI32, tI32, tI32}
	one := []byte{tI32}
	m := module{
		imports: []imp{
			{"tocsin_v1", "emit", handle, one},
			{"tocsin_v1", "fail", handle, nil},
			{"tocsin_v1", "log", handle, nil},
		},
		funcs: []fn{
			{export: "tocsin_abi_v1"},
			{export: "tocsin_buffer", params: []byte{tI32, tI32}, results: one, code: code(
				op(0x20, 0), i32c(slotSize), op(0x6c), i32c(slotBase), op(0x6a))},
			{export: "tocsin_configure", params: handle, results: one, code: i32c(0)},
			{export: "tocsin_series", params: handle, results: one, code: i32c(0)},
			{export: "tocsin_eval", params: handle, results: one, locals: []byte{tI32, tI64}, code: body},
		},
		memory:  []uint32{8},
		exports: [][]byte{slices.Concat(str("memory"), []byte{2, 0})},
		custom:  map[string][]byte{"tocsin.manifest": []byte(testManifest)},
	}
	m.funcs = append(m.funcs, more...)
	return m
}

// Indexes of the fixed functions.
const (
	fnMarker = imports + iota
	fnBuffer
	fnConfigure
	fnSeries
	fnEval
	fnMore
)

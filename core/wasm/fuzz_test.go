package wasm_test

import (
	"errors"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
)

// FuzzLoad: whatever the bytes are, loading them ends with an error of this package or with a module, whose rules are
// evaluated or fail within their fuel and memory.
func FuzzLoad(f *testing.F) {
	for _, s := range []source{
		{},
		emits(result(nil)),
		counting(),
		{eval: endless},
		{eval: `(call $f (i32.const 1)) (i32.const 0)`, more: `(func $f (param i32) (call_indirect (i32.const 0))) (table 2 funcref) (elem (i32.const 0) func $g) (func $g (drop (memory.grow (i32.const 1))))`},
		{eval: `(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3)) (memory.copy (i32.const 8) (i32.const 0) (i32.const 8)) (i32.const 0)`, more: `(data $d "abc")`},
		{manifest: "-", more: `(func (export "tocsin_describe") (result i32) (call $emit (i32.const 3) (i32.const 1024) (i32.const 70)))`},
	} {
		f.Add(s.assemble(f))
	}
	h := newHost(f, wasm.Options{Memory: 64 << 20})
	f.Fuzz(func(t *testing.T, code []byte) {
		failure := func(err error) bool {
			_, ok := errors.AsType[*wasm.Error](err)
			return err == nil || ok
		}
		m, err := h.Load(t.Context(), "fuzz", code, wasm.Limits{ModuleBytes: 64 << 10, Memory: 1 << 20, Fuel: 100_000})
		if !failure(err) {
			t.Errorf("load: %v", err)
		}
		if err != nil {
			return
		}
		r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: "r"})
		if !failure(err) {
			t.Errorf("configure: %v", err)
		}
		if err == nil {
			for value := range 2 {
				d, w := oneSeries(float64(value))
				if _, err := r.Eval(t.Context(), d, w); !failure(err) {
					t.Errorf("evaluate: %v", err)
				}
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if used := h.MemoryUsed(); used != 0 {
			t.Errorf("%d bytes of memory are in use", used)
		}
	})
}

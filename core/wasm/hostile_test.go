package wasm_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHost(t testing.TB, opts wasm.Options) *wasm.Host {
	t.Helper()
	h, err := wasm.New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func newRule(t testing.TB, m *wasm.Module, id string) *wasm.Rule {
	t.Helper()
	r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(t.Context()) })
	return r
}

func load(t testing.TB, h *wasm.Host, m module, limits wasm.Limits) *wasm.Module {
	t.Helper()
	loaded, err := h.Load(t.Context(), "hostile", m.assemble(), limits)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// oneSeries is the smallest window that says something: one series with one value.
func oneSeries(value float64) (*abi.Dictionary, *abi.Window) {
	d := &abi.Dictionary{Generation: 1, Series: []frame.Series{{Labels: frame.NewLabels(frame.Label{Name: "job", Value: "a"})}}}
	w := &abi.Window{Sequence: 1, Time: 1_700_000_000_000, Generation: 1, Inputs: []abi.Input{{
		Series: []uint32{0}, Spans: []abi.Span{{Start: 0, Count: 1}}, TimeRef: []uint32{0}, Flags: []uint8{0},
		Times: []int64{1_700_000_000_000}, Values: []float64{value}, TargetsExpected: 1, TargetsAnswered: 1,
	}}}
	return d, w
}

// emits is an evaluation that emits the given bytes, which lie at address 1024.
func emits(result []byte) module {
	m := ruleModule(code(i32c(1), i32c(1024), i32c(int32(len(result))), call(impEmit), op(0x1a), i32c(0)))
	m.data, m.data0 = result, 1024
	return m
}

// result is one healthy verdict about series 0.
func result(change func(b []byte)) []byte {
	var w abi.ResultWriter
	w.Add(0, abi.Healthy, 1)
	w.Label("zone", "eu")
	w.Text("all is well")
	parts := w.Parts()
	b := slices.Concat(parts[:]...)
	if change != nil {
		change(b)
	}
	return b
}

// tree is 40 functions of which each calls the next one twice: 2^40 calls without a loop or recursion.
func tree() module {
	var funcs []fn
	for i := range 40 {
		next := call(fnMore + i + 1)
		funcs = append(funcs, fn{code: code(next, next)})
	}
	return ruleModule(code(call(fnMore), i32c(0)), append(funcs, fn{})...)
}

// buffer is a module whose tocsin_buffer does what body says with (slot, size).
func buffer(body []byte) module {
	m := ruleModule(i32c(0))
	m.funcs[fnBuffer-imports].code = body
	return m
}

func TestHostile(t *testing.T) {
	loop := op(0x03, 0x40, 0x0c, 0, 0x0b) // loop br 0 end
	tests := map[string]struct {
		module module
		limits wasm.Limits
		class  wasm.Class
		detail string
	}{
		"loops for ever": {
			module: ruleModule(code(loop, i32c(0))), class: wasm.FuelExhausted, detail: "fuel exhausted (budget 200000000)",
		},
		"loops for ever with a budget of its own": {
			module: ruleModule(code(loop, i32c(0))), limits: wasm.Limits{Fuel: 5000}, class: wasm.FuelExhausted, detail: "fuel exhausted (budget 5000)",
		},
		"recurses for ever": {
			module: ruleModule(code(call(fnMore), i32c(0)), fn{code: code(call(fnMore), call(fnMore))}), class: wasm.StackOverflow, detail: "stack overflow",
		},
		"mutual recursion": {
			module: ruleModule(code(call(fnMore), i32c(0)), fn{code: call(fnMore + 1)}, fn{code: call(fnMore)}), class: wasm.StackOverflow, detail: "stack overflow",
		},
		"call tree without loops": {
			module: tree(), class: wasm.FuelExhausted, detail: "fuel exhausted",
		},
		"fills memory in a loop": {
			module: ruleModule(code(op(0x03, 0x40), i32c(0), i32c(0), i32c(400_000), op(0xfc, 11, 0, 0x0c, 0, 0x0b), i32c(0))),
			class:  wasm.FuelExhausted, detail: "fuel exhausted",
		},
		"grows memory to the end, then crashes": { // loop: while memory.grow(16) >= 0; unreachable
			module: ruleModule(code(op(0x03, 0x40), i32c(16), op(0x40, 0), i32c(0), op(0x4e, 0x0d, 0, 0x0b, 0x00))),
			class:  wasm.MemoryLimit, detail: "growth beyond the memory cap of 64 MiB was refused",
		},
		"grows memory for ever": {
			module: ruleModule(code(op(0x03, 0x40), i32c(1), op(0x40, 0, 0x1a, 0x0c, 0, 0x0b), i32c(0))), limits: wasm.Limits{Fuel: 10_000_000},
			class: wasm.FuelExhausted, detail: "growth beyond the memory cap",
		},
		"crashes": {
			module: ruleModule(op(0x00)), class: wasm.Trap, detail: "unreachable",
		},
		"divides by zero": {
			module: ruleModule(code(i32c(1), i32c(0), op(0x6d))), class: wasm.Trap, detail: "integer divide by zero",
		},
		"reads outside its memory": {
			module: ruleModule(code(i32c(-8), op(0x28, 2, 0))), class: wasm.Trap, detail: "out of bounds memory access",
		},
		"says that it fails": {
			module: func() module {
				m := ruleModule(code(i32c(-2), i32c(1024), i32c(5), call(impFail), i32c(-2)))
				m.data, m.data0 = []byte("sorry"), 1024
				return m
			}(), class: wasm.GuestFailed, detail: `internal error; the guest said: "sorry"`,
		},
		"fails with a message outside its memory": {
			module: ruleModule(code(i32c(-2), i32c(-1), i32c(-1), call(impFail), i32c(-2))), class: wasm.GuestFailed, detail: "outside the guest's memory",
		},
		"stops for lack of fuel": {module: ruleModule(i32c(-6)), class: wasm.FuelExhausted, detail: "fuel exhausted"},
		"says that it has no memory": {
			module: ruleModule(i32c(-4)), class: wasm.MemoryLimit, detail: "out of memory",
		},
		"returns an unknown status": {module: ruleModule(i32c(7)), class: wasm.BadResult, detail: "returned 7"},
		"emits from outside its memory": {
			module: ruleModule(code(i32c(1), i32c(8<<16-4), i32c(8), call(impEmit), op(0x1a), i32c(0))), class: wasm.BadResult, detail: "not in the guest's memory",
		},
		"emits with a wrapping length": {
			module: ruleModule(code(i32c(1), i32c(16), i32c(-1), call(impEmit), op(0x1a), i32c(0))), class: wasm.BadResult, detail: "not in the guest's memory",
		},
		"emits too much": {
			module: ruleModule(code(op(0x03, 0x40), i32c(1), i32c(0), i32c(65536), call(impEmit), op(0x45, 0x0d, 0, 0x0b), i32c(0))), class: wasm.BadResult, detail: "more than 1 MiB",
		},
		"buffer is zero":     {module: buffer(i32c(0)), class: wasm.MemoryLimit, detail: "no memory"},
		"buffer unaligned":   {module: buffer(i32c(4100)), class: wasm.BadResult, detail: "multiple of 8"},
		"buffer outside":     {module: buffer(i32c(8<<16 - 8)), class: wasm.BadResult, detail: "outside the guest's memory"},
		"buffer far outside": {module: buffer(i32c(-8)), class: wasm.BadResult, detail: "outside the guest's memory"},
		"buffers overlap":    {module: buffer(i32c(4096)), class: wasm.BadResult, detail: "overlaps slot"},
		"result is rubbish":  {module: emits([]byte("not a result")), class: wasm.BadResult, detail: "not a result"},
		"result with a huge count": {
			module: emits(result(func(b []byte) { copy(b[4:], "\xff\xff\xff\xff") })), class: wasm.BadResult, detail: "the limit is 10000",
		},
		"result with offsets outside": {
			module: emits(result(func(b []byte) { copy(b[8:], "\xf0\xff\xff\xff") })), class: wasm.BadResult, detail: "outside the block",
		},
		"result with a bad label name": {
			module: emits(result(func(b []byte) { b[slices.Index(b, 'z')] = '{' })), class: wasm.BadResult, detail: "is not allowed",
		},
		"result that is not UTF-8": {
			module: emits(result(func(b []byte) { b[len(b)-1] = 0xff })), class: wasm.BadResult, detail: "not UTF-8",
		},
		"result about an unknown series": {
			module: emits(result(func(b []byte) { b[32] = 9 })), class: wasm.BadResult, detail: "not in the dictionary",
		},
	}
	h := newHost(t, wasm.Options{})
	fineModule := load(t, h, emits(result(nil)), wasm.Limits{})
	fine := newRule(t, fineModule, "fine")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := load(t, h, tt.module, tt.limits)
			r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: "bad"})
			if err == nil {
				d, w := oneSeries(1)
				_, err = r.Eval(t.Context(), d, w)
				if cerr := r.Close(t.Context()); cerr != nil {
					t.Error(cerr)
				}
			}
			var failure *wasm.Error
			if !errors.As(err, &failure) {
				t.Fatalf("got %v, want an error of this package", err)
			}
			if failure.Class != tt.class || !strings.Contains(failure.Detail, tt.detail) || failure.Rule != "bad" {
				t.Errorf("got class %s of rule %q: %s\nwant %s: %s", failure.Class, failure.Rule, failure.Detail, tt.class, tt.detail)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
			d, w := oneSeries(1)
			got, err := fine.Eval(t.Context(), d, w)
			if err != nil || len(got.Verdicts) != 1 || got.Verdicts[0].Text != "all is well" {
				t.Errorf("another rule is evaluated to %v, %v", got, err)
			}
		})
	}
}

func TestRefusedModules(t *testing.T) {
	with := func(change func(m *module)) []byte {
		m := ruleModule(i32c(0))
		change(&m)
		return m.assemble()
	}
	tests := map[string]struct {
		code   []byte
		limits wasm.Limits
		want   string
	}{
		"nothing":          {code: nil, want: "not a WebAssembly binary"},
		"text":             {code: []byte("(module)"), want: "not a WebAssembly binary"},
		"component":        {code: []byte("\x00asm\x0d\x00\x01\x00"), want: "not components"},
		"too large":        {code: with(func(*module) {}), limits: wasm.Limits{ModuleBytes: 100}, want: "the limit is 100"},
		"cut short":        {code: with(func(*module) {})[:100], want: "ends too early"},
		"no manifest":      {code: with(func(m *module) { m.custom = nil }), want: "neither a section tocsin.manifest"},
		"another ABI":      {code: with(func(m *module) { m.custom["tocsin.manifest"] = []byte(`{"abi":{"major":2},"name":"x"}`) }), want: "needs ABI 2.0"},
		"bad manifest":     {code: with(func(m *module) { m.custom["tocsin.manifest"] = []byte(`{`) }), want: "read manifest"},
		"memory too large": {code: with(func(m *module) { m.memory = []uint32{1025} }), want: "starts with 1025 pages"},
		"no memory":        {code: with(func(m *module) { m.memory, m.exports = nil, nil }), want: `export its memory as "memory"`},
		"table bomb":       {code: with(func(m *module) { m.tables = []uint32{1 << 27} }), want: "tables start with 134217728 elements"},
		"table.grow": {
			code: with(func(m *module) {
				m.tables = []uint32{1}
				m.funcs[fnEval-imports].code = code(op(0xd0, 0x70), i32c(500_000_000), op(0xfc, 15, 0))
			}), want: "table.grow is not allowed",
		},
		"unknown imports": {
			code: with(func(m *module) {
				m.imports = append(m.imports, imp{"env", "system", nil, nil}, imp{"tocsin_v1", "query", nil, nil})
			}), want: "env.system, tocsin_v1.query",
		},
		"import of another type": {
			code: with(func(m *module) {
				m.imports = append(m.imports, imp{"wasi_snapshot_preview1", "fd_write", nil, []byte{tI64}})
			}), want: "signature mismatch",
		},
		"command": {
			code: with(func(m *module) {
				m.funcs = m.funcs[:1]
				m.funcs[0].export = "_start"
			}), want: "this is a command module: build a reactor (Go: -buildmode=c-shared)",
		},
		"missing export": {code: with(func(m *module) { m.funcs[fnSeries-imports].export = "" }), want: "must export the function tocsin_series"},
		"wrong signature": {
			code: with(func(m *module) {
				m.funcs[fnSeries-imports].params = []byte{tI64}
			}), want: "export tocsin_series is (i64) -> (i32), it must be (i32 i32 i32) -> (i32)",
		},
		"takes the fuel counter": {
			code: with(func(m *module) {
				m.funcs[fnEval-imports].code = code(op(0x42, 0, 0x24, 0), i32c(0))
			}), want: "global 0 does not exist",
		},
		"exports the fuel counter": {
			code: with(func(m *module) {
				m.exports = append(m.exports, slices.Concat(str("mine"), []byte{3, 0}))
			}), want: `export "mine" names something that does not exist`,
		},
		"uses the counter's name": {
			code: with(func(m *module) { m.funcs[0].export = "tocsin_fuel" }), want: "reserved",
		},
		"type error": {
			code: with(func(m *module) { m.funcs[fnEval-imports].code = op(0x42, 0) }), want: "compile:",
		},
		"unknown opcode": {
			code: with(func(m *module) { m.funcs[fnEval-imports].code = op(0x12, 0) }), want: "opcode 0x12",
		},
		"start function loops for ever": {
			code: with(func(m *module) {
				m.funcs = append(m.funcs, fn{code: op(0x03, 0x40, 0x0c, 0, 0x0b)})
				m.start = fnMore + 1
			}), want: "it may spend 100000000 fuel",
		},
	}
	h := newHost(t, wasm.Options{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := h.Load(t.Context(), "mine", tt.code, tt.limits)
			if err == nil { // what only shows when an instance is made
				_, err = m.NewRule(t.Context(), wasm.RuleOptions{ID: "r"})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestScribblingGuest(t *testing.T) {
	// Overwrites its window, then says healthy: what it reads next time is right again. It counts by the first value.
	scribble := code(
		op(0x20, 1), i32c(0xff), op(0x20, 2, 0xfc, 11, 0), // memory.fill(ptr, 0xff, len)
		i32c(0))
	check := code( // the magic number of the block must be there: load(ptr) == "TSW1"
		op(0x20, 1, 0x28, 2, 0), i32c(0x31575354), op(0x47, 0x04, 0x40, 0x00, 0x0b))
	h := newHost(t, wasm.Options{})
	r := newRule(t, load(t, h, ruleModule(code(check, scribble)), wasm.Limits{}), "scribbles")
	for range 3 {
		d, w := oneSeries(1)
		if _, err := r.Eval(t.Context(), d, w); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmitInWrongPhase(t *testing.T) {
	m := ruleModule(i32c(0))
	m.funcs[fnConfigure-imports].code = code(i32c(1), i32c(0), i32c(8), call(impEmit)) // its status is emit's answer
	h := newHost(t, wasm.Options{})
	_, err := load(t, h, m, wasm.Limits{}).NewRule(t.Context(), wasm.RuleOptions{ID: "r"})
	var failure *wasm.Error
	if !errors.As(err, &failure) || !strings.Contains(failure.Detail, "tocsin_configure: bad configuration") { // -1
		t.Errorf("got %v", err)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("no /proc here")
	}
	grow := ruleModule(code(op(0x03, 0x40), i32c(64), op(0x40, 0), i32c(0), op(0x4e, 0x0d, 0, 0x0b),
		i32c(0), i32c(1), i32c(60<<20), op(0xfc, 11, 0, 0x00))) // takes 60 MiB for real, then crashes
	h := newHost(t, wasm.Options{})
	m := load(t, h, grow, wasm.Limits{})
	r := newRule(t, m, "greedy")
	before := resident(t)
	for range 10 {
		d, w := oneSeries(1)
		if _, err := r.Eval(t.Context(), d, w); err == nil {
			t.Fatal("it did not fail")
		}
	}
	if after := resident(t); after > before+100<<20 {
		t.Errorf("%d MiB are resident after ten failures, %d MiB before", after>>20, before>>20)
	}
}

func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data))
	pages := 0
	for _, c := range fields[1] {
		pages = pages*10 + int(c-'0')
	}
	return pages * os.Getpagesize()
}

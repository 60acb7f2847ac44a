package wasm_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/internal/wat"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testManifest   = `{"abi":{"major":1,"min_minor":0},"name":"hostile","inputs":[{"name":"in"}]}`
	sharedManifest = `{"abi":{"major":1,"min_minor":0},"name":"hostile","shared":true,"inputs":[{"name":"in"}]}`
)

// source is a rule module as text. Where it is silent the module is well-behaved: it has 8 pages of memory, slots of
// 64 KiB from the second page on, and finds that all is well.
type source struct {
	imports   string // besides $emit, $fail and $log
	memory    string
	buffer    string // body of tocsin_buffer: $slot $size -> pointer
	configure string // bodies with $rule $ptr $len, and the locals $i (i32), $n (i64) and $x (f64) -> status
	series    string
	eval      string
	more      string            // further fields
	manifest  string            // "-" for none
	change    map[string]string // last: pieces of the text and what stands in their place
}

func (s source) text() string {
	def := func(v *string, text string) {
		if *v == "" {
			*v = text
		}
	}
	def(&s.memory, `(memory (export "memory") 8)`)
	def(&s.buffer, `(i32.mul (i32.add (local.get $slot) (i32.const 1)) (i32.const 0x10000))`)
	def(&s.configure, `(i32.const 0)`)
	def(&s.series, `(i32.const 0)`)
	def(&s.eval, `(i32.const 0)`)
	def(&s.manifest, testManifest)
	custom := ""
	if s.manifest != "-" {
		custom = `(@custom "tocsin.manifest" ` + wat.Quote([]byte(s.manifest)) + ")"
	}
	const handle = `(param $rule i32) (param $ptr i32) (param $len i32) (result i32) (local $i i32) (local $n i64) (local $x f64)`
	text := fmt.Sprintf(`(module
		(import "tocsin_v1" "emit" (func $emit (param i32 i32 i32) (result i32)))
		(import "tocsin_v1" "fail" (func $fail (param i32 i32 i32)))
		(import "tocsin_v1" "log" (func $log (param i32 i32 i32)))
		%s
		%s
		(func (export "tocsin_abi_v1"))
		(func (export "tocsin_buffer") (param $slot i32) (param $size i32) (result i32) %s)
		(func (export "tocsin_configure") %[8]s %[4]s)
		(func (export "tocsin_series") %[8]s %[5]s)
		(func $eval (export "tocsin_eval") %[8]s %[6]s)
		%[7]s
		%[9]s)`, s.imports, s.memory, s.buffer, s.configure, s.series, s.eval, s.more, handle, custom)
	for old, replacement := range s.change {
		if !strings.Contains(text, old) {
			panic("the module has no " + old)
		}
		text = strings.ReplaceAll(text, old, replacement)
	}
	return text
}

func (s source) assemble(t testing.TB) []byte {
	t.Helper()
	code, err := wat.Assemble(s.text())
	if err != nil {
		t.Fatalf("%v in:\n%s", err, s.text())
	}
	return code
}

// emits is a module whose evaluation emits the given bytes, which lie at address 1024.
func emits(result []byte) source {
	return source{
		eval: fmt.Sprintf(`(drop (call $emit (i32.const 1) (i32.const 1024) (i32.const %d))) (i32.const 0)`, len(result)),
		more: fmt.Sprintf(`(data (i32.const 1024) %s)`, wat.Quote(result)),
	}
}

// result is one healthy verdict about series 0.
func result(change func(b []byte)) []byte {
	var w abi.ResultWriter
	w.Add(0, abi.Healthy, 1)
	w.Label("zone", "eu")
	w.Text("all is well")
	b := w.Block()
	if change != nil {
		change(b)
	}
	return b
}

// says is an evaluation that does what body says, which leaves an i64, and emits that as the value of its verdict.
func says(body string) source {
	s := emits(result(nil))
	s.eval = `(f64.store (i32.const 1064) (f64.convert_i64_u ` + body + `))` + s.eval
	return s
}

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

func load(t testing.TB, h *wasm.Host, s source, limits wasm.Limits) *wasm.Module {
	t.Helper()
	loaded, err := h.Load(t.Context(), "hostile", s.assemble(t), limits)
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

// evaluate evaluates over one value and returns the value of the first verdict.
func evaluate(t testing.TB, r *wasm.Rule, value float64) (float64, error) {
	t.Helper()
	d, w := oneSeries(value)
	e, err := r.Eval(t.Context(), d, w)
	if err != nil || len(e.Verdicts) == 0 {
		return 0, err
	}
	return e.Verdicts[0].Value, nil
}

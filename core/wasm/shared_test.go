package wasm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// counting is a shared module that counts its evaluations in its memory and says the number as its value.
// The rule with handle 2 crashes when its window has the value 13.
func counting() module {
	values := code(op(0x20, 1), op(0x20, 1, 0x28, 2, 64+24), op(0x6a)) // ptr + off_val of the first input
	crash := code(op(0x20, 0), i32c(2), op(0x46, 0x04, 0x40), values, op(0x2b, 3, 0), op(0x44, 0, 0, 0, 0, 0, 0, 0x2a, 0x40),
		op(0x61, 0x04, 0x40, 0x00, 0x0b, 0x0b))
	count := code(i32c(2048), i32c(2048), op(0x28, 2, 0), i32c(1), op(0x6a, 0x36, 2, 0))
	say := code(i32c(1024+32+8), i32c(2048), op(0x28, 2, 0, 0xb8, 0x39, 3, 0))
	block := result(nil)
	m := ruleModule(code(crash, count, say, i32c(1), i32c(1024), i32c(int32(len(block))), call(impEmit), op(0x1a), i32c(0)))
	m.data, m.data0 = block, 1024
	m.custom["tocsin.manifest"] = []byte(sharedManifest)
	return m
}

func evaluate(t *testing.T, r *wasm.Rule, value float64) (float64, error) {
	t.Helper()
	d, w := oneSeries(value)
	e, err := r.Eval(t.Context(), d, w)
	if err != nil {
		return 0, err
	}
	return e.Verdicts[0].Value, nil
}

func TestSharedInstance(t *testing.T) {
	h := newHost(t, wasm.Options{})
	m := load(t, h, counting(), wasm.Limits{})
	a, b, c := newRule(t, m, "a"), newRule(t, m, "b"), newRule(t, m, "c")
	steps := []struct {
		rule  *wasm.Rule
		value float64
		want  float64 // 0: it fails
		why   string
	}{
		{a, 1, 1, "the first in the instance"},
		{b, 1, 2, "the second"},
		{c, 1, 3, "the third"},
		{b, 13, 0, "it crashes"},
		{a, 1, 1, "in a fresh instance"},
		{c, 1, 2, "with the others"},
		{b, 1, 1, "in an instance of its own"},
		{b, 13, 0, "it crashes again"},
		{a, 1, 3, "which the others do not notice"},
		{c, 1, 4, "neither"},
		{b, 1, 1, "afresh"},
	}
	for i, s := range steps {
		got, err := evaluate(t, s.rule, s.value)
		if got != s.want || (err != nil) != (s.want == 0) {
			t.Fatalf("step %d, %s: got %v, %v, want %v", i, s.why, got, err, s.want)
		}
	}
	if err := m.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by 3 rules") {
		t.Errorf("a module in use was closed: %v", err)
	}
	for _, r := range []*wasm.Rule{a, b, c} {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := evaluate(t, a, 1); err == nil {
		t.Error("a closed rule was evaluated")
	}
}

func TestManyRulesAtOnce(t *testing.T) {
	h := newHost(t, wasm.Options{})
	m := load(t, h, counting(), wasm.Limits{})
	var workers sync.WaitGroup
	for i := range 40 {
		r := newRule(t, m, fmt.Sprint("rule", i))
		workers.Go(func() {
			for k := range 50 {
				value := float64(k % 14) // 13 brings the instance of rule 2 down, with all that are in it
				d, w := oneSeries(value)
				_, err := r.Eval(t.Context(), d, w)
				var failure *wasm.Error
				if err != nil && (!errors.As(err, &failure) || failure.Rule != "rule1" || failure.Class != wasm.Trap) {
					t.Error(err)
				}
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGenerations(t *testing.T) {
	// Says how often it was given series: tocsin_series counts, tocsin_eval says it.
	m := counting()
	m.funcs[fnSeries-imports].code = code(i32c(2048), i32c(2048), op(0x28, 2, 0), i32c(1), op(0x6a, 0x36, 2, 0), i32c(0))
	block := result(nil)
	m.funcs[fnEval-imports].code = code(i32c(1024+32+8), i32c(2048), op(0x28, 2, 0, 0xb8, 0x39, 3, 0),
		i32c(1), i32c(1024), i32c(int32(len(block))), call(impEmit), op(0x1a), i32c(0))
	h := newHost(t, wasm.Options{})
	r := newRule(t, load(t, h, m, wasm.Limits{}), "r")
	d, w := oneSeries(1)
	next := *d
	next.Generation = 2
	for i, step := range []struct {
		d    *abi.Dictionary
		want float64
	}{{d, 1}, {d, 1}, {&next, 2}, {&next, 2}, {d, 3}} {
		e, err := r.Eval(t.Context(), step.d, w)
		if err != nil || e.Verdicts[0].Value != step.want {
			t.Fatalf("step %d: got %v, %v, want %v", i, e, err, step.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	m := ruleModule(i32c(0), fn{
		export: "tocsin_describe", results: []byte{tI32},
		code: code(i32c(3), i32c(1024), i32c(int32(len(testManifest))), call(impEmit)),
	})
	m.custom = nil
	m.data, m.data0 = []byte(testManifest), 1024
	h := newHost(t, wasm.Options{})
	if got := load(t, h, m, wasm.Limits{}).Manifest().Name; got != "hostile" {
		t.Errorf("got the manifest of %q", got)
	}
}

func TestCompilationCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	code := counting()
	loadOnce := func() {
		t.Helper()
		h, err := wasm.New(t.Context(), wasm.Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		m := load(t, h, code, wasm.Limits{})
		r := newRule(t, m, "r")
		if _, err := evaluate(t, r, 1); err != nil {
			t.Error(err)
		}
		if err := errors.Join(r.Close(t.Context()), m.Close(t.Context()), h.Close(t.Context())); err != nil {
			t.Error(err)
		}
	}
	loadOnce()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing is in the cache: %v, %v", entries, err)
	}
	for _, entry := range entries {
		for _, damage := range []func(b []byte) []byte{
			func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b },
			func(b []byte) []byte { return b[:len(b)/2] },
			func([]byte) []byte { return []byte("WAZEVO") },
			func([]byte) []byte { return nil },
		} {
			good, err := os.ReadFile(entry)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(entry, damage(append([]byte(nil), good...)), 0o600); err != nil {
				t.Fatal(err)
			}
			loadOnce()
		}
	}
	for _, mode := range []os.FileMode{0o777, 0o720} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := wasm.New(t.Context(), wasm.Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("a directory with mode %o is accepted: %v", mode, err)
		}
	}
}

func TestInterpreter(t *testing.T) {
	if wasm.Engine() != "compiler" {
		t.Skip("this machine has only the interpreter")
	}
	if got := newHost(t, wasm.Options{}).Engine(); got != "compiler" {
		t.Errorf("got %s", got)
	}
}

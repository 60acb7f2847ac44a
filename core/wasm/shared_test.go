package wasm_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// counting is a shared module that counts its evaluations in its memory and says the number as its value.
// The rule with handle 2 crashes when its window has the value 13.
func counting() source {
	s := says(`(i64.load (i32.const 2048))`)
	s.manifest = sharedManifest
	s.eval = `(local.set $x (f64.load (i32.add (local.get $ptr) (i32.load offset=88 (local.get $ptr)))))
		(if (i32.and (i32.eq (local.get $rule) (i32.const 2)) (f64.eq (local.get $x) (f64.const 13))) (then unreachable))
		(i64.store (i32.const 2048) (i64.add (i64.load (i32.const 2048)) (i64.const 1)))` + s.eval
	return s
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
	m := says(`(i64.load (i32.const 2048))`)
	m.series = `(i64.store (i32.const 2048) (i64.add (i64.load (i32.const 2048)) (i64.const 1))) (i32.const 0)`
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

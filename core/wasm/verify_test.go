package wasm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wasm"
)

func TestVerify(t *testing.T) {
	var got [2][]wasm.Evaluation
	for i, verify := range []bool{false, true} {
		h := newHost(t, wasm.Options{Verify: verify})
		m := load(t, h, counting(), wasm.Limits{})
		rules := []*wasm.Rule{newRule(t, m, "a"), newRule(t, m, "b")}
		for k := range 20 {
			d, w := oneSeries(float64(k)) // 13 crashes b
			e, err := rules[1].Eval(t.Context(), d, w)
			var failure *wasm.Error
			if k == 13 && (!errors.As(err, &failure) || failure.Class != wasm.Trap) || k != 13 && err != nil {
				t.Fatalf("evaluation %d: %v", k, err)
			}
			e.Verdicts = append(e.Verdicts[:0:0], e.Verdicts...)
			for v := range e.Verdicts {
				e.Verdicts[v].Threshold = 0 // it is NaN
			}
			got[i] = append(got[i], e)
		}
		for _, r := range rules {
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if used := h.MemoryUsed(); used != 0 {
			t.Errorf("%d bytes are still in use", used)
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("a verified rule differs (-not +verified): %s", diff)
	}
}

// A guest sees nothing but its inputs, with one exception, which serves here: the memory that all instances have
// together may be enough for one of the two and not for the other.
func TestVerifyFindsADifference(t *testing.T) {
	const page = 64 << 10
	h := newHost(t, wasm.Options{Verify: true, Memory: (8 + 8 + 16) * page})
	src := says(`(i64.extend_i32_u (memory.size))`)
	src.eval = `(if (f64.eq (f64.load (i32.add (local.get $ptr) (i32.load offset=88 (local.get $ptr)))) (f64.const 2)) (then
		(drop (memory.grow (i32.const 16)))))` + src.eval
	r := newRule(t, load(t, h, src, wasm.Limits{}), "greedy")
	if got, err := evaluate(t, r, 1); err != nil || got != 8 {
		t.Errorf("got %v, %v", got, err)
	}
	_, err := evaluate(t, r, 2)
	var failure *wasm.Error
	if !errors.As(err, &failure) || failure.Class != wasm.NotDeterministic || failure.Rule != "greedy" || !strings.Contains(failure.Detail, "not deterministic: two instances that were given the same disagree") {
		t.Errorf("got %v", err)
	}
	if used := h.MemoryUsed(); used != 0 {
		t.Errorf("%d bytes are in use after a disagreement", used)
	}
	if got, err := evaluate(t, r, 1); err != nil || got != 8 {
		t.Errorf("afresh: got %v, %v", got, err)
	}
}

// What a rule logs is logged once, and it sees the same of the level of the log in both instances.
func TestVerifyLogsOnce(t *testing.T) {
	var logged strings.Builder
	h := newHost(t, wasm.Options{Verify: true, Logger: zerolog.New(&logged).Level(zerolog.InfoLevel)})
	src := says(`(i64.extend_i32_u (call $enabled (i32.const -1)))`)
	src.imports = `(import "tocsin_v1" "log_enabled" (func $enabled (param i32) (result i32)))`
	src.eval = `(call $log (i32.const 0) (i32.const 1024) (i32.const 4))` + src.eval
	if got, err := evaluate(t, newRule(t, load(t, h, src, wasm.Limits{}), "talks"), 1); err != nil || got != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if n := strings.Count(logged.String(), "TSR1"); n != 1 {
		t.Errorf("it was logged %d times: %s", n, logged.String())
	}
}

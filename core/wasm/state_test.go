package wasm_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/internal/wat"
)

// tally is a shared module whose rules each count their evaluations and say the number as their value, with 1000 more
// when the engine says that they start afresh. A window of 13 makes it crash; a window of another number from 70 on
// becomes the count. What it does in a snapshot or when it is restored depends on the count: see the cases.
const tally = `(module
	(@custom "tocsin.manifest" "{\22abi\22:{\22major\22:1,\22min_minor\22:0},\22name\22:\22tally\22,\22shared\22:SHARED,\22inputs\22:[{\22name\22:\22in\22}],\22params\22:[{\22name\22:\22p\22,\22type\22:\22int\22}],\22state\22:{\22version\22:VERSION,\22max_bytes\22:64}}")
	(import "tocsin_v1" "emit" (func $emit (param i32 i32 i32) (result i32)))
	(memory (export "memory") 8)
	(data (i32.const 1024) "RESULT")
	(func (export "tocsin_abi_v1"))
	(func (export "tocsin_buffer") (param $slot i32) (param i32) (result i32)
		(i32.add (i32.const 65536) (i32.mul (local.get $slot) (i32.const 65536))))
	(func $count (param $rule i32) (result i32)
		(i32.add (i32.const 2048) (i32.mul (local.get $rule) (i32.const 8))))
	(func (export "tocsin_configure") (param $rule i32) (param i32 i32) (result i32)
		(i64.store (call $count (local.get $rule)) (i64.const 0))
		(i32.const 0))
	(func (export "tocsin_series") (param i32 i32 i32) (result i32) (i32.const 0))
	(func (export "tocsin_eval") (param $rule i32) (param $window i32) (param i32) (result i32) (local $value f64) (local $n i64)
		(local.set $value (f64.load (i32.add (local.get $window) (i32.load offset=88 (local.get $window)))))
		(if (f64.eq (local.get $value) (f64.const 13)) (then unreachable))
		(local.set $n (i64.add (i64.load (call $count (local.get $rule))) (i64.const 1)))
		(if (f64.ge (local.get $value) (f64.const 70)) (then (local.set $n (i64.trunc_f64_s (local.get $value)))))
		(i64.store (call $count (local.get $rule)) (local.get $n))
		(if (i32.and (i32.load offset=12 (local.get $window)) (i32.const 1))
			(then (local.set $n (i64.add (local.get $n) (i64.const 1000)))))
		(f64.store (i32.const 1064) (f64.convert_i64_s (local.get $n)))
		(drop (call $emit (i32.const 1) (i32.const 1024) (i32.const SIZE)))
		(i32.const 0))
	(func (export "tocsin_snapshot") (param $rule i32) (result i32) (local $n i64)
		(local.set $n (i64.load (call $count (local.get $rule))))
		(if (i64.eq (local.get $n) (i64.const 77)) (then unreachable))
		(if (i64.eq (local.get $n) (i64.const 78)) (then (loop $ever (br $ever))))
		(if (i64.eq (local.get $n) (i64.const 76)) (then (return (i32.const -2))))
		(if (i64.eq (local.get $n) (i64.const 75)) (then
			(drop (call $emit (i32.const 2) (i32.const 2048) (i32.const 65))) (return (i32.const 0))))
		(if (i64.eq (local.get $n) (i64.const 74)) (then (return (i32.const 0))))
		(drop (call $emit (i32.const 2) (call $count (local.get $rule)) (i32.const 4)))
		(drop (call $emit (i32.const 2) (i32.add (call $count (local.get $rule)) (i32.const 4)) (i32.const 4)))
		(i32.const 0))
	(func (export "tocsin_restore") (param $rule i32) (param $ptr i32) (param $size i32) (result i32) (local $n i64)
		(if (i32.ne (local.get $size) (i32.const 8)) (then unreachable))
		(local.set $n (i64.load (local.get $ptr)))
		(i64.store (call $count (local.get $rule)) (local.get $n))
		(if (i64.eq (local.get $n) (i64.const 98)) (then (return (i32.const -5))))
		(if (i64.eq (local.get $n) (i64.const 99)) (then unreachable))
		(i32.const 0)))`

// tallyOf assembles a variant of the module.
func tallyOf(t *testing.T, replace ...string) []byte {
	t.Helper()
	var block strings.Builder
	for _, b := range result(nil) {
		fmt.Fprintf(&block, `\%02x`, b)
	}
	replace = append(replace, "RESULT", block.String(), "SIZE", fmt.Sprint(len(result(nil))), "VERSION", "1", "SHARED", "true")
	code, err := wat.Assemble(strings.NewReplacer(replace...).Replace(tally))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func loadTally(t *testing.T, h *wasm.Host, replace ...string) *wasm.Module {
	t.Helper()
	m, err := h.Load(t.Context(), "tally", tallyOf(t, replace...), wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func restored(t *testing.T, m *wasm.Module, id string, state []byte) *wasm.Rule {
	t.Helper()
	r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: id, State: state})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(t.Context()) })
	return r
}

func snapshot(t *testing.T, r *wasm.Rule) []byte {
	t.Helper()
	state, err := r.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(state)
}

func wantValue(t *testing.T, r *wasm.Rule, value, want float64, why string) {
	t.Helper()
	if got, err := evaluate(t, r, value); err != nil || got != want {
		t.Errorf("%s: got %v, %v, want %v", why, got, err, want)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	for name, verify := range map[string]bool{"one": false, "with a twin": true} {
		t.Run(name, func(t *testing.T) { testSnapshotAndRestore(t, verify) })
	}
}

func testSnapshotAndRestore(t *testing.T, verify bool) {
	var log bytes.Buffer
	h := newHost(t, wasm.Options{Logger: zerolog.New(&log), Verify: verify})
	m := loadTally(t, h)
	r := restored(t, m, "r", nil)
	if !m.Stateful() || snapshot(t, r) != nil || r.Sequence() != 0 {
		t.Error("a rule that was not evaluated has a state")
	}
	wantValue(t, r, 1, 1001, "the first")
	wantValue(t, r, 1, 2, "the second")
	state := snapshot(t, r)
	if again := snapshot(t, r); len(state) != 96+8 || !bytes.Equal(state, again) {
		t.Errorf("got %d bytes, then %d", len(state), len(again))
	}
	again := restored(t, m, "r", state)
	if got := again.Sequence(); got != 1 {
		t.Errorf("sequence: got %d, want 1", got)
	}
	if got := snapshot(t, again); !bytes.Equal(got, state) {
		t.Errorf("the state of a rule that was not evaluated since differs: %x", got)
	}
	wantValue(t, again, 1, 3, "goes on, not afresh")
	if _, err := evaluate(t, again, 13); err == nil {
		t.Error("it did not crash")
	}
	wantValue(t, again, 1, 3, "goes on with what was restored")
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	if err := r.Close(t.Context()); err != nil || !bytes.Equal(snapshot(t, r), state) {
		t.Errorf("a closed rule forgets its last snapshot (%v)", err)
	}
}

// What was kept is used by the same module, and by another one of the same state version, for the same parameters.
func TestWhoMayRestore(t *testing.T) {
	var log bytes.Buffer
	h := newHost(t, wasm.Options{Logger: zerolog.New(&log)})
	r := restored(t, loadTally(t, h), "r", nil)
	wantValue(t, r, 1, 1001, "the first")
	state := snapshot(t, r)
	changed := func(at int) []byte { b := bytes.Clone(state); b[at] ^= 1; return b }
	const other = "(i64.const 1000)))))"
	for name, tt := range map[string]struct {
		replace []string
		params  string
		state   []byte
		want    string // of the log; "": it is used
	}{
		"the same":              {state: state},
		"a new build":           {replace: []string{other, "(i64.sub (i64.const 1000) (i64.const 0))))))"}, state: state},
		"another version":       {replace: []string{"VERSION", "2"}, state: state, want: "another module wrote it, with state version 1; this one has 2"},
		"no state any more":     {replace: []string{"VERSION", "0"}, state: state, want: "state version"},
		"without restore":       {replace: []string{"tocsin_restore", "other"}, state: state, want: "keeps no state"},
		"other parameters":      {params: `{"p":5}`, state: state, want: "parameters are different"},
		"empty":                 {state: []byte{}, want: "it is not a kept state"},
		"cut short":             {state: state[:len(state)-1], want: "it is damaged: 103 bytes do not agree with its header"},
		"too long":              {state: append(bytes.Clone(state), 0), want: "do not agree"},
		"another format":        {state: changed(0), want: "it is not a kept state"},
		"a bit of the scheme":   {state: changed(6), want: "its checksum is wrong"},
		"a bit of the module":   {state: changed(40), want: "its checksum is wrong"},
		"a bit of the state":    {state: changed(96), want: "its checksum is wrong"},
		"a bit of the checksum": {state: changed(24), want: "its checksum is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			m := loadTally(t, h, tt.replace...)
			params := json.RawMessage(tt.params)
			if tt.params == "" {
				params = nil
			}
			r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: "ErrorRate", Params: params, State: tt.state})
			if err != nil {
				t.Fatal(err)
			}
			want := 1001.0
			if tt.want == "" {
				want = 2
			}
			wantValue(t, r, 1, want, "after the start")
			if !strings.Contains(log.String(), tt.want) || tt.want != "" && !strings.Contains(log.String(), `"rule":"ErrorRate"`) || tt.want == "" && log.Len() > 0 {
				t.Errorf("logged %s\nwant %q", &log, tt.want)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A crash costs what came after the last snapshot, of the rule and of those that shared its instance, and no more.
func TestCrashAmongOthers(t *testing.T) {
	h := newHost(t, wasm.Options{})
	m := loadTally(t, h)
	a, b, c := restored(t, m, "a", nil), restored(t, m, "b", nil), restored(t, m, "c", nil)
	for k := range 3 {
		for _, r := range []*wasm.Rule{a, b, c} {
			if _, err := evaluate(t, r, 1); err != nil {
				t.Fatal(err)
			}
		}
		if k == 1 { // of c there is never a snapshot
			snapshot(t, a)
			snapshot(t, b)
		}
	}
	if _, err := evaluate(t, b, 13); err == nil {
		t.Fatal("it did not crash")
	}
	if got := snapshot(t, a); binary.LittleEndian.Uint64(got[96:]) != 2 {
		t.Errorf("the last snapshot of a: %x", got)
	}
	wantValue(t, a, 1, 3, "a goes on with its last snapshot")
	wantValue(t, b, 1, 3, "so does b, in an instance of its own")
	wantValue(t, c, 1, 1001, "c starts afresh")
	wantValue(t, a, 1, 4, "a goes on")
	if got := snapshot(t, a); binary.LittleEndian.Uint64(got[96:]) != 4 {
		t.Errorf("the next snapshot of a: %x", got)
	}
}

func TestManyRulesCrashAndSnapshotAtOnce(t *testing.T) {
	h := newHost(t, wasm.Options{})
	m := loadTally(t, h)
	var workers sync.WaitGroup
	for i := range 20 {
		r := restored(t, m, fmt.Sprint("rule", i), nil)
		workers.Go(func() {
			least := 0.0 // the last snapshot
			for k := range 40 {
				value := 1.0
				if i == 3 && k%7 == 6 {
					value = 13 // brings all that live there down
				}
				d, w := oneSeries(value)
				e, err := r.Eval(t.Context(), d, w)
				if value == 13 {
					if err == nil {
						t.Error("it did not crash")
					}
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				got := e.Verdicts[0].Value
				if least > 0 && (got <= least || got > 1000) {
					t.Errorf("rule %d says %v after a snapshot of %v", i, got, least)
				}
				state, err := r.Snapshot(t.Context())
				if err != nil {
					t.Error(err)
				}
				if len(state) > 0 {
					least = float64(binary.LittleEndian.Uint64(state[96:]))
				}
			}
		})
	}
	workers.Wait()
}

func TestSnapshotFails(t *testing.T) {
	for name, tt := range map[string]struct {
		count  float64 // what makes it fail
		class  wasm.Class
		detail string
		next   float64 // what the rule says then
		mute   bool    // no further snapshot is asked for
	}{
		"it says so":  {76, wasm.GuestFailed, "snapshot: tocsin_snapshot: internal error", 77, false},
		"too large":   {75, wasm.BadResult, "snapshot: emit: more than 64 bytes", 76, false},
		"it crashes":  {77, wasm.Trap, "snapshot: the rule is not asked for its state again until the engine restarts: the guest trapped", 2, true},
		"it loops":    {78, wasm.FuelExhausted, "fuel exhausted", 2, true},
		"without any": {74, "", "", 75, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, wasm.Options{})
			m := loadTally(t, h)
			r, other := restored(t, m, "r", nil), restored(t, m, "other", nil)
			wantValue(t, r, 1, 1001, "the first")
			before := snapshot(t, r)
			wantValue(t, other, 1, 1001, "the other one")
			wantValue(t, r, tt.count, tt.count, "the one that cannot be kept")
			state, err := r.Snapshot(t.Context())
			var failure *wasm.Error
			if tt.class == "" {
				if state != nil || err != nil {
					t.Errorf("got %x, %v, want nothing", state, err)
				}
			} else if !errors.As(err, &failure) || failure.Class != tt.class || failure.Rule != "r" || !strings.Contains(failure.Detail, tt.detail) {
				t.Errorf("got  %v\nwant %s: %s", err, tt.class, tt.detail)
			}
			wantValue(t, r, 1, tt.next, "the next")
			wantOther := 2.0
			if tt.mute {
				wantOther = 1001 // it had no snapshot
			}
			wantValue(t, other, 1, wantOther, "the other one, next")
			if tt.mute && !bytes.Equal(snapshot(t, r), before) {
				t.Error("the last snapshot is lost")
			}
			wantValue(t, r, 5, tt.next+1, "and on")
		})
	}
}

func TestRestoreFails(t *testing.T) {
	for name, tt := range map[string]struct {
		count float64
		want  string
		other float64 // what the rule that lives beside it says then
	}{
		"it refuses": {98, "restore: tocsin_restore: bad input", 2},
		"it crashes": {99, "restore: the guest trapped: unreachable", 1001},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := newHost(t, wasm.Options{Logger: zerolog.New(&log)})
			m := loadTally(t, h)
			other, first := restored(t, m, "other", nil), restored(t, m, "r", nil)
			wantValue(t, other, 1, 1001, "the other one")
			if _, err := evaluate(t, first, tt.count); err != nil {
				t.Fatal(err)
			}
			r := restored(t, m, "r", snapshot(t, first))
			wantValue(t, r, 1, 1001, "afresh, not half restored")
			wantValue(t, other, 1, tt.other, "the other one, next")
			if n := strings.Count(log.String(), tt.want); n != 1 {
				t.Errorf("logged %d times: %s", n, &log)
			}
			wantValue(t, r, 1, 2, "goes on")
			if got := snapshot(t, r); binary.LittleEndian.Uint64(got[96:]) != 2 {
				t.Errorf("the next snapshot: %x", got)
			}
		})
	}
}

// A state that the rule can take but not live with is given up.
func TestPoisonedState(t *testing.T) {
	var log bytes.Buffer
	h := newHost(t, wasm.Options{Logger: zerolog.New(&log)})
	m := loadTally(t, h, "(f64.eq (local.get $value) (f64.const 13))", "(i64.eq (i64.load (call $count (local.get $rule))) (i64.const 71))")
	r := restored(t, m, "r", nil)
	wantValue(t, r, 1, 1001, "the first")
	wantValue(t, r, 71, 71, "which it will crash of")
	snapshot(t, r)
	for range 3 {
		if got, err := evaluate(t, r, 1); err == nil {
			t.Fatalf("got %v, want a crash", got)
		}
	}
	wantValue(t, r, 1, 1001, "afresh")
	if !strings.Contains(log.String(), "3 evaluations in a row failed") {
		t.Errorf("logged %s", &log)
	}
}

// A rule that does not share its instance is restored like the others.
func TestRestoreAlone(t *testing.T) {
	h := newHost(t, wasm.Options{})
	m := loadTally(t, h, "SHARED", "false")
	r := restored(t, m, "r", nil)
	wantValue(t, r, 1, 1001, "the first")
	snapshot(t, r)
	if _, err := evaluate(t, r, 13); err == nil {
		t.Fatal("it did not crash")
	}
	wantValue(t, r, 1, 2, "with its last snapshot")
}

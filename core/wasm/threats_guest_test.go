package wasm_test

// The threats S1 to S12: what a hostile module may try inside of a call. S13 to S20, about the host around it, are in
// threats_host_test.go. Each test is named after its threat.

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// stage is a host with one rule that behaves. Whatever another one does, this one must go on.
type stage struct {
	*wasm.Host
	fine *wasm.Rule
}

func newStage(t *testing.T) stage {
	t.Helper()
	h := newHost(t, wasm.Options{})
	return stage{h, newRule(t, load(t, h, emits(result(nil)), wasm.Limits{}), "fine")}
}

// try configures and evaluates a rule of the module and expects it to fail in this way, which must cost nobody anything.
func (s stage) try(t *testing.T, src source, limits wasm.Limits, class wasm.Class, detail string) {
	t.Helper()
	m := load(t, s.Host, src, limits)
	before := s.MemoryUsed()
	r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: "bad"})
	if err == nil {
		_, err = evaluate(t, r, 1)
		err = errors.Join(err, r.Close(t.Context()))
	}
	var failure *wasm.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an error of this package", err)
	}
	if failure.Class != class || !strings.Contains(failure.Detail, detail) || failure.Rule != "bad" {
		t.Errorf("got class %s of rule %q: %s\nwant %s: %s", failure.Class, failure.Rule, failure.Detail, class, detail)
	}
	if after := s.MemoryUsed(); after != before {
		t.Errorf("%d bytes of memory are in use, %d before", after, before)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	d, w := oneSeries(1)
	got, err := s.fine.Eval(t.Context(), d, w)
	if err != nil || len(got.Verdicts) != 1 || got.Verdicts[0].Text != "all is well" {
		t.Errorf("another rule is evaluated to %v, %v", got, err)
	}
}

// refuse loads a module that must not be loaded.
func (s stage) refuse(t *testing.T, code []byte, limits wasm.Limits, want string) {
	t.Helper()
	m, err := s.Load(t.Context(), "mine", code, limits)
	if err == nil { // what only shows when an instance is made
		_, err = m.NewRule(t.Context(), wasm.RuleOptions{ID: "r"})
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

const endless = `(loop $again (br $again)) unreachable`

// while runs others again and again for as long as a rule takes that spends fuel in an endless loop. It returns how
// often each of them began and ended within that time.
func (s stage) while(t *testing.T, eval string, fuel uint64, others ...func()) []int64 {
	t.Helper()
	r := newRule(t, load(t, s.Host, source{eval: eval}, wasm.Limits{Fuel: fuel}), "endless")
	var running, done atomic.Bool
	counts := make([]int64, len(others))
	var all sync.WaitGroup
	for i, other := range others {
		all.Go(func() {
			for !done.Load() {
				before := running.Load()
				other()
				if before && running.Load() {
					counts[i]++
				}
			}
		})
	}
	running.Store(true)
	_, err := evaluate(t, r, 1)
	running.Store(false)
	done.Store(true)
	all.Wait()
	var failure *wasm.Error
	if !errors.As(err, &failure) || failure.Class != wasm.FuelExhausted || !strings.Contains(failure.Detail, fmt.Sprint("budget ", fuel)) {
		t.Errorf("got %v", err)
	}
	return counts
}

func TestS01EndlessLoop(t *testing.T) {
	s := newStage(t)
	s.try(t, source{eval: endless}, wasm.Limits{}, wasm.FuelExhausted, "fuel exhausted (budget 200000000)")
	s.try(t, source{eval: endless}, wasm.Limits{Fuel: 5000}, wasm.FuelExhausted, "fuel exhausted (budget 5000)")
	s.try(t, source{configure: endless}, wasm.Limits{Fuel: 5000}, wasm.FuelExhausted, "fuel exhausted (budget 5000)")
	s.try(t, source{series: endless}, wasm.Limits{Fuel: 5000}, wasm.FuelExhausted, "fuel exhausted (budget 5000)")
	s.try(t, source{buffer: endless}, wasm.Limits{Fuel: 5000}, wasm.FuelExhausted, "fuel exhausted (budget 5000)")
	initialize := source{more: `(func (export "_initialize") ` + endless + `)`}
	s.try(t, initialize, wasm.Limits{}, wasm.FuelExhausted, "fuel exhausted (budget 1000000000)")
	start := source{more: `(func $start ` + endless + `) (start $start)`}
	s.try(t, start, wasm.Limits{}, wasm.Trap, "it may spend 100000000 fuel")

	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	d, w := oneSeries(1)
	counts := s.while(t, endless, 2_000_000_000,
		func() { <-ticker.C },
		func() {
			if _, err := s.fine.Eval(t.Context(), d, w); err != nil {
				t.Error(err)
			}
		})
	t.Logf("in the meantime: %d ticks, %d evaluations of another rule", counts[0], counts[1])
	if counts[0] == 0 || counts[1] == 0 {
		t.Error("something stood still")
	}
}

func TestS02CallTreeAndRecursion(t *testing.T) {
	s := newStage(t)
	var tree strings.Builder // each function calls the next one twice: 2^40 calls without a loop or recursion
	for i := range 40 {
		fmt.Fprintf(&tree, "(func $f%d (call $f%d) (call $f%d))\n", i, i+1, i+1)
	}
	tree.WriteString("(func $f40)")
	s.try(t, source{eval: `(call $f0) (i32.const 0)`, more: tree.String()}, wasm.Limits{}, wasm.FuelExhausted, "fuel exhausted")
	s.try(t, source{
		eval: `(call $deep) (i32.const 0)`, more: `(func $deep (call $deep) (call $deep))`,
	}, wasm.Limits{}, wasm.StackOverflow, "stack overflow: the recursion is too deep")
	s.try(t, source{
		eval: `(call $ping) (i32.const 0)`, more: `(func $ping (call $pong)) (func $pong (call $ping))`,
	}, wasm.Limits{}, wasm.StackOverflow, "stack overflow")
	s.try(t, source{
		eval: `(call_indirect (i32.const 0)) (i32.const 0)`,
		more: `(table 1 funcref) (elem (i32.const 0) func $self) (func $self (call_indirect (i32.const 0)) (call_indirect (i32.const 0)))`,
	}, wasm.Limits{}, wasm.StackOverflow, "stack overflow")

	// A recursion that is deep and ends: its stack of some 35 MB, one for each export, is not kept for the next time.
	src := emits(result(nil))
	const down = `(call $down (i32.const 400000))`
	src.configure, src.series, src.eval = down+`(i32.const 0)`, down+`(i32.const 0)`, down+src.eval
	src.more += `(func $down (param $n i32) (if (local.get $n) (then (call $down (i32.sub (local.get $n) (i32.const 1))))))`
	m := load(t, s.Host, src, wasm.Limits{})
	before := inUse()
	for i := range 3 {
		if _, err := evaluate(t, newRule(t, m, fmt.Sprint("deep", i)), 1); err != nil {
			t.Error(err)
		}
	}
	if grown := inUse() - before; grown > 10<<20 {
		t.Errorf("%d MiB are kept after deep recursions", grown>>20)
	}
}

// inUse is what the process keeps, in bytes, besides the memories of guests.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The collector stops all of Go, which native code does not notice. It gets its turn when a slice of fuel is used up.
func TestS03StopTheWorld(t *testing.T) {
	s := newStage(t)
	var longest time.Duration
	counts := s.while(t, endless, 2_000_000_000, func() {
		before := time.Now()
		runtime.GC()
		longest = max(longest, time.Since(before))
	})
	t.Logf("%d collections during one evaluation, the longest took %v", counts[0], longest)
	if counts[0] < 3 { // without slices: one, which waits for the end of the evaluation
		t.Errorf("%d collections got through while a rule was evaluated", counts[0])
	}
}

func TestS04MemoryBomb(t *testing.T) {
	s := newStage(t)
	grow := `(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) `
	touch := `(memory.fill (i32.const 0x10000) (i32.const 1) (i32.sub (i32.mul (memory.size) (i32.const 0x10000)) (i32.const 0x10000)))`
	s.try(t, source{eval: grow + touch + `unreachable`}, wasm.Limits{},
		wasm.MemoryLimit, "growth beyond the memory cap of 64 MiB was refused")
	s.try(t, source{eval: `(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable`}, wasm.Limits{Fuel: 10_000_000},
		wasm.FuelExhausted, "growth beyond the memory cap of 64 MiB was refused")
	s.try(t, source{eval: `(loop $fill (memory.fill (i32.const 0) (i32.const 0) (i32.const 400000)) (br $fill)) unreachable`}, wasm.Limits{},
		wasm.FuelExhausted, "fuel exhausted")
	s.refuse(t, source{memory: `(memory (export "memory") 65536)`}.assemble(t), wasm.Limits{}, "starts with 65536 pages of memory (4194304 KiB)")
	s.refuse(t, source{memory: `(memory (export "memory") 1025)`}.assemble(t), wasm.Limits{}, "starts with 1025 pages")
	s.refuse(t, source{more: `(data (i32.const 524287) "xx")`}.assemble(t), wasm.Limits{}, "the start function failed")

	// Three rules that may have 64 MiB each, where all together may have 100.
	h := newHost(t, wasm.Options{Memory: 100 << 20})
	m := load(t, h, source{eval: grow + `(i32.const 0)`}, wasm.Limits{})
	rules := []*wasm.Rule{newRule(t, m, "greedy1"), newRule(t, m, "greedy2"), newRule(t, m, "greedy3")}
	for _, r := range rules {
		if _, err := evaluate(t, r, 1); err != nil {
			t.Error(err)
		}
	}
	if used := h.MemoryUsed(); used > 100<<20 || used < 98<<20 {
		t.Errorf("%d MiB are in use", used>>20)
	}
	late := load(t, h, source{memory: `(memory (export "memory") 40)`}, wasm.Limits{})
	_, err := late.NewRule(t.Context(), wasm.RuleOptions{ID: "late"})
	var failure *wasm.Error
	if !errors.As(err, &failure) || failure.Class != wasm.MemoryLimit || !strings.Contains(failure.Detail, "the 100 MiB that all rule modules may have together") {
		t.Errorf("got %v", err)
	}
	for _, r := range rules {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if used := h.MemoryUsed(); used != 0 {
		t.Errorf("%d bytes are in use after all", used)
	}
	newRule(t, late, "later")
}

func TestS05TableBomb(t *testing.T) {
	s := newStage(t)
	const grow = `(table $t 1 funcref) (func $g (drop (table.grow $t (ref.null func) (i32.const 500000000))))`
	for _, limits := range []wasm.Limits{{}, {Trusted: true}} {
		s.refuse(t, source{more: grow}.assemble(t), limits, "table.grow is not allowed")
	}
	s.refuse(t, source{more: `(table 134217728 funcref)`}.assemble(t), wasm.Limits{}, "tables start with 134217728 elements, the limit is 65536")
	s.refuse(t, source{more: strings.Repeat(`(table 60000 externref)`, 100)}.assemble(t), wasm.Limits{}, "tables start with 6000000 elements, the limit is 65536")
	s.refuse(t, source{more: strings.Repeat(`(table 0 externref)`, 100_001)}.assemble(t), wasm.Limits{}, "100001 entries, the limit is 100000")
	s.try(t, source{
		more: `(table $t 60000 funcref)`,
		eval: `(loop $fill (table.fill $t (i32.const 0) (ref.null func) (i32.const 60000)) (br $fill)) unreachable`,
	}, wasm.Limits{}, wasm.FuelExhausted, "fuel exhausted")
}

func TestS06CompileBomb(t *testing.T) {
	s := newStage(t)
	s.refuse(t, source{more: strings.Repeat("(func)", 50_001)}.assemble(t), wasm.Limits{}, "50006 functions, the limit is 50000")
	s.refuse(t, source{}.assemble(t), wasm.Limits{ModuleBytes: 100}, "the limit is 100")
	s.refuse(t, source{more: `(func ` + strings.Repeat("(block ", 10_001) + strings.Repeat(")", 10_001) + `)`}.assemble(t), wasm.Limits{}, "nested deeper than 10000")
	s.refuse(t, source{more: `(func (local ` + strings.Repeat("i64 ", 50_001) + `))`}.assemble(t), wasm.Limits{}, "50001 locals")
	s.refuse(t, source{more: `(func (param ` + strings.Repeat("i64 ", 1001) + `))`}.assemble(t), wasm.Limits{}, "the limit is 1000")
	s.refuse(t, source{more: `(func ` + strings.Repeat("(nop)", 1<<20) + `)`}.assemble(t), wasm.Limits{}, "a body of 1048578 bytes, the limit is 524288")
	// Small modules that would keep the compiler busy for minutes and more, or would cost it gigabytes.
	many := func(n int, text string) string { return strings.Repeat(text, n) }
	types := func(n int) string { return many(n, "i64 ") }
	thousand := `(func $f (result ` + types(1000) + `) unreachable)`
	for _, bomb := range []struct{ text, want string }{
		{`(func (local ` + types(200) + `)` + many(2340, "(loop (br_if 0 (i32.const 1)))") + `)`, "2340 of them loops, and 0 jump targets, with 200 locals would take too long to compile"},
		{many(60, `(func (local `+types(200)+`)`+many(250, "(loop (br_if 0 (i32.const 1)))")+`)`), "too many blocks and locals: the module would take too long"},
		{`(func (block (br_table ` + many(200_000, "0 ") + `(i32.const 0))))`, "200000 jump targets"},
		{`(func ` + many(5000, "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))") + `)`, "20000 blocks, 0 of them loops"},
		{`(table 1 funcref) (func ` + many(20_000, "(call_indirect (i32.const 0))") + `)`, "20000 blocks, 0 of them loops"},
		{thousand + `(func ` + many(2000, "(call $f)") + `unreachable)`, "2001 instructions and 2000000 values that they hand over"},
		{`(func ` + many(100, `(block (result `+types(1000)+`) unreachable)`) + `unreachable)`, "100000 values that they hand over"},
		{`(func (block (result ` + types(100) + `) unreachable (br_table ` + many(2000, "0 ") + `)) unreachable)`, "200100 values that they hand over"},
		{`(func (result i32) (i32.const 0) ` + many(70_000, "(memory.size) i32.xor ") + `)`, "140001 instructions"},
		{thousand + many(71, `(func `+many(30, "(call $f)")+`unreachable)`), "too many locals, instructions and values"},
		{`(func $f) (elem func ` + many(100_001, "$f ") + `)`, "100001 elements, the limit is 100000"},
	} {
		s.refuse(t, source{more: bomb.text}.assemble(t), wasm.Limits{}, bomb.want)
	}
	// Names that claim to be four billion: 24 bytes of memory each, for whoever believes it before reading them.
	if m := load(t, s.Host, source{more: `(@custom "name" "\01\05\ff\ff\ff\ff\0f")`}, wasm.Limits{}); m.Close(t.Context()) != nil {
		t.Error("the module cannot be closed")
	}

	// Loads at the same time take turns, and equal modules are compiled once.
	code := source{more: `(func ` + strings.Repeat("(global.set $g (i32.add (global.get $g) (i32.const 1)))", 5_000) + `) (global $g (mut i32) (i32.const 0))`}.assemble(t)
	var loads sync.WaitGroup
	compiled := s.Compiled()
	for range 8 {
		loads.Go(func() {
			if _, err := s.Load(t.Context(), "bomb", code, wasm.Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
	loads.Wait()
	if n := s.Compiled() - compiled; n != 1 {
		t.Errorf("it was compiled %d times", n)
	}
}

func TestS07MalformedModule(t *testing.T) {
	s := newStage(t)
	code := source{more: `(table 2 funcref) (elem (i32.const 0) func $f) (data "x") (global $g (mut i64) (i64.const 1))
		(func $f (block $out (loop $again (br_if $out (i32.eqz (memory.size))) (global.set $g (i64.const 2)) (br_table $again $out (i32.const 0)))))`}.assemble(t)
	loads := 0
	for i := range code {
		s.refuse(t, code[:i], wasm.Limits{}, "")
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			damaged := slices.Clone(code)
			damaged[i] ^= flip
			m, err := s.Load(t.Context(), "damaged", damaged, wasm.Limits{})
			if err != nil {
				continue
			}
			loads++
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("of %d damaged modules %d can be loaded, the others are errors", 3*len(code), loads)
}

func TestS08HostileOffsets(t *testing.T) {
	s := newStage(t)
	const end = 8 << 16 // of the memory
	ranges := []struct {
		ptr, len int64
		ok       bool
	}{
		{0, 0, true},
		{end, 0, true},
		{end + 1, 0, false},
		{1 << 31, 0, false},
		{1<<32 - 1, 0, false},
		{0, 8, true},
		{end - 8, 8, true},
		{end - 1, 1, true},
		{end - 1, 2, false},
		{end, 1, false},
		{end - 7, 8, false},
		{1 << 31, 8, false},
		{1<<32 - 1, 1, false},
		{1<<32 - 1, 1<<32 - 1, false},
		{8, 1<<32 - 1, false},
		{16, 1<<32 - 8, false},
		{0, 1 << 31, false},
	}
	for _, r := range ranges {
		args := fmt.Sprintf("(i32.const %d) (i32.const %d)", r.ptr, r.len)
		emit := source{eval: `(call $emit (i32.const 1) ` + args + `)`} // its status is emit's answer
		if r.ok && r.len == 0 {
			rule := newRule(t, load(t, s.Host, emit, wasm.Limits{}), "empty")
			if _, err := evaluate(t, rule, 1); err != nil {
				t.Errorf("emit%s: %v", args, err)
			}
		} else {
			want := "not in the guest's memory"
			if r.ok {
				want = "not a result"
			}
			s.try(t, emit, wasm.Limits{}, wasm.BadResult, want)
		}
		want := "outside the guest's memory"
		if r.ok {
			want = "internal error"
		}
		if r.ok || r.len != 0 { // at most 4 KiB are looked at
			ptr := min(r.len, 4096) + r.ptr
			if !r.ok && ptr <= end {
				want = "internal error"
			}
		}
		s.try(t, source{eval: `(call $fail (i32.const -2) ` + args + `) (i32.const -2)`}, wasm.Limits{}, wasm.GuestFailed, want)
		rule := newRule(t, load(t, s.Host, source{eval: `(call $log (i32.const 2) ` + args + `) (i32.const 0)`}, wasm.Limits{}), "logs")
		if _, err := evaluate(t, rule, 1); err != nil {
			t.Errorf("log%s: %v", args, err)
		}
	}
	s.try(t, source{eval: `(loop $more (br_if $more (i32.eqz (call $emit (i32.const 1) (i32.const 0) (i32.const 65536))))) (i32.const 0)`},
		wasm.Limits{}, wasm.BadResult, "more than 1 MiB")
	s.try(t, source{eval: `(loop $more (br_if $more (i32.eqz (call $emit (i32.const 1) (i32.const 0) (i32.const 0))))) (i32.const 0)`},
		wasm.Limits{}, wasm.BadResult, "more than 4096 parts")
}

func TestS09BadResult(t *testing.T) {
	s := newStage(t)
	tests := map[string]struct {
		block []byte
		want  string
	}{
		"rubbish":           {[]byte("not a result"), "not a result"},
		"huge count":        {result(func(b []byte) { copy(b[4:], "\xff\xff\xff\xff") }), "the limit is 10000"},
		"offsets outside":   {result(func(b []byte) { copy(b[8:], "\xf0\xff\xff\xff") }), "outside the block"},
		"verdicts on head":  {result(func(b []byte) { copy(b[8:], "\x00\x00\x00\x00") }), "outside the block"},
		"bad label name":    {result(func(b []byte) { b[slices.Index(b, 'z')] = '{' }), "is not allowed"},
		"newline in a name": {result(func(b []byte) { b[slices.Index(b, 'z')+1] = '\n' }), "is not allowed"},
		"not UTF-8":         {result(func(b []byte) { b[len(b)-1] = 0xff }), "not UTF-8"},
		"unknown series":    {result(func(b []byte) { b[32] = 9 }), "not in the dictionary"},
		"unknown status":    {result(func(b []byte) { b[36] = 9 }), "status 9 does not exist"},
		"twice":             {twice(), "was already given"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { s.try(t, emits(tt.block), wasm.Limits{}, wasm.BadResult, tt.want) })
	}
	r := newRule(t, load(t, s.Host, emits(result(func(b []byte) { b[len(b)-1] = 0x1b })), wasm.Limits{}), "escape")
	d, w := oneSeries(1)
	if e, err := r.Eval(t.Context(), d, w); err != nil || e.Verdicts[0].Text != "all is wel " {
		t.Errorf("a control character is still there: %q, %v", e.Verdicts[0].Text, err)
	}
}

// twice is two verdicts about the same instance.
func twice() []byte {
	var w abi.ResultWriter
	w.Add(0, abi.Healthy, 1)
	w.Add(0, abi.Active, 1)
	return w.Block()
}

func TestS10BadBuffer(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct {
		body  string
		class wasm.Class
		want  string
	}{
		{`(i32.const 0)`, wasm.MemoryLimit, "no memory"},
		{`(i32.const 4100)`, wasm.BadResult, "multiple of 8"},
		{`(i32.const 524280)`, wasm.BadResult, "outside the guest's memory"},
		{`(i32.const 524288)`, wasm.BadResult, "outside the guest's memory"},
		{`(i32.const -8)`, wasm.BadResult, "outside the guest's memory"},
		{`(i32.const 4096)`, wasm.BadResult, "overlaps slot"},
		{`(i32.sub (i32.const 8192) (i32.mul (local.get $slot) (i32.const 8)))`, wasm.BadResult, "overlaps slot"},
		{`unreachable`, wasm.Trap, "unreachable"},
	} {
		s.try(t, source{buffer: tt.body}, wasm.Limits{}, tt.class, tt.want)
	}
}

func TestS11ScribblingGuest(t *testing.T) {
	// Looks at what it was sent, then overwrites all of its slots. It traps if it was sent anything but a window.
	const (
		check    = `(if (i32.ne (i32.load (local.get $ptr)) (i32.const 0x31575354)) (then unreachable))` // "TSW1"
		scribble = `(memory.fill (i32.const 0x10000) (i32.const 0xff) (i32.const 0x40000))`
		value    = `(f64.load (i32.add (local.get $ptr) (i32.load offset=88 (local.get $ptr))))` // off_val of the first input
	)
	s := newStage(t)
	src := emits(result(nil))
	src.eval = check + `(f64.store (i32.const 1064) ` + value + `)` + scribble + src.eval
	src.series = scribble + `(i32.const 0)`
	r := newRule(t, load(t, s.Host, src, wasm.Limits{}), "scribbles")
	for _, want := range []float64{1, 2, 3} {
		if got, err := evaluate(t, r, want); err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}

func TestS12ReentrancyAndConcurrentCalls(t *testing.T) {
	s := newStage(t)
	wrong := `(call $emit (i32.const 1) (i32.const 0) (i32.const 8))` // -1 where no result is expected
	s.try(t, source{configure: wrong}, wasm.Limits{}, wasm.GuestFailed, "tocsin_configure: bad configuration")
	s.try(t, source{series: wrong}, wasm.Limits{}, wasm.GuestFailed, "tocsin_series: bad configuration")
	s.try(t, source{eval: `(call $emit (i32.const 3) (i32.const 0) (i32.const 8))`}, wasm.Limits{}, wasm.GuestFailed, "tocsin_eval: bad configuration")
	s.try(t, source{buffer: `(i32.add (i32.mul (local.get $slot) (i32.const 0x10000)) (i32.const 0x10001)) (drop ` + wrong + `)`},
		wasm.Limits{}, wasm.BadResult, "multiple of 8")
	// The evaluation calls itself: an ordinary recursion, since no host function calls the guest.
	s.try(t, source{eval: `(call $eval (local.get $rule) (local.get $ptr) (local.get $len))`}, wasm.Limits{}, wasm.StackOverflow, "stack overflow")
	// The start function calls the host before there is an instance.
	start := source{more: `(func $start (drop ` + wrong + `) (call $fail (i32.const 1) (i32.const 0) (i32.const 4)) (call $log (i32.const 2) (i32.const 0) (i32.const 4))) (start $start)`}
	if _, err := evaluate(t, newRule(t, load(t, s.Host, start, wasm.Limits{}), "starts"), 1); err != nil {
		t.Error(err)
	}

	// One that adds to its memory in a way that two calls at once would spoil, called by many at once, as one rule and
	// as many rules of one instance.
	src := says(`(i64.load (i32.const 2048))`)
	src.manifest = sharedManifest
	src.eval = `(local.set $n (i64.load (i32.const 2048)))
		(loop $again (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
		(i64.store (i32.const 2048) (i64.add (local.get $n) (i64.const 1)))` + src.eval
	m := load(t, s.Host, src, wasm.Limits{})
	rules := []*wasm.Rule{newRule(t, m, "a"), newRule(t, m, "b"), newRule(t, m, "c")}
	var calls sync.WaitGroup
	for i := range 12 {
		calls.Go(func() {
			for range 50 {
				d, w := oneSeries(1)
				if _, err := rules[i%3].Eval(t.Context(), d, w); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	if got, err := evaluate(t, rules[0], 1); err != nil || got != 601 {
		t.Errorf("after 601 calls the guest has counted %v, %v", got, err)
	}
}

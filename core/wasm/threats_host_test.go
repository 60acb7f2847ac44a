package wasm_test

// The threats S13 to S20: what may go wrong around a hostile module. S1 to S12 are in threats_guest_test.go.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wasm"
)

// Rules are closed, crash, run out of fuel and are given up while others of their instance are evaluated: memory that
// is given back must be in nobody's use.
func TestS13CloseWhileOthersEvaluate(t *testing.T) {
	h := newHost(t, wasm.Options{})
	src := says(`(i64.const 1)`)
	src.manifest = sharedManifest
	src.eval = `(drop (memory.grow (i32.const 4))) (memory.fill (i32.const 0x60000) (i32.const 1) (i32.const 0x20000))
		(local.set $x (f64.load (i32.add (local.get $ptr) (i32.load offset=88 (local.get $ptr)))))
		(if (f64.eq (local.get $x) (f64.const 13)) (then unreachable))
		(if (f64.eq (local.get $x) (f64.const 14)) (then ` + endless + `))` + src.eval
	m := load(t, h, src, wasm.Limits{Fuel: 1_000_000})
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for round := range 40 {
				r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: fmt.Sprintf("rule%d.%d", worker, round)})
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				for k := range 5 {
					d, w := oneSeries(float64(10 + (worker+round+k)%5))
					if k == 4 && worker%2 == 0 {
						cancel()
					}
					_, err := r.Eval(ctx, d, w)
					var failure *wasm.Error
					if err != nil && !errors.As(err, &failure) && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				cancel()
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if used := h.MemoryUsed(); used != 0 {
		t.Errorf("%d bytes are still in use", used)
	}
}

func TestS14LogFlood(t *testing.T) {
	var logged bytes.Buffer
	h := newHost(t, wasm.Options{Logger: zerolog.New(&logged)})
	flood := source{
		imports: `(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`,
		eval: `(memory.fill (i32.const 0x10000) (i32.const 0x61) (i32.const 0x10000))
			(loop $more (call $log (i32.const 2) (i32.const 0x10000) (i32.const 0x10000)) (br $more)) unreachable`,
	}
	began := time.Now()
	r := newRule(t, load(t, h, flood, wasm.Limits{Fuel: 1_000_000}), "talks")
	if _, err := evaluate(t, r, 1); err == nil {
		t.Error("it did not run out of fuel")
	}
	lines := bytes.Split(bytes.TrimSpace(logged.Bytes()), []byte("\n"))
	most := 20 + int(20*time.Since(began).Seconds()) + 1 // a burst, and what a second brings
	t.Logf("%d lines, at most %d", len(lines), most)
	if len(lines) < 20 || len(lines) > most {
		t.Errorf("%d lines were logged", len(lines))
	}
	for _, line := range lines {
		if len(line) > 8<<10+200 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}

	// Standard streams are cut too: what is written between two flushes makes one line.
	logged.Reset()
	flood.eval = `(memory.fill (i32.const 0x10000) (i32.const 0x61) (i32.const 0x10000)) (i32.store (i32.const 64) (i32.const 0x10000)) (i32.store (i32.const 68) (i32.const 0x10000))
		(loop $more (drop (call $write (i32.const 2) (i32.const 64) (i32.const 1) (i32.const 80))) (br $more)) unreachable`
	w := newRule(t, load(t, h, flood, wasm.Limits{Fuel: 1_000_000}), "writes")
	if _, err := evaluate(t, w, 1); err == nil {
		t.Error("it did not run out of fuel")
	}
	if n := logged.Len(); n > 16<<10 {
		t.Errorf("%d bytes were logged", n)
	}
}

// imported splits a line of the golden surface.
func imported(t *testing.T, line string) (module, name string, params []string, result string) {
	t.Helper()
	path, types, ok := strings.Cut(line, " (")
	args, results, ok2 := strings.Cut(types, ") -> (")
	module, name, ok3 := strings.Cut(path, ".")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("%q is no import", line)
	}
	return module, name, strings.Fields(args), strings.TrimSuffix(results, ")")
}

// Every function of WASI is called with pointers into memory. What could show the world refuses; the others say nothing
// about it.
func TestS15WorldIsOutOfReach(t *testing.T) {
	const ok, badf, nosys = 0, 8, 52
	answers := map[string]int{ // of those that do not say "bad file descriptor"
		"args_get": ok, "args_sizes_get": ok, "environ_get": ok, "environ_sizes_get": ok, "clock_res_get": ok, "clock_time_get": ok,
		"random_get": ok, "fd_write": ok, "poll_oneoff": ok, "sched_yield": ok, "proc_raise": nosys,
	}
	s := newStage(t)
	probed := 0
	for _, line := range wasm.Surface() {
		module, name, params, result := imported(t, line)
		if module != "wasi_snapshot_preview1" || name == "proc_exit" {
			continue
		}
		probed++
		want, special := answers[name]
		if !special {
			want = badf
		}
		for _, value := range []int64{1, -1} { // -1: pointers outside; they may be refused in any way
			src := source{imports: fmt.Sprintf(`(import %q %q (func $probe %s (result %s)))`, module, name, "(param "+strings.Join(params, " ")+")", result)}
			var args strings.Builder
			for _, p := range params {
				fmt.Fprintf(&args, "(%s.const %d)", p, value)
			}
			src.eval = fmt.Sprintf(`(i32.add (i32.const 100) (call $probe %s))`, args.String())
			said := "tocsin_eval returned 1"
			if value == 1 {
				said = fmt.Sprintf("tocsin_eval returned %d,", 100+want)
			}
			s.try(t, src, wasm.Limits{}, wasm.BadResult, said)
		}
	}
	if probed < 45 {
		t.Errorf("only %d functions were tried", probed)
	}
	exit := source{imports: `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`, eval: `(call $exit (i32.const 3)) (i32.const 0)`}
	s.try(t, exit, wasm.Limits{}, wasm.Trap, "the guest exited with code 3")
	abort := source{imports: `(import "env" "abort" (func $abort (param i32 i32 i32 i32)))`, eval: `(call $abort (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 8)) (i32.const 0)`}
	s.try(t, abort, wasm.Limits{}, wasm.Trap, "abort at line 7, column 8")

	// The environment is one variable, whatever that of the engine is.
	t.Setenv("SECRET", "hunter2")
	env := says(`(i64.extend_i32_u (i32.or (i32.shl (i32.load (i32.const 64)) (i32.const 16)) (i32.load (i32.const 68))))`)
	env.imports = `(import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))`
	env.eval = `(drop (call $sizes (i32.const 64) (i32.const 68)))` + env.eval
	if got, err := evaluate(t, newRule(t, load(t, s.Host, env, wasm.Limits{}), "env"), 1); err != nil || got != 1<<16+float64(len("GOMEMLIMIT=53687088B")+1) {
		t.Errorf("the environment is %v, %v", got, err)
	}
}

func TestS16ClocksTellNothing(t *testing.T) {
	h := newHost(t, wasm.Options{})
	clock := func(id int, work string) source { // the clock after work, less the clock before
		s := says(`(i64.sub (i64.load (i32.const 72)) (i64.load (i32.const 64)))`)
		s.imports = `(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))`
		read := func(at int) string {
			return fmt.Sprintf(`(drop (call $clock (i32.const %d) (i64.const 0) (i32.const %d)))`, id, at)
		}
		s.eval = read(64) + work + read(72) + s.eval
		return s
	}
	busy := `(local.set $i (i32.const 1000000)) (loop $more (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))`
	for _, tt := range []struct {
		id   int
		want float64
	}{{0, 0}, {1, 1000}, {2, 1000}, {3, 1000}} {
		for _, work := range []string{"", busy} {
			got, err := evaluate(t, newRule(t, load(t, h, clock(tt.id, work), wasm.Limits{}), "clock"), 1)
			if err != nil || got != tt.want {
				t.Errorf("clock %d moves by %v, %v, want %v whatever is done", tt.id, got, err, tt.want)
			}
		}
	}
	now := says(`(i64.div_u (i64.load (i32.const 64)) (i64.const 1000000))`)
	now.imports, now.eval = clock(0, "").imports, `(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))`+now.eval
	if got, err := evaluate(t, newRule(t, load(t, h, now, wasm.Limits{}), "now"), 1); err != nil || got != 1_700_000_000_000 {
		t.Errorf("it is %v, %v, want the time of the evaluation", got, err)
	}
	// Randomness follows from the rule and the number of the evaluation.
	random := says(`(i64.shr_u (i64.load (i32.const 64)) (i64.const 12))`)
	random.imports = `(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))`
	random.eval = `(drop (call $random (i32.const 64) (i32.const 8)))` + random.eval
	m := load(t, h, random, wasm.Limits{})
	draw := func(id string) float64 {
		v, err := evaluate(t, newRule(t, m, id), 1)
		if err != nil {
			t.Error(err)
		}
		return v
	}
	if a, again, b := draw("a"), draw("a"), draw("b"); a != again || a == b {
		t.Errorf("rule a draws %v and %v, rule b %v", a, again, b)
	}
}

var update = flag.Bool("update", false, "write golden files")

func TestS17ImportSurface(t *testing.T) {
	golden := filepath.Join("testdata", "imports.txt")
	got := wasm.Surface()
	slices.Sort(got)
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); diff != "" {
		t.Errorf("what modules may import has changed (-was +is); if that is meant, run with -update:\n%s", diff)
	}
	s := newStage(t)
	for imports, want := range map[string]string{
		`(import "env" "system" (func)) (import "tocsin_v1" "query" (func))`: "functions that a rule does not get: env.system, tocsin_v1.query",
		`(import "wasi_unstable" "fd_write" (func))`:                         "wasi_unstable.fd_write",
		`(import "wasi_snapshot_preview1" "fd_write" (func (result i64)))`:   "import wasi_snapshot_preview1.fd_write is () -> (i64), it must be (i32 i32 i32 i32) -> (i32)",
		`(import "env" "memory" (memory 1))`:                                 "what is not a function: env.memory",
		`(import "env" "table" (table 1 funcref))`:                           "what is not a function: env.table",
		`(import "env" "g" (global i32))`:                                    "what is not a function: env.g",
	} {
		src := source{imports: imports}
		if strings.Contains(imports, "(memory") {
			src.memory = `(export "memory" (memory 0))`
		}
		s.refuse(t, src.assemble(t), wasm.Limits{}, want)
	}
}

func TestS18TamperedModule(t *testing.T) {
	code := source{}.assemble(t)
	sum := sha256.Sum256(code)
	want := hex.EncodeToString(sum[:])
	if err := errors.Join(wasm.CheckHash("mine", code, want), wasm.CheckHash("mine", code, strings.ToUpper(want)), wasm.CheckHash("mine", code, "")); err != nil {
		t.Error(err)
	}
	for i := range code {
		code[i] ^= 1
		if err := wasm.CheckHash("mine", code, want); err == nil || !strings.Contains(err.Error(), "the configuration wants "+want) {
			t.Fatalf("with byte %d flipped: %v", i, err)
		}
		code[i] ^= 1
	}
	// What is loaded is a copy: the bytes may change afterwards.
	h := newHost(t, wasm.Options{})
	code = emits(result(nil)).assemble(t)
	m, err := h.Load(t.Context(), "mine", code, wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(code)
	if got, err := evaluate(t, newRule(t, m, "r"), 1); err != nil || got != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestS19PoisonedCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	loadOnce := func() {
		t.Helper()
		h, err := wasm.New(t.Context(), wasm.Options{CacheDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		m := load(t, h, emits(result(nil)), wasm.Limits{})
		r := newRule(t, m, "r")
		if got, err := evaluate(t, r, 1); err != nil || got != 1 {
			t.Errorf("got %v, %v", got, err)
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
	for _, entry := range entries { // a damaged entry is made again
		good, err := os.ReadFile(entry)
		if err != nil {
			t.Fatal(err)
		}
		for _, damaged := range [][]byte{
			slices.Concat(good[:len(good)/2], []byte{^good[len(good)/2]}, good[len(good)/2+1:]), good[:len(good)/2], []byte("WAZEVO"), nil,
		} {
			if err := os.WriteFile(entry, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			loadOnce()
			if now, err := os.ReadFile(entry); err != nil || bytes.Equal(now, damaged) {
				t.Errorf("the damaged entry is still there, %v", err)
			}
		}
	}

	refused := func(dir, want string) {
		t.Helper()
		if _, err := wasm.New(t.Context(), wasm.Options{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", dir, err, want)
		}
	}
	for _, mode := range []os.FileMode{0o777, 0o720, 0o702} {
		for _, d := range []string{filepath.Dir(entries[0]), dir} {
			if err := os.Chmod(d, mode); err != nil {
				t.Fatal(err)
			}
			refused(dir, "chmod 700")
			if err := os.Chmod(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(file, "not a directory")
	if os.Geteuid() == 0 { // else nothing can be given away
		if err := os.Chown(dir, 65534, -1); err != nil {
			t.Fatal(err)
		}
		refused(dir, "belongs to another user")
	}
}

func TestS20SilentInterpreter(t *testing.T) {
	if _, err := wasm.NewOn(t.Context(), wasm.Options{}, "interpreter"); err == nil || !strings.Contains(err.Error(), "MemoryDenyWriteExecute=no") {
		t.Errorf("a machine without native code is accepted: %v", err)
	}
	var logged bytes.Buffer
	h, err := wasm.NewOn(t.Context(), wasm.Options{Interpreter: true, Logger: zerolog.New(&logged)}, "interpreter")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close(context.Background()) }()
	if h.Engine() != "interpreter" || !strings.Contains(logged.String(), "rule modules are interpreted") {
		t.Errorf("the engine is %s, and says %s", h.Engine(), logged.String())
	}
	if got, err := evaluate(t, newRule(t, load(t, h, emits(result(nil)), wasm.Limits{}), "r"), 1); err != nil || got != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if e := newHost(t, wasm.Options{Interpreter: true}).Engine(); e != wasm.Engine() {
		t.Errorf("the engine is %s, this machine has %s", e, wasm.Engine())
	}
}

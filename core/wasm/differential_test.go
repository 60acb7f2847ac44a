package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/core/wasm/workload"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

// samples is the folder of the wazero module, whose tests carry the official test suite of WebAssembly.
func samples(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil || len(strings.TrimSpace(string(out))) == 0 {
		t.Skipf("the sources of wazero are not here: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestMeterAcceptsWhatTheRuntimeAccepts compares the two readers of modules over every .wasm that ships with wazero:
// what one of them takes for something else than the other would be a hole.
func TestMeterAcceptsWhatTheRuntimeAccepts(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("thousands of modules")
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithDebugInfoEnabled(false))
	defer func() { _ = r.Close(context.Background()) }()
	compiles := func(code []byte) error {
		c, err := r.CompileModule(t.Context(), code)
		if err != nil {
			return err
		}
		return c.Close(t.Context())
	}
	both, neither, refused := 0, 0, map[string]int{}
	err := filepath.WalkDir(samples(t), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		originalErr := compiles(code)
		parsed, err := meter.Parse(code)
		var metered []byte
		if err == nil {
			metered, err = parsed.Meter(1)
		}
		switch {
		case err != nil && originalErr == nil:
			reason := err.Error()
			if i := strings.LastIndex(reason, ": "); i >= 0 {
				reason = reason[i+2:]
			}
			refused[reason]++
		case err != nil:
			neither++
		case originalErr == nil:
			both++
			if err := compiles(metered); err != nil {
				t.Errorf("%s: the metered module does not compile: %v", path, err)
			}
		default:
			neither++
			if compiles(metered) == nil {
				t.Errorf("%s: the metered module compiles, the original does not: %v", path, originalErr)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d modules are accepted by both, %d by neither; refused by the meter alone: %v", both, neither, refused)
	if both < 1000 {
		t.Errorf("only %d modules were compared", both)
	}
	// Typed function references (0x63, 0x64, tables with an initializer: 0x40) are a proposal beyond version 2 that
	// wazero's reader lets through.
	beyond := []string{"a table's size is fixed", "type 0x63", "type 0x64", "type 0x40"}
	for reason := range refused {
		if !slices.ContainsFunc(beyond, func(s string) bool { return strings.Contains(reason, s) }) {
			t.Errorf("the meter refuses valid modules: %s", reason)
		}
	}
}

// spec is a file of the official test suite, as wast2json writes it.
type spec struct {
	Commands []struct {
		Type     string
		Line     int
		Name     string
		Filename string
		Action   struct {
			Type, Field, Module string
			Args                []specValue
		}
	}
}

type specValue struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    json.RawMessage
}

// TestMeteredEqualsUnmetered runs the official test suite twice, metered and not: each call must end alike.
func TestMeteredEqualsUnmetered(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("tens of thousands of calls")
	}
	root := filepath.Join(samples(t), "internal", "integration_test", "spectest")
	var total comparison
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(root, version, "testdata", "*.json"))
		if err != nil || len(files) == 0 {
			t.Skipf("the test suite is not in the sources of wazero: %v", err)
		}
		for _, file := range files {
			total.add(compareFile(t, file))
		}
	}
	t.Logf("%d calls ended alike, %d of them by a trap; left out: %d calls of %d modules that import from others or that the meter refuses",
		total.calls, total.traps, total.skipped, total.modules)
	if total.calls < 60_000 {
		t.Errorf("only %d calls were compared", total.calls)
	}
}

// comparison counts what was compared.
type comparison struct{ calls, traps, skipped, modules int }

func (a *comparison) add(b comparison) {
	a.calls, a.traps, a.skipped, a.modules = a.calls+b.calls, a.traps+b.traps, a.skipped+b.skipped, a.modules+b.modules
}

type pair struct{ plain, metered api.Module }

func compareFile(t *testing.T, file string) (total comparison) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s spec
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	runtimes := [2]wazero.Runtime{}
	for i := range runtimes {
		runtimes[i] = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithDebugInfoEnabled(false))
		defer func() { _ = runtimes[i].Close(context.Background()) }()
		// What the suite's modules import from: functions, memory, a table, globals.
		spectest, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "..", "testdata", "spectest.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runtimes[i].InstantiateWithConfig(ctx, spectest, wazero.NewModuleConfig().WithName("spectest")); err != nil {
			t.Fatal(err)
		}
	}
	var current pair
	named := map[string]pair{}
	for _, c := range s.Commands {
		switch c.Type {
		case "module":
			if current = instantiateBoth(ctx, runtimes, filepath.Join(filepath.Dir(file), c.Filename)); current.plain == nil {
				total.modules++
			}
			if c.Name != "" {
				named[c.Name] = current
			}
		case "assert_return", "assert_trap", "action", "assert_exhaustion":
			p := current
			if c.Action.Module != "" {
				p = named[c.Action.Module]
			}
			if c.Action.Type != "invoke" {
				continue
			}
			if p.plain == nil {
				total.skipped++
				continue
			}
			var args []uint64
			for _, a := range c.Action.Args {
				args = append(args, a.words()...)
			}
			want, wantErr := p.plain.ExportedFunction(c.Action.Field).Call(ctx, args...)
			p.metered.ExportedGlobal(meter.FuelExport).(api.MutableGlobal).Set(0)
			p.metered.ExportedGlobal(meter.RestExport).(api.MutableGlobal).Set(1 << 40)
			got, gotErr := p.metered.ExportedFunction(c.Action.Field).Call(ctx, args...)
			if outcome(wantErr) != outcome(gotErr) || !slices.Equal(want, got) {
				t.Errorf("%s:%d: %s: metered %x, %v; plain %x, %v", filepath.Base(file), c.Line, c.Action.Field, got, gotErr, want, wantErr)
			}
			total.calls++
			if wantErr != nil {
				total.traps++
			}
		}
	}
	return total
}

// TestMeteredSamples calls every export of every module that ships with wazero, whatever it is for, metered and not:
// results and memory must be the same afterwards.
func TestMeteredSamples(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("thousands of modules")
	}
	ctx := t.Context()
	compared, starved, left := 0, 0, map[string]int{}
	runtimes := [2]wazero.Runtime{}
	for i := range runtimes {
		runtimes[i] = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithDebugInfoEnabled(false).WithMemoryLimitPages(1024))
		defer func() { _ = runtimes[i].Close(context.Background()) }()
		if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtimes[i]); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(samples(t), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		p := instantiateBoth(ctx, runtimes, path)
		if p.plain == nil {
			left[filepath.Base(filepath.Dir(filepath.Dir(path)))]++
			return nil
		}
		defer func() { _, _ = p.plain.Close(ctx), p.metered.Close(ctx) }()
		for name, def := range p.plain.ExportedFunctionDefinitions() {
			args, comparable := arguments(def)
			if !comparable {
				continue
			}
			p.metered.ExportedGlobal(meter.FuelExport).(api.MutableGlobal).Set(0)
			p.metered.ExportedGlobal(meter.RestExport).(api.MutableGlobal).Set(5_000_000)
			got, gotErr := p.metered.ExportedFunction(name).Call(ctx, args...)
			if int64(p.metered.ExportedGlobal(meter.FuelExport).Get()+p.metered.ExportedGlobal(meter.RestExport).Get()) < 0 {
				starved++ // the plain one might not end
				break
			}
			want, wantErr := p.plain.ExportedFunction(name).Call(ctx, args...)
			if outcome(wantErr) != outcome(gotErr) || !slices.Equal(want, got) {
				t.Errorf("%s: %s: metered %x, %v; plain %x, %v", path, name, got, gotErr, want, wantErr)
			}
			compared++
			if p.plain.IsClosed() {
				break
			}
		}
		if !bytes.Equal(contents(p.plain), contents(p.metered)) {
			t.Errorf("%s: the memories differ", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls ended alike; %d modules ran out of fuel; not compared, because they are not valid, import from others or are beyond version 2, by folder: %v", compared, starved, left)
	if compared < 5_000 {
		t.Errorf("only %d calls were compared", compared)
	}
}

// arguments are small numbers, two for a vector. References are addresses of the host: nothing that can be compared.
func arguments(def api.FunctionDefinition) (args []uint64, comparable bool) {
	const v128, funcref = 0x7b, 0x70
	for _, kind := range slices.Concat(def.ParamTypes(), def.ResultTypes()) {
		if kind == funcref || kind == api.ValueTypeExternref {
			return nil, false
		}
	}
	for i, kind := range def.ParamTypes() {
		args = append(args, uint64(i+1))
		if kind == v128 {
			args = append(args, 0)
		}
	}
	return args, true
}

func contents(m api.Module) []byte {
	if len(m.ExportedMemoryDefinitions()) == 0 {
		return nil
	}
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return b
}

// TestMeteredModulesEqualUnmetered evaluates every built-in rule module, metered twice and not metered, over the same
// sequence of windows: verdicts must be the same, and the two metered ones must have used the same fuel.
func TestMeteredModulesEqualUnmetered(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("compiling Go guests takes its time")
	}
	modules := map[string][]byte{}
	for _, name := range ruleswasm.Names() {
		code, err := ruleswasm.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		modules[name] = code
	}
	if len(modules) == 0 {
		modules["error_rate"] = build(t, "../../rules-wasm/error_rate")
	}
	evaluations, verdicts := 0, 0
	h := newHost(t, wasm.Options{})
	for name, code := range modules {
		var got [3][]wasm.Evaluation
		for i, trusted := range []bool{false, true, false} {
			m, err := h.Load(t.Context(), name, code, wasm.Limits{Trusted: trusted})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Close(t.Context()) }() // not before: equal ones are compiled once
			got[i] = sequence(t, name, m)
		}
		if diff := cmp.Diff(got[0], got[2], cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: two runs of the same rule differ, fuel included: %s", name, diff)
		}
		if diff := cmp.Diff(got[0], got[1], cmpopts.EquateNaNs(), cmpopts.IgnoreFields(wasm.Evaluation{}, "Fuel")); diff != "" {
			t.Errorf("%s: metered and unmetered differ: %s", name, diff)
		}
		for _, e := range got[0] {
			evaluations++
			verdicts += len(e.Verdicts)
			if e.Fuel == 0 {
				t.Errorf("%s: an evaluation cost nothing", name)
			}
		}
	}
	t.Logf("%d modules, %d evaluations with %d verdicts are the same metered and not", len(modules), evaluations, verdicts)
	if verdicts == 0 {
		t.Error("there were no verdicts to compare")
	}
}

// given are parameters of modules that cannot be made up from the manifest.
var given = map[string]json.RawMessage{
	"burn_rate": json.RawMessage(`{"objective":0.99}`),
	"change":    json.RawMessage(`{"above":1.5,"below":0.5,"recent":"30s"}`),
}

// sequence evaluates a rule of the module, in an instance of its own, over windows that are made up from its manifest.
func sequence(t *testing.T, name string, m *wasm.Module) (all []wasm.Evaluation) {
	t.Helper()
	params, err := workload.Params(m.Manifest(), given[name])
	if err != nil {
		t.Fatal(name, err)
	}
	r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: "r", Params: params})
	if err != nil {
		t.Fatal(name, err)
	}
	for k := range uint64(20) {
		d := workload.Dictionary(m.Manifest(), 1+k/7, 25+int(k/7))
		e, err := r.Eval(t.Context(), d, workload.Window(m.Manifest(), d, k, 12))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e.Verdicts = slices.Clone(e.Verdicts)
		all = append(all, e)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return all
}

func outcome(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// instantiateBoth returns nothing for modules that need others, or that the meter refuses.
func instantiateBoth(ctx context.Context, runtimes [2]wazero.Runtime, file string) (p pair) {
	code, err := os.ReadFile(file)
	if err != nil {
		return pair{}
	}
	parsed, err := meter.Parse(code)
	if err != nil {
		return pair{}
	}
	metered, err := parsed.Meter(1 << 40)
	if err != nil {
		return pair{}
	}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	if p.plain, err = runtimes[0].InstantiateWithConfig(ctx, code, config); err != nil {
		return pair{}
	}
	if p.metered, err = runtimes[1].InstantiateWithConfig(ctx, metered, config); err != nil {
		return pair{}
	}
	return p
}

// words is a value as it is passed to wazero.
func (v specValue) words() []uint64 {
	if v.Type != "v128" {
		var text string
		_ = json.Unmarshal(v.Value, &text)
		return []uint64{number(text, v.Type)}
	}
	var lanes []string
	_ = json.Unmarshal(v.Value, &lanes)
	words := make([]uint64, 2)
	bits := 128 / max(1, len(lanes))
	for i, lane := range lanes {
		words[i*bits/64] |= number(lane, v.LaneType) & (1<<bits - 1) << (i * bits % 64)
	}
	return words
}

func number(text, kind string) uint64 {
	switch {
	case text == "null":
		return 0
	case strings.HasPrefix(text, "nan") && (kind == "f32"):
		return uint64(math.Float32bits(float32(math.NaN())))
	case strings.HasPrefix(text, "nan"):
		return math.Float64bits(math.NaN())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		signed, _ := strconv.ParseInt(text, 10, 64)
		return uint64(signed)
	}
	return n
}

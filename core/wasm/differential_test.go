package wasm_test

import (
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

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
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
	calls, traps := 0, 0
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(root, version, "testdata", "*.json"))
		if err != nil || len(files) == 0 {
			t.Skipf("the test suite is not in the sources of wazero: %v", err)
		}
		for _, file := range files {
			c, tr := compareFile(t, file)
			calls, traps = calls+c, traps+tr
		}
	}
	t.Logf("%d calls ended alike, %d of them by a trap", calls, traps)
	if calls < 10_000 {
		t.Errorf("only %d calls were compared", calls)
	}
}

type pair struct{ plain, metered api.Module }

func compareFile(t *testing.T, file string) (calls, traps int) {
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
	}
	var current pair
	named := map[string]pair{}
	for _, c := range s.Commands {
		switch c.Type {
		case "module":
			current = instantiateBoth(ctx, runtimes, filepath.Join(filepath.Dir(file), c.Filename))
			if c.Name != "" {
				named[c.Name] = current
			}
		case "assert_return", "assert_trap", "action", "assert_exhaustion":
			p := current
			if c.Action.Module != "" {
				p = named[c.Action.Module]
			}
			if p.plain == nil || c.Action.Type != "invoke" {
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
			calls++
			if wantErr != nil {
				traps++
			}
		}
	}
	return calls, traps
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

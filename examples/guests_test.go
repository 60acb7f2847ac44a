package examples_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/conformance"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// languages are the ways in which the rule "hot" is written, and how each is built in its folder, as its README says.
var languages = []struct {
	name  string
	file  string // that holds the rule; the others of the folder are for every rule
	build func(t *testing.T, dir, out string)
}{
	{"go", "rule.go", func(t *testing.T, dir, out string) {
		tool(t, "go")
		if err := pack.Build(t.Context(), dir, out); err != nil {
			t.Fatal(err)
		}
	}},
	{"rust", "hot.rs", func(t *testing.T, dir, out string) {
		command(t, dir, rustc(t), "--edition", "2021", "--target", rustTarget, "--crate-type", "cdylib",
			"-O", "-C", "panic=abort", "-C", "lto", "-C", "strip=symbols", "-D", "warnings", "-o", out, "hot.rs")
	}},
	{"c", "hot.c", func(t *testing.T, dir, out string) {
		tool(t, "wasm-ld")
		command(t, dir, tool(t, "clang"), "--target=wasm32", "-O2", "-ffreestanding", "-mbulk-memory", "-nostdlib",
			"-Wl,--no-entry", "-Wl,--strip-debug", "-Wall", "-Wextra", "-Werror", "-o", out, "hot.c", "tocsin.c")
	}},
	{"assemblyscript", "hot.ts", func(t *testing.T, dir, out string) {
		command(t, dir, tool(t, "asc"), "module.ts", "-O3", "--runtime", "minimal", "--use", "abort=", "--outFile", out)
	}},
}

const rustTarget = "wasm32-unknown-unknown"

// missing skips a test for lack of a toolchain, except where all of them must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: .ci/run installs it, so this must not be skipped", what)
	}
	t.Skip(what)
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

// rustc finds a compiler that has the standard library for the target: there may be several.
func rustc(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"rustc", "/usr/bin/rustc"} {
		dir, err := exec.CommandContext(t.Context(), path, "--print", "target-libdir", "--target", rustTarget).Output()
		if found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libstd-*.rlib")); err == nil && len(found) > 0 {
			return path
		}
	}
	missing(t, "no rustc with the target "+rustTarget+" is installed")
	return ""
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// Every language builds a module that keeps the contract, and judges as the others do.
func TestLanguages(t *testing.T) {
	host, err := wasm.New(t.Context(), wasm.Options{Interpreter: raced})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close(t.Context()) }()
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			if raced && l.name == "go" {
				t.Skip("compiling a Go guest takes too long with the race detector")
			}
			out := filepath.Join(t.TempDir(), "hot.wasm")
			l.build(t, "rule-"+l.name, out)
			code, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range conformance.Run(t.Context(), host, l.name, code, conformance.Options{}) {
				if r.Outcome == conformance.Fail || r.Check == "state" && r.Outcome != conformance.Pass {
					t.Errorf("%s: %s: %s", r.Check, r.Outcome, r.Detail)
				}
			}
			module, err := host.Load(t.Context(), l.name, code, wasm.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			rehearse(t, host, code)
			for _, tt := range cases {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, module) })
			}
			if err := module.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// rehearse holds the module to the test of the example in Go: as a part of a configuration, from samples to the receiver.
func rehearse(t *testing.T, host *wasm.Host, code []byte) {
	t.Helper()
	packed, err := host.WithManifest(t.Context(), "hot", code)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hot.wasm"), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hot.hcl", "hot.test.hcl"} {
		text, err := os.ReadFile(filepath.Join("rule-go", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tests, diags := config.LoadTests([]string{dir})
	if len(diags) > 0 || len(tests) == 0 {
		t.Fatalf("%d tests, %v", len(tests), diags)
	}
	director := rehearsal.New(rehearsal.Options{Modules: host, Bubble: func(f func()) {
		synctest.Test(t, func(*testing.T) { f() })
	}})
	for i := range tests {
		result, diags := director.Run(&tests[i])
		if len(diags) > 0 || len(result.Failures) > 0 {
			t.Errorf("%s: %v %+v", tests[i].Name, diags, result.Failures)
		}
	}
}

// sample is what one series has in one evaluation.
type sample struct {
	series string // value of its one label
	value  float64
	flags  uint8
}

var none = math.NaN() // no sample

// cases are evaluations, with the verdicts that the rule must give in every language.
var cases = []testCase{
	{"above, at and below the limit", `{"above":10}`, 0, [][]sample{{{"a", 10.5, 0}, {"b", 10, 0}, {"c", -3, 0}}}, [][]string{{
		`active {s="a"} 10.5 > 10 evaluations above: 1`, `healthy {s="b"} 10 > 10`, `healthy {s="c"} -3 > 10`,
	}}},
	{"the default", `{}`, 0, [][]sample{{{"a", 80.1, 0}, {"b", 80, 0}}}, [][]string{{
		`active {s="a"} 80.1 > 80 evaluations above: 1`, `healthy {s="b"} 80 > 80`,
	}}},
	{"numbers at the edge", `{"above":-1e308}`, 0, [][]sample{{{"a", math.Inf(1), 0}, {"b", math.Inf(-1), 0}, {"c", 5e-324, 0}}}, [][]string{{
		`active {s="a"} +Inf > -1e+308 evaluations above: 1`, `healthy {s="b"} -Inf > -1e+308`, `active {s="c"} 5e-324 > -1e+308 evaluations above: 1`,
	}}},
	{"no sample, and a silent target", `{}`, 0, [][]sample{{{"a", none, 0}, {"b", 90, abi.FlagMissing}, {"c", none, abi.FlagMissing}}}, [][]string{{
		`unknown {s="a"}`, `unknown {s="b"}`, `unknown {s="c"}`,
	}}},
	{"what is gone is left out", `{}`, 0, [][]sample{{{"a", 90, abi.FlagEnded}, {"b", 90, 0}}}, [][]string{{
		`active {s="b"} 90 > 80 evaluations above: 1`,
	}}},
	{"nothing", `{}`, 0, [][]sample{{}}, [][]string{nil}},
	{"counting, through silence", `{}`, 0, [][]sample{
		{{"a", 90, 0}}, {{"a", 91, 0}}, {{"a", 92, abi.FlagMissing}}, {{"a", 93, 0}}, {{"a", 0, 0}}, {{"a", 94, 0}},
	}, [][]string{
		{`active {s="a"} 90 > 80 evaluations above: 1`},
		{`active {s="a"} 91 > 80 evaluations above: 2`},
		{`unknown {s="a"}`},
		{`active {s="a"} 93 > 80 evaluations above: 3`},
		{`healthy {s="a"} 0 > 80`},
		{`active {s="a"} 94 > 80 evaluations above: 1`},
	}},
	{"counting, while series come and go", `{}`, 0, [][]sample{
		{{"a", 90, 0}, {"b", 90, 0}}, {{"c", 90, 0}, {"b", 90, 0}, {"a", 90, 0}}, {{"b", 90, 0}}, {{"b", 90, 0}, {"c", 90, abi.FlagEnded}},
	}, [][]string{
		{`active {s="a"} 90 > 80 evaluations above: 1`, `active {s="b"} 90 > 80 evaluations above: 1`},
		{`active {s="c"} 90 > 80 evaluations above: 1`, `active {s="b"} 90 > 80 evaluations above: 2`, `active {s="a"} 90 > 80 evaluations above: 2`},
		{`active {s="b"} 90 > 80 evaluations above: 3`},
		{`active {s="b"} 90 > 80 evaluations above: 4`},
	}},
	{"counting, over a restart after which one target answers late", `{}`, 2, [][]sample{
		{{"a", 90, 0}, {"b", 90, 0}}, {{"a", 90, 0}, {"b", 90, 0}, {"c", 0, 0}}, {{"c", 90, 0}, {"a", 90, 0}}, {{"b", 90, 0}, {"d", 90, 0}},
	}, [][]string{
		{`active {s="a"} 90 > 80 evaluations above: 1`, `active {s="b"} 90 > 80 evaluations above: 1`},
		{`active {s="a"} 90 > 80 evaluations above: 2`, `active {s="b"} 90 > 80 evaluations above: 2`, `healthy {s="c"} 0 > 80`},
		{`active {s="c"} 90 > 80 evaluations above: 1`, `active {s="a"} 90 > 80 evaluations above: 3`},
		{`active {s="b"} 90 > 80 evaluations above: 3`, `active {s="d"} 90 > 80 evaluations above: 1`},
	}},
}

type testCase struct {
	name        string
	params      string
	restart     int // before this evaluation, 0: never
	evaluations [][]sample
	want        [][]string
}

func (tt testCase) run(t *testing.T, module *wasm.Module) {
	r, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: tt.name, Params: json.RawMessage(tt.params)})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for i, samples := range tt.evaluations {
		if i > 0 && i == tt.restart {
			r = restarted(t, module, r, wasm.RuleOptions{ID: tt.name, Params: json.RawMessage(tt.params)})
		}
		dictionary, window := evaluation(i, samples)
		e, err := r.Eval(t.Context(), dictionary, window)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, v := range e.Verdicts {
			line := fmt.Sprintf("%s %s", v.Status, v.Labels)
			if v.Status != abi.Unknown {
				line = strings.TrimSpace(fmt.Sprintf("%s %v > %v %s", line, v.Value, v.Threshold, v.Text))
			}
			lines = append(lines, line)
		}
		got = append(got, lines)
	}
	if diff := cmp.Diff(tt.want, got); diff != "" {
		t.Error(diff)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// restarted is the rule anew, with what it remembered.
func restarted(t *testing.T, module *wasm.Module, r *wasm.Rule, o wasm.RuleOptions) *wasm.Rule {
	t.Helper()
	state, err := r.Snapshot(t.Context())
	if err == nil {
		err = r.Close(t.Context())
	}
	if err == nil {
		o.State = state
		r, err = module.NewRule(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A rule of another kind, in every language but Go: it reads parameters that are no numbers, and labels, and remembers
// nothing.
func TestParameters(t *testing.T) {
	host, err := wasm.New(t.Context(), wasm.Options{Interpreter: raced})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close(t.Context()) }()
	for _, l := range languages[1:] {
		t.Run(l.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "echo")
			if err := os.CopyFS(dir, os.DirFS("rule-"+l.name)); err != nil {
				t.Fatal(err)
			}
			rule, err := os.ReadFile(filepath.Join("testdata", "echo"+filepath.Ext(l.file)))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, l.file), rule, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "echo.wasm")
			l.build(t, dir, out)
			code, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			given := `{"word":"grün","words":["a","","ccc"],"flag":true,"span":"90s","count":-3,"pairs":{"k":"v"}}`
			for _, r := range conformance.Run(t.Context(), host, l.name, code, conformance.Options{Params: json.RawMessage(given)}) {
				if r.Outcome == conformance.Fail {
					t.Errorf("%s: %s", r.Check, r.Detail)
				}
			}
			module, err := host.Load(t.Context(), l.name, code, wasm.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []testCase{
				{"given", given, 0, [][]sample{{{"x", 1, 0}, {"y", 1, 0}}}, [][]string{{
					`active {of="x",s="x"} 90 > -3 grün true a  ccc`, `active {of="y",s="y"} 90 > -3 grün true a  ccc`,
				}}},
				{"not given", `{}`, 0, [][]sample{{{"x", 1, 0}}}, [][]string{{`active {of="x",s="x"} 0 > 7 none false`}}},
			} {
				tt.run(t, module)
			}
		})
	}
}

// evaluation makes a dictionary of the series in order, of a generation of its own, and a window over it.
func evaluation(i int, samples []sample) (*abi.Dictionary, *abi.Window) {
	d := &abi.Dictionary{Generation: uint64(i + 1)}
	in := abi.Input{Reduce: abi.Last, TargetsExpected: 1, TargetsAnswered: 1}
	for k, s := range samples {
		d.Series = append(d.Series, frame.Series{Labels: frame.FromMap(map[string]string{frame.MetricName: "m", "s": s.series})})
		span := abi.Span{Start: uint32(len(in.Values))}
		if !math.IsNaN(s.value) {
			span.Count = 1
			in.Values = append(in.Values, s.value)
		}
		in.Series, in.Spans = append(in.Series, uint32(k)), append(in.Spans, span)
		in.TimeRef, in.Flags = append(in.TimeRef, 0), append(in.Flags, s.flags)
	}
	return d, &abi.Window{Sequence: uint64(i), Generation: d.Generation, Time: int64(i) * 15_000, IntervalMS: 15_000, Inputs: []abi.Input{in}}
}

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestErrorRate(t *testing.T) {
	const broken = `
		http_requests_total{code="200",endpoint="/critical/api"}  0+90x20
		http_requests_total{code="500",endpoint="/critical/api"}  0+9x20
		http_requests_total{code="5xx",endpoint="/critical/api"}  0+1x20
		http_requests_total{code="200",endpoint="/fine"}          0+90x20
		http_requests_total{code="500",endpoint="/fine"}          0+1x20
		http_requests_total{code="200",endpoint="/quiet"}         5+0x20
	`
	by := []string{"endpoint"}
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		want   []string
	}{
		"by endpoint": {
			params: map[string]any{"by": by}, series: broken,
			want: []string{`active {endpoint="/critical/api"} 0.1`, `healthy {endpoint="/fine"} 0.010989`, `healthy {endpoint="/quiet"} 0`},
		},
		"as a whole": {
			series: broken, want: []string{"active {} 0.0575916"},
		},
		"the threshold itself is not above it": {
			params: map[string]any{"by": by, "threshold": 0.1},
			series: `m{code="200",endpoint="/a"} 0+90x9` + "\n" + `m{code="500",endpoint="/a"} 0+10x9`, want: []string{`healthy {endpoint="/a"} 0.1`},
		},
		"too few requests to tell": {
			params: map[string]any{"by": by, "min_requests": 100}, series: broken,
			want: []string{`active {endpoint="/critical/api"} 0.1`, `healthy {endpoint="/fine"} 0.010989`, `unknown {endpoint="/quiet"}`},
		},
		"no data": {
			params: map[string]any{"by": by}, series: `m{code="200",endpoint="/a"} _x20` + "\n" + `m{code="200",endpoint="/b"} 7`,
			want: []string{`unknown {endpoint="/a"}`, `unknown {endpoint="/b"}`},
		},
		"another idea of errors": {
			params: map[string]any{"errors": "code!='200'", "threshold": 0.5},
			series: `m{code="200"} 0+1x9` + "\n" + `m{code="404"} 0+2x9`, want: []string{"active {} 0.666667"},
		},
		"a restart of the exporter": {
			series: `m{code="200"} 100 110 3` + "\n" + `m{code="500"} 10 11 1`, want: []string{"active {} 0.133333"},
		},
		"errors of a new series count from 0": {
			series: `m{code="200"} 0+90x2` + "\n" + `m{code="500"} _ _ 20`, want: []string{"active {} 0.1"},
		},
		"no health while a target is silent": {
			params: map[string]any{"by": by}, series: broken, down: `endpoint='/fine'`,
			want: []string{`active {endpoint="/critical/api"} 0.1`, `unknown {endpoint="/fine"}`, `unknown {endpoint="/quiet"}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(ErrorRate), ruletest.Options{Params: tt.params, Inputs: map[string]ruletest.Input{
				"requests": {Series: tt.series, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(2*time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvalDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(ErrorRate), ruletest.Options{Inputs: map[string]ruletest.Input{"requests": {Series: `m{code="500"} 0+1x20`}}})
	w := &abi.Window{Generation: 1, Inputs: []abi.Input{{
		Series: []uint32{0}, Spans: []abi.Span{{Count: 1}}, TimeRef: []uint32{0}, Flags: []uint8{0}, Values: []float64{1}, Reduce: abi.Increase,
	}}}
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := test.Session().Eval(block); err != nil {
			t.Fatal(err)
		}
		test.Session().Result()
	}); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "error_rate.wasm")
	if err := pack.Build(t.Context(), ".", out); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(t.Context(), wasm.Options{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close(t.Context()) }()
	module, err := host.Load(t.Context(), "error_rate", code, wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := module.Manifest(); got.Name != "error_rate" || len(got.Inputs) != 1 || got.Inputs[0].Reduce != "increase" || len(got.Params) != 4 {
		t.Errorf("got the manifest %+v", got)
	}
	if _, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: "wrong", Params: json.RawMessage(`{"errors":"code~5"}`)}); err == nil {
		t.Error("a wrong matcher is accepted")
	}
	judge, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: "HighAPIErrorRate", Params: json.RawMessage(`{"by":["endpoint"]}`)})
	if err != nil {
		t.Fatal(err)
	}
	series := func(code string) frame.Series {
		return frame.Series{Labels: frame.FromMap(map[string]string{"__name__": "m", "endpoint": "/critical/api", "code": code})}
	}
	dict := &abi.Dictionary{Generation: 1, Series: []frame.Series{series("200"), series("500")}}
	window := &abi.Window{Generation: 1, Inputs: []abi.Input{{
		Series: []uint32{0, 1}, Spans: []abi.Span{{Start: 0, Count: 1}, {Start: 1, Count: 1}}, TimeRef: []uint32{0, 0}, Flags: []uint8{0, 0},
		Values: []float64{30, 10}, Reduce: abi.Increase, TargetsExpected: 1, TargetsAnswered: 1,
	}}}
	got, err := judge.Eval(t.Context(), dict, window)
	if err != nil {
		t.Fatal(err)
	}
	want := []abi.Verdict{{Labels: frame.Labels{{Name: "endpoint", Value: "/critical/api"}}, Status: abi.Active, Value: 0.25, Threshold: 0.05}}
	if diff := cmp.Diff(want, got.Verdicts); diff != "" {
		t.Error(diff)
	}
	if err := judge.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

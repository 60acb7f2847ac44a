package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

func TestThreshold(t *testing.T) {
	const disks = `
		disk_used_ratio{host="a",disk="1"} 0.5 0.95
		disk_used_ratio{host="a",disk="2"} 0.2
		disk_used_ratio{host="b",disk="1"} 0.9
		disk_used_ratio{host="c",disk="1"} _
	`
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		want   []string
	}{
		"each series": {
			params: map[string]any{"value": 0.9}, series: disks,
			want: []string{`active {disk="1",host="a"} 0.95`, `healthy {disk="2",host="a"} 0.2`, `healthy {disk="1",host="b"} 0.9`},
		},
		"at least": {
			params: map[string]any{"value": 0.9, "op": ">="}, series: `m{host="b"} 0.9`, want: []string{`active {host="b"} 0.9`},
		},
		"below": {
			params: map[string]any{"value": 10, "op": "<"}, series: "m{a=\"1\"} 9\nm{a=\"2\"} 10", want: []string{`active {a="1"} 9`, `healthy {a="2"} 10`},
		},
		"equal":     {params: map[string]any{"value": 0, "op": "=="}, series: "up 0", want: []string{"active {} 0"}},
		"not equal": {params: map[string]any{"value": 1, "op": "!="}, series: "up 1", want: []string{"healthy {} 1"}},
		"sum by host": {
			params: map[string]any{"value": 1, "aggregate": "sum", "by": []string{"host"}}, series: disks,
			want: []string{`active {host="a"} 1.15`, `healthy {host="b"} 0.9`, `unknown {host="c"}`},
		},
		"min of all":   {params: map[string]any{"value": 0.3, "op": "<", "aggregate": "min"}, series: disks, want: []string{"active {} 0.2"}},
		"max of all":   {params: map[string]any{"value": 0.9, "aggregate": "max"}, series: disks, want: []string{"active {} 0.95"}},
		"avg of all":   {params: map[string]any{"value": 0.9, "aggregate": "avg"}, series: disks, want: []string{"healthy {} 0.683333"}},
		"count of all": {params: map[string]any{"value": 3, "op": "==", "aggregate": "count"}, series: disks, want: []string{"active {} 3"}},
		"a series that its target no longer has is left out": {
			params: map[string]any{"value": 0.9}, series: "m{a=\"1\"} 1 stale\nm{a=\"2\"} 0", want: []string{`healthy {a="2"} 0`},
		},
		"a silent target": {
			params: map[string]any{"value": 0.9}, series: disks, down: "host='a'",
			want: []string{`unknown {disk="1",host="a"}`, `unknown {disk="2",host="a"}`, `healthy {disk="1",host="b"} 0.9`},
		},
		"a silent target in a sum": {
			params: map[string]any{"value": 0.9, "aggregate": "sum", "by": []string{"host"}}, series: disks, down: "disk='2'",
			want: []string{`unknown {host="a"}`, `healthy {host="b"} 0.9`, `unknown {host="c"}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Threshold), ruletest.Options{Params: tt.params, Inputs: map[string]ruletest.Input{
				"series": {Series: tt.series, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHysteresis(t *testing.T) {
	const series = `m{a="1"} 85 95 85 _ 79 85 95`
	tests := map[string]struct {
		from int // the first evaluation
		want []string
	}{
		// Only what the module has seen itself it knows. The engine keeps the state it has while told "unknown".
		"from the start":   {0, []string{"unknown", "active", "active", "active", "healthy", "healthy", "active"}},
		"after a restart":  {2, []string{"unknown", "unknown", "healthy", "healthy", "active"}},
		"while it is over": {1, []string{"active", "active", "active", "healthy", "healthy", "active"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Threshold), ruletest.Options{
				Params: map[string]any{"value": 90, "clear": 80},
				Inputs: map[string]ruletest.Input{"series": {Series: series, Window: time.Minute}},
			})
			var got []string
			for i := range len(tt.want) {
				line := test.At(time.Duration(tt.from+i) * 15 * time.Second)
				got = append(got, strings.Fields(line[0])[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no value":          {},
		"unknown op":        {"value": 1, "op": "=>"},
		"by alone":          {"value": 1, "by": []string{"a"}},
		"clear above":       {"value": 90, "clear": 95},
		"clear below":       {"value": 10, "op": "<", "clear": 5},
		"clear of equality": {"value": 1, "op": "==", "clear": 0},
		"unknown aggregate": {"value": 1, "aggregate": "median"},
	} {
		if err := ruletest.ConfigError(new(Threshold), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := ruletest.ConfigError(new(Threshold), map[string]any{"value": 10, "op": "<=", "clear": 20}); err != nil {
		t.Error(err)
	}
}

func TestInSandbox(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "threshold.wasm")
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
	module, err := host.Load(t.Context(), "threshold", code, wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	judge, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: "DiskFull", Params: json.RawMessage(`{"value":90,"clear":80}`)})
	if err != nil {
		t.Fatal(err)
	}
	dict := &abi.Dictionary{Generation: 1, Series: []frame.Series{{Labels: frame.FromMap(map[string]string{"__name__": "m", "host": "a"})}}}
	for i, step := range []struct {
		value float64
		want  abi.Status
	}{{95, abi.Active}, {85, abi.Active}, {75, abi.Healthy}, {85, abi.Healthy}} {
		got, err := judge.Eval(t.Context(), dict, &abi.Window{Sequence: uint64(i), Generation: 1, Inputs: []abi.Input{{
			Series: []uint32{0}, Spans: []abi.Span{{Count: 1}}, TimeRef: []uint32{0}, Flags: []uint8{0}, Values: []float64{step.value},
			Reduce: abi.Last, TargetsExpected: 1, TargetsAnswered: 1,
		}}})
		if err != nil || len(got.Verdicts) != 1 || got.Verdicts[0].Status != step.want || got.Verdicts[0].Labels.String() != `{host="a"}` {
			t.Errorf("step %d: got %+v, %v, want %s", i, got.Verdicts, err, step.want)
		}
	}
	if err := judge.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

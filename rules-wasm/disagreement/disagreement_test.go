package main

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

const pods = `
	load{app="web",pod="1"}  10 11
	load{app="web",pod="2"}  11 10
	load{app="web",pod="3"}  9  10
	load{app="web",pod="4"}  10 30
	load{app="web",pod="5"}  10 12
	load{app="db",pod="1"}   5  5
	load{app="db",pod="2"}   50 50
	load{app="db",pod="3"}   5  stale
`

func TestDisagreement(t *testing.T) {
	tests := map[string]struct {
		params map[string]any
		series string
		reduce string
		down   string
		want   []string
	}{
		"one of the web pods": {
			want: []string{
				`healthy {app="web",pod="1"} 11`, `healthy {app="web",pod="2"} 10`, `healthy {app="web",pod="3"} 10`,
				`active {app="web",pod="4"} 30: the median of 5 is 11`, `healthy {app="web",pod="5"} 12`,
				`unknown {app="db",pod="1"}`, `unknown {app="db",pod="2"}`,
			},
		},
		"the other direction": {
			params: map[string]any{"direction": "below"}, series: "m{i=\"1\"} 5\nm{i=\"2\"} 5\nm{i=\"3\"} 5\nm{i=\"4\"} 4\nm{i=\"5\"} 9",
			want: []string{`healthy {i="1"} 5`, `healthy {i="2"} 5`, `healthy {i="3"} 5`, `active {i="4"} 4: the median of 5 is 5`, `healthy {i="5"} 9`},
		},
		"all alike but for what is tolerated": {
			series: "m{i=\"1\"} 5\nm{i=\"2\"} 5\nm{i=\"3\"} 5\nm{i=\"4\"} 5.4",
			want:   []string{`healthy {i="1"} 5`, `healthy {i="2"} 5`, `healthy {i="3"} 5`, `healthy {i="4"} 5.4`},
		},
		"rates": {
			reduce: "rate", params: map[string]any{"min_fleet": 3}, series: "m{i=\"1\"} 0 15\nm{i=\"2\"} 7 22\nm{i=\"3\"} 100 130",
			want: []string{`healthy {i="1"} 1`, `healthy {i="2"} 1`, `active {i="3"} 2: the median of 3 is 1`},
		},
		"a silent member is not compared": {
			down: "pod='4'",
			want: []string{
				`healthy {app="web",pod="1"} 11`, `healthy {app="web",pod="2"} 10`, `healthy {app="web",pod="3"} 10`,
				`unknown {app="web",pod="4"}`, `healthy {app="web",pod="5"} 12`, `unknown {app="db",pod="1"}`, `unknown {app="db",pod="2"}`,
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			series, params := tt.series, map[string]any{}
			if series == "" {
				series, params["by"] = pods, []string{"app"}
			}
			maps.Copy(params, tt.params)
			test := ruletest.New(t, new(Disagreement), ruletest.Options{Params: params, Inputs: map[string]ruletest.Input{
				"series": {Series: series, Reduce: tt.reduce, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(15*time.Second)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no width": {"deviations": 0, "tolerance": 0}, "two are no fleet": {"min_fleet": 2}, "direction": {"direction": "up"},
	} {
		if err := ruletest.ConfigError(new(Disagreement), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Disagreement), ruletest.Options{Params: map[string]any{"min_fleet": 3}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5x70` + "\n" + `m{job="a",instance="2"} 5x70` + "\n" + `m{i="3"} 5x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Disagreement), ruletest.Options{
		Params: map[string]any{"by": []string{"app"}}, Inputs: map[string]ruletest.Input{"series": {Series: pods}},
	}, 0, 15*time.Second, 30*time.Second)
}

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestChange(t *testing.T) {
	half := map[string]any{"below": 0.5, "as": "counter", "by": []string{"site"}}
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		at     time.Duration
		want   []string
	}{
		"traffic breaks down": {
			params: half, series: `m{site="a"} 0+600x60 36000+60x10` + "\n" + `m{site="b"} 0+600x70`, at: 66 * time.Minute,
			want: []string{`active {site="a"} 0.101887: now 1/s, before 9.815/s`, `healthy {site="b"} 1`},
		},
		"traffic ends with its series": {
			params: half, series: `m{site="a"} 0+600x60 stalex10`, at: 66 * time.Minute,
			want: []string{`active {site="a"} 0: now 0/s, before 9.815/s`},
		},
		"a restart is no drop": {
			params: half, series: `m{site="a"} 0+600x60 0+600x20`, at: 63 * time.Minute, want: []string{`healthy {site="a"} 0.8`},
		},
		"twice as long a queue": {
			params: map[string]any{"above": 1.9, "as": "gauge"}, series: `m{q="1"} 5x60 15x10` + "\n" + `m{q="2"} 5x60 5x10`, at: 66 * time.Minute,
			want: []string{"active {} 1.96429: now 20, before 10.18"},
		},
		"not long enough to compare": {
			params: half, series: `m{site="a"} 0+600x9`, at: 9 * time.Minute, want: []string{`unknown {site="a"}`},
		},
		"too little before": {
			params: map[string]any{"below": 0.5, "as": "counter", "min_before": 1}, series: `m 0+6x60 360x10`, at: 66 * time.Minute, want: []string{"unknown {}"},
		},
		"nothing before and nothing now": {
			params: half, series: `m{site="a"} 7x60`, at: 60 * time.Minute, want: []string{`healthy {site="a"} 1`},
		},
		"something after nothing is no ratio": {
			params: map[string]any{"above": 2, "as": "counter"}, series: `m 7x60 8x3`, at: 63 * time.Minute, want: []string{"unknown {}"},
		},
		"a silent target is no drop": {
			params: half, series: `m{site="a"} 0+600x60 downx10` + "\n" + `m{site="b"} 0+600x70`, at: 66 * time.Minute,
			want: []string{`unknown {site="a"}`, `unknown {site="b"}`},
		},
		"a rise is one whoever is silent": {
			params: map[string]any{"above": 1.5, "as": "counter"}, series: `m{i="1"} 0+600x60 downx10` + "\n" + `m{i="2"} 0+60x60 3600+6000x10`, at: 66 * time.Minute,
			want: []string{"active {} 9.26244: now 100/s, before 10.8/s"},
		},
		"a new series counts from 0": {
			params: map[string]any{"above": 1.5, "as": "counter"}, series: `m{i="1"} 0+60x70` + "\n" + `m{i="2"} _x62 600`, at: 63 * time.Minute,
			want: []string{"active {} 3: now 3/s, before 1/s"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Change), ruletest.Options{Params: tt.params, Interval: time.Minute, Inputs: map[string]ruletest.Input{
				"series": {Series: tt.series, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(tt.at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"nothing": {}, "both the wrong way": {"below": 2, "above": 0.5}, "negative": {"below": -1}, "kind": {"below": 1, "as": "summary"}, "recent": {"below": 1, "recent": "0s"},
	} {
		if err := ruletest.ConfigError(new(Change), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Change), ruletest.Options{Params: map[string]any{"below": 0.5, "as": "counter"}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Change), ruletest.Options{
		Params: map[string]any{"below": 0.5, "above": 2, "as": "counter", "by": []string{"site"}}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"series": {Series: `
			m{site="a"}  0+600x60 36000+60x10
			m{site="b"}  0+600x60 stale
			m{site="c"}  0+600x60 36000+3000x10
		`}},
	}, 0, 30*time.Minute, 63*time.Minute, 66*time.Minute)
}

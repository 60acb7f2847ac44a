package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestFlapping(t *testing.T) {
	const restless = `up{i="1"} ` + "1 0 1 0 1 0 1 0 1 0 1" + "\n" + `up{i="2"} 1x10` + "\n" + `up{i="3"} 1 1 1 0 0 0 0 1 1 1 1`
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		at     time.Duration
		want   []string
	}{
		"one of three": {
			series: restless, at: 10 * time.Minute, want: []string{`active {i="1"} 9: 9 changes in 10m, now 1`, `healthy {i="2"} 0`, `healthy {i="3"} 2`},
		},
		"soon after the start nobody knows how calm it is": {
			series: restless, at: 2 * time.Minute, want: []string{`unknown {i="1"}`, `unknown {i="2"}`, `unknown {i="3"}`},
		},
		"crossings of a limit": {
			params: map[string]any{"limit": 50, "changes": 3}, series: `m{i="1"} 10 90 11 91 12 92 13 93 14 94 15` + "\n" + `m{i="2"} 60 70 60 70 60 70 60 70 60 70 60`, at: 10 * time.Minute,
			want: []string{`active {i="1"} 9: 9 changes in 10m, now 15`, `healthy {i="2"} 0`},
		},
		"a silent target": {
			series: restless, down: "i=~'1|2'", at: 10 * time.Minute, want: []string{`active {i="1"} 9: 9 changes in 10m, now 1`, `unknown {i="2"}`, `healthy {i="3"} 2`},
		},
		"a series that is gone":        {series: `m 1x8 stalex3`, at: 10 * time.Minute, want: []string{}},
		"one that is gone and flapped": {series: `m 1 0 1 0 1 0 1 0 1 stalex3`, at: 10 * time.Minute, want: []string{}},
		"one that has just come":       {series: `m _x8 1 1 1`, at: 10 * time.Minute, want: []string{"healthy {} 0"}},
		"one that is asked for less often": {
			series: `m{i="1"} 1x10` + "\n" + `m{i="2"} _ 1 _ _ _ 1 _ _ _ 1 _ _ _`, at: 12 * time.Minute, want: []string{`healthy {i="1"} 0`, `healthy {i="2"} 0`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Flapping), ruletest.Options{Params: tt.params, Interval: time.Minute, Inputs: map[string]ruletest.Input{
				"series": {Series: tt.series, Window: 10 * time.Minute, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(tt.at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCalmMustLast(t *testing.T) {
	test := ruletest.New(t, new(Flapping), ruletest.Options{
		Params: map[string]any{"changes": 6, "clear": 2}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"series": {Window: 10 * time.Minute, Series: `m 1x9 0 1 0 1 0 1 0 1 1 1 1 1 1 1 1 1 1 1 1`}},
	})
	var got []string
	for minute := 9; minute < 27; minute++ {
		if minute == 20 {
			test.Restart()
		}
		got = append(got, strings.Fields(test.At(time.Duration(minute) * time.Minute)[0])[0])
	}
	want := strings.Fields(strings.Repeat("healthy ", 6) + strings.Repeat("active ", 9) + strings.Repeat("healthy ", 3))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{"clear": {"changes": 3, "clear": 3}, "changes": {"changes": 0}} {
		if err := ruletest.ConfigError(new(Flapping), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Flapping), ruletest.Options{Params: map[string]any{}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5x70` + "\n" + `m{job="a",instance="2"} 5x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Flapping), ruletest.Options{
		Params: map[string]any{"changes": 4}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"series": {Window: 10 * time.Minute, Series: `m{i="1"} 1 0 1 0 1 0 1x30` + "\n" + `m{i="2"} 1x30`}},
	}, 9*time.Minute, 10*time.Minute, 12*time.Minute, 13*time.Minute, 14*time.Minute, 15*time.Minute, 16*time.Minute)
}

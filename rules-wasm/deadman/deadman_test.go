package main

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestDeadman(t *testing.T) {
	start := ruletest.Start.Unix()
	tests := map[string]struct {
		params  map[string]any
		series  string
		restart int              // minute before which the engine restarts
		want    map[int][]string // by minute
	}{
		"a counter that stands still": {
			series: `m{i="1"} 0+1x5 5x20` + "\n" + `m{i="2"} 0+1x25`,
			want: map[int][]string{
				5:  {`healthy {i="1"} 0`, `healthy {i="2"} 0`},
				10: {`healthy {i="1"} 300`, `healthy {i="2"} 0`},
				11: {`active {i="1"} 360: has not moved since 2026-01-01 00:05:00 UTC`, `healthy {i="2"} 0`},
			},
		},
		"nobody has seen it move": {
			series: `m 7x20`,
			want:   map[int][]string{0: {"unknown {}"}, 5: {"unknown {}"}, 6: {"active {} 360: has not moved since it was seen first, 2026-01-01 00:00:00 UTC"}},
		},
		"a new one begins to move": {
			series: `m{i="1"} 0+1x20` + "\n" + `m{i="2"} _x3 1x20`,
			want:   map[int][]string{3: {`healthy {i="1"} 0`, `healthy {i="2"} 0`}, 9: {`healthy {i="1"} 0`, `active {i="2"} 360: has not moved since 2026-01-01 00:03:00 UTC`}},
		},
		"what is gone does not move": {
			series: `m{job="a",instance="1"} 0+1x20` + "\n" + `m{job="a",instance="1",d="x"} 0+1x3 stale _x20`,
			want: map[int][]string{
				8: {`healthy {instance="1",job="a"} 0`, `healthy {d="x",instance="1",job="a"} 300`},
				9: {`healthy {instance="1",job="a"} 0`, `active {d="x",instance="1",job="a"} 360: has not moved since 2026-01-01 00:03:00 UTC, and its target no longer has it`},
			},
		},
		"a silent target may move": {
			series: `m 0+1x3 downx9 9x9`, want: map[int][]string{11: {"unknown {}"}, 13: {"healthy {} 0"}, 19: {"active {} 360: has not moved since 2026-01-01 00:13:00 UTC"}},
		},
		"one that was silent at first": {
			series: `m downx3 0x20`, want: map[int][]string{2: {"unknown {}"}, 4: {"unknown {}"}, 9: {"active {} 360: has not moved since it was seen first, 2026-01-01 00:03:00 UTC"}},
		},
		"a restart does not move it": {
			series: `m 0+1x3 3x20`, restart: 7, want: map[int][]string{8: {"healthy {} 300"}, 9: {"active {} 360: has not moved since 2026-01-01 00:03:00 UTC"}},
		},
		"the time of the last success": {
			params: map[string]any{"as": "timestamp"},
			series: fmt.Sprintf(`m{i="1"} %dx20`, start+60) + "\n" + `m{i="2"} 0x20` + "\n" + `m{i="3"} NaNx20`,
			want: map[int][]string{
				6: {`healthy {i="1"} 300`, `active {i="2"} 1.76723e+09: has not moved since 1970-01-01 00:00:00 UTC`, `unknown {i="3"}`},
				7: {`active {i="1"} 360: has not moved since 2026-01-01 00:01:00 UTC`, `active {i="2"} 1.76723e+09: has not moved since 1970-01-01 00:00:00 UTC`, `unknown {i="3"}`},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			params := map[string]any{"after": "5m"}
			maps.Copy(params, tt.params)
			test := ruletest.New(t, new(Deadman), ruletest.Options{Params: params, Interval: time.Minute, Inputs: map[string]ruletest.Input{
				"series": {Series: tt.series, Window: 3 * time.Minute},
			}})
			for minute := range 20 {
				if minute == tt.restart && minute > 0 {
					test.Restart()
				}
				got := test.At(time.Duration(minute) * time.Minute)
				if want, ok := tt.want[minute]; ok {
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("minute %d: %s", minute, diff)
					}
				}
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{"no after": {}, "as": {"after": "1m", "as": "gauge"}} {
		if err := ruletest.ConfigError(new(Deadman), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Deadman), ruletest.Options{Params: map[string]any{"after": "1h"}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	var at []time.Duration
	for minute := range 12 {
		at = append(at, time.Duration(minute)*time.Minute)
	}
	guesttest.Compare(t, new(Deadman), ruletest.Options{
		Params: map[string]any{"after": "3m"}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"series": {Window: 3 * time.Minute, Series: `
			m{job="a",instance="1"}       0+1x20
			m{job="a",instance="1",d="x"} 0+1x3 stale _x20
			m{job="a",instance="2"}       0+1x4 removedx20
		`}},
	}, at...)
}

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

// A story is evaluated minute by minute; restart names minutes before which the engine restarts.
type story struct {
	params          map[string]any
	series, targets string
	restart         map[int]bool
	want            map[int][]string // by minute
}

func (s story) run(t *testing.T) {
	inputs := map[string]ruletest.Input{"series": {Series: s.series, Window: 3 * time.Minute}}
	if s.targets != "" {
		inputs["targets"] = ruletest.Input{Series: s.targets}
	}
	test := ruletest.New(t, new(Absent), ruletest.Options{Params: s.params, Interval: time.Minute, Inputs: inputs})
	for minute := range 30 {
		if s.restart[minute] {
			test.Restart()
		}
		got := test.At(time.Duration(minute) * time.Minute)
		if want, ok := s.want[minute]; ok {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("minute %d: %s", minute, diff)
			}
		}
	}
}

func TestAbsent(t *testing.T) {
	for name, s := range map[string]story{
		"one of two is gone, keeps its labels, and comes back": {
			series: `m{job="a",instance="1",disk="x"} 1x20` + "\n" + `m{job="a",instance="1",disk="y"} 1x3 stalex9 1x10`,
			want: map[int][]string{
				3:  {`healthy {disk="x",instance="1",job="a"} 0`, `healthy {disk="y",instance="1",job="a"} 0`},
				4:  {`healthy {disk="x",instance="1",job="a"} 0`, `active {disk="y",instance="1",job="a"} 60: last seen 2026-01-01 00:03:00 UTC`},
				12: {`healthy {disk="x",instance="1",job="a"} 0`, `active {disk="y",instance="1",job="a"} 540: last seen 2026-01-01 00:03:00 UTC`},
				13: {`healthy {disk="x",instance="1",job="a"} 0`, `healthy {disk="y",instance="1",job="a"} 0`},
			},
		},
		"what a target that is removed had is not missed": {
			series: `m{job="a",instance="1"} 1x20` + "\n" + `m{job="a",instance="2"} 1x3 removedx20`,
			want:   map[int][]string{4: {`healthy {instance="1",job="a"} 0`}, 10: {`healthy {instance="1",job="a"} 0`}},
		},
		"a silent target hides what it has": {
			series: `m{job="a",instance="1"} 1x20` + "\n" + `m{job="a",instance="2"} 1x3 downx9 stalex9`,
			want: map[int][]string{
				4:  {`healthy {instance="1",job="a"} 0`, `unknown {instance="2",job="a"}`},
				12: {`healthy {instance="1",job="a"} 0`, `unknown {instance="2",job="a"}`},
			},
		},
		"a silent target says nothing of what is gone": {
			series: `m{job="a",instance="1",d="x"} 1x3 downx10` + "\n" + `m{job="a",instance="1",d="y"} 1 stalex2 _x10`,
			want: map[int][]string{
				2: {`healthy {d="x",instance="1",job="a"} 0`, `active {d="y",instance="1",job="a"} 120: last seen 2026-01-01 00:00:00 UTC`},
				8: {`unknown {d="x",instance="1",job="a"}`, `unknown {d="y",instance="1",job="a"}`},
			},
		},
		"a restart forgets nobody": {
			series:  `m{job="a",instance="1",d="x"} 1x20` + "\n" + `m{job="a",instance="1",d="y"} 1x3 stale _x20`,
			restart: map[int]bool{6: true, 9: true},
			want: map[int][]string{
				9: {`healthy {d="x",instance="1",job="a"} 0`, `active {d="y",instance="1",job="a"} 360: last seen 2026-01-01 00:03:00 UTC`},
			},
		},
		"in the end it is forgotten": {
			params: map[string]any{"forget": "5m"},
			series: `m{job="a",instance="1",d="x"} 1x20` + "\n" + `m{job="a",instance="1",d="y"} 1x3 stale _x20`,
			want: map[int][]string{
				7:  {`healthy {d="x",instance="1",job="a"} 0`, `active {d="y",instance="1",job="a"} 240: last seen 2026-01-01 00:03:00 UTC`},
				12: {`healthy {d="x",instance="1",job="a"} 0`},
			},
		},
		"groups are gone with their last series": {
			params: map[string]any{"by": []string{"job"}},
			series: `m{job="a",instance="1"} 1x20` + "\n" + `m{job="b",instance="1"} 1 stale _x20` + "\n" + `m{job="b",instance="2"} 1x3 stale _x20`,
			want: map[int][]string{
				2: {`healthy {job="a"} 0`, `healthy {job="b"} 0`},
				4: {`healthy {job="a"} 0`, `active {job="b"} 60: last seen 2026-01-01 00:03:00 UTC`},
				9: {`healthy {job="a"} 0`, `active {job="b"} 360: last seen 2026-01-01 00:03:00 UTC`},
			},
		},
		"a group may be at a target that is silent": {
			params:  map[string]any{"by": []string{"job"}},
			series:  `m{job="a",instance="1"} 1x9 downx9` + "\n" + `m{job="b",instance="1"} 1x3 stale _x20`,
			targets: `up{job="a",instance="1"} 1x9 0x9`,
			want: map[int][]string{
				9:  {`healthy {job="a"} 0`, `active {job="b"} 360: last seen 2026-01-01 00:03:00 UTC`},
				12: {`unknown {job="a"}`, `unknown {job="b"}`},
			},
		},
		"groups of a target that is removed are not missed": {
			params: map[string]any{"by": []string{"job"}},
			series: `m{job="a",instance="1"} 1x20` + "\n" + `m{job="b",instance="1"} 1x3 removedx20`,
			want:   map[int][]string{4: {`healthy {job="a"} 0`}, 9: {`healthy {job="a"} 0`}},
		},
		"what is expected must be there": {
			params: map[string]any{"by": []string{"job"}, "expect": []string{"a", "c"}},
			series: `m{job="a",instance="1"} 1x20` + "\n" + `m{job="c",instance="1"} _x5 1x20`,
			want: map[int][]string{
				3: {`healthy {job="a"} 0`, `active {job="c"}: expected, and not there`},
				6: {`healthy {job="a"} 0`, `healthy {job="c"} 0`},
			},
		},
		"nothing was ever there": {
			series: `m{job="a"} _x10 1x20`,
			want:   map[int][]string{0: {"active {}: nothing matches, and nothing did before"}, 12: {`healthy {job="a"} 0`}},
		},
		"the target was never reached": {series: `m{job="a"} downx20`, want: map[int][]string{0: {`unknown {job="a"}`}}},
		"with targets: the last series of a target is missed, until the target is removed": {
			series:  `m{job="a",instance="1"} 1x3 stale _x20`,
			targets: `up{job="a",instance="1"} 1x10 removedx9`,
			restart: map[int]bool{6: true},
			want: map[int][]string{
				7:  {`active {instance="1",job="a"} 240: last seen 2026-01-01 00:03:00 UTC`},
				12: {"active {}: nothing matches, and nothing did before"},
			},
		},
		"with targets: a target that is down hides what it has, also after a restart": {
			series:  `m{job="a",instance="1"} 1x3 _x20`,
			targets: `up{job="a",instance="1"} 1x3 0x10`,
			restart: map[int]bool{8: true},
			want:    map[int][]string{9: {`unknown {instance="1",job="a"}`}},
		},
	} {
		t.Run(name, s.run)
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"expect alone": {"expect": []string{"a"}}, "expect of two": {"expect": []string{"a"}, "by": []string{"a", "b"}}, "forget": {"forget": "1s"},
	} {
		if err := ruletest.ConfigError(new(Absent), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Absent), ruletest.Options{Params: map[string]any{"by": []string{"instance"}}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Absent), ruletest.Options{
		Params: map[string]any{"by": []string{"job", "instance"}}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"series": {Window: 3 * time.Minute, Series: `
			m{job="a",instance="1"}       1x20
			m{job="a",instance="2",d="x"} 1x2 stale _x20
			m{job="a",instance="3"}       1x4 removedx20
		`}},
	}, 0, time.Minute, 3*time.Minute, 4*time.Minute, 5*time.Minute, 9*time.Minute)
}

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestPredict(t *testing.T) {
	tests := map[string]struct {
		params        map[string]any
		series, total string
		down          string
		at            time.Duration
		want          []string
	}{
		"a disk that runs full": {
			series: `avail{disk="a"} 10000-60x60` + "\n" + `avail{disk="b"} 10000+0x60` + "\n" + `avail{disk="c"} 1000000-60x60` + "\n" + `avail{disk="d"} 10000+60x60`, at: time.Hour,
			want: []string{`active {disk="a"} 6400: reaches 0 in 1h46m, at -1 a second`, `healthy {disk="b"} 3.1536e+07`, `healthy {disk="c"} 996400`, `healthy {disk="d"} 3.1536e+07`},
		},
		"it is full": {series: `avail 0x60`, at: time.Hour, want: []string{"active {} 0: the limit is reached"}},
		"a queue that fills up": {
			params: map[string]any{"limit": 10000, "from": "below", "within": "1h"}, series: `q{q="1"} 60+60x60` + "\n" + `q{q="2"} 20000x60` + "\n" + `q{q="3"} 60+100x60`, at: time.Hour,
			want: []string{`healthy {q="1"} 6340`, `active {q="2"} 0: the limit is reached`, `active {q="3"} 2364: reaches 1e+04 in 39m24s, at 1.67 a second`},
		},
		"a share, only when near": {
			params: map[string]any{"near": 0.4}, at: time.Hour,
			series: `avail{disk="a"} 10000-60x60` + "\n" + `avail{disk="b"} 10000-60x60` + "\n" + `avail{disk="c"} 10000-60x60` + "\n" + `avail{disk="d"} 10000-60x60`,
			total:  `size{disk="a"} 20000x60` + "\n" + `size{disk="b"} 10000x60` + "\n" + `size{disk="d"} 0x60`,
			want:   []string{`active {disk="a"} 6400: reaches 0 in 1h46m, at -1 a second`, `healthy {disk="b"} 6400`, `unknown {disk="c"}`},
		},
		"too short to tell":         {series: `avail 10000-60x60`, at: 20 * time.Minute, want: []string{"unknown {}"}},
		"one sample tells the less": {series: `avail 5`, want: []string{"unknown {}"}},
		"a silent target":           {series: `avail 10000-60x60`, down: "__name__='avail'", at: time.Hour, want: []string{"unknown {}"}},
		"a disk that is gone":       {series: `avail 10000-60x50 stalex20`, at: time.Hour, want: []string{}},
		"not a number":              {series: `avail NaNx60`, at: time.Hour, want: []string{"unknown {}"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inputs := map[string]ruletest.Input{"series": {Series: tt.series, Down: rule.Matcher(tt.down)}}
			if tt.total != "" {
				inputs["total"] = ruletest.Input{Series: tt.total}
			}
			test := ruletest.New(t, new(Predict), ruletest.Options{Params: tt.params, Interval: time.Minute, Inputs: inputs})
			if diff := cmp.Diff(tt.want, test.At(tt.at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"from": {"from": "left"}, "within": {"within": "0s"}, "near": {"limit": 1, "near": 0.5}, "near from below": {"limit": 1, "near": 2, "from": "below"},
	} {
		if err := ruletest.ConfigError(new(Predict), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Predict), ruletest.Options{Params: map[string]any{}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}, "total": {Series: `n{job="a",instance="1"} 100x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Predict), ruletest.Options{
		Params: map[string]any{"near": 0.9}, Interval: time.Minute,
		Inputs: map[string]ruletest.Input{
			"series": {Series: `avail{disk="a"} 10000-60x90` + "\n" + `avail{disk="b"} 10000+1x60 stale`},
			"total":  {Series: `size{disk="a"} 10000x90` + "\n" + `size{disk="b"} 20000x60`},
		},
	}, 0, 20*time.Minute, 40*time.Minute, 61*time.Minute, 90*time.Minute)
}

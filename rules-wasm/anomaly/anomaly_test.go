package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func options(params map[string]any, series string) ruletest.Options {
	all := map[string]any{"half_life": "1h", "min_samples": 20}
	maps.Copy(all, params)
	return ruletest.Options{Params: all, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: series, Reduce: "last"}}}
}

// wave goes up and down around 100, so that the deviation is about 2.
var wave = strings.Repeat("98 102 ", 60)

func TestAnomaly(t *testing.T) {
	tests := map[string]struct {
		params map[string]any
		series string
		at     int // minutes
		want   []string
	}{
		"as usual":              {series: "m " + wave, at: 90, want: []string{"healthy {} 98"}},
		"far above":             {series: "m " + wave + "150", at: 120, want: []string{"active {} 150: usually 99.51, give or take 1.94"}},
		"far below":             {series: "m " + wave + "50", at: 120, want: []string{"active {} 50: usually 99.51, give or take 1.94"}},
		"only above":            {params: map[string]any{"direction": "above"}, series: "m " + wave + "50", at: 120, want: []string{"healthy {} 50"}},
		"within the tolerance":  {params: map[string]any{"tolerance": 0.5}, series: "m " + wave + "149", at: 120, want: []string{"healthy {} 149"}},
		"never anything but 0":  {series: "m 0x60 1", at: 61, want: []string{"active {} 1: usually 0, give or take 0"}},
		"but 1 is nothing":      {params: map[string]any{"min_deviation": 1}, series: "m 0x60 1", at: 61, want: []string{"healthy {} 1"}},
		"not known for long":    {series: "m " + wave, at: 10, want: []string{"unknown {}"}},
		"a silent target":       {series: "m " + wave + "down", at: 120, want: []string{"unknown {}"}},
		"a series that is gone": {series: "m " + wave + "stale", at: 120, want: []string{}},
		"groups": {
			params: map[string]any{"aggregate": "sum", "by": []string{"site"}},
			series: `m{site="a",pod="1"} ` + wave + "50\n" + `m{site="a",pod="2"} ` + wave + "150", at: 120, want: []string{`healthy {site="a"} 200`},
		},
		"not a number": {series: "m " + wave + "NaN", at: 120, want: []string{"unknown {}"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Anomaly), options(tt.params, tt.series))
			for minute := range tt.at {
				test.At(time.Duration(minute) * time.Minute)
			}
			if diff := cmp.Diff(tt.want, test.At(time.Duration(tt.at)*time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A short incident does not become usual; a new level does, in a few half-lives; a restart changes nothing.
func TestLearning(t *testing.T) {
	test := ruletest.New(t, new(Anomaly), options(nil, "m "+wave+"150x9 "+wave+"200x600"))
	seen := map[int]string{}
	for minute := range 720 {
		if minute == 125 || minute == 300 {
			test.Restart()
		}
		seen[minute] = strings.Fields(test.At(time.Duration(minute) * time.Minute)[0])[0]
	}
	for minute, want := range map[int]string{119: "healthy", 121: "active", 129: "active", 131: "healthy", 251: "active", 270: "active", 700: "healthy"} {
		if seen[minute] != want {
			t.Errorf("minute %d is %s, want %s", minute, seen[minute], want)
		}
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{"half-life": {"half_life": "1s"}, "samples": {"min_samples": 1}, "direction": {"direction": "up"}, "by alone": {"by": []string{"a"}}} {
		if err := ruletest.ConfigError(new(Anomaly), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Anomaly), options(map[string]any{"min_samples": 2}, `m{i="1"} 5x70`))
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	var at []time.Duration
	for minute := range 45 {
		at = append(at, time.Duration(minute)*time.Minute)
	}
	guesttest.Compare(t, new(Anomaly), options(nil, `m{i="1"} 10 12 11 10 12 11x30 50x10`+"\n"+`m{i="2"} 5x50`), at...)
}

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

const web = `
	h_bucket{site="a",pod="1",le="0.1"}   0+90x20
	h_bucket{site="a",pod="1",le="1"}     0+98x20
	h_bucket{site="a",pod="1",le="+Inf"}  0+100x20
	h_bucket{site="a",pod="2",le="0.1"}   0+90x20
	h_bucket{site="a",pod="2",le="1"}     0+90x20
	h_bucket{site="a",pod="2",le="+Inf"}  0+100x20
	h_bucket{site="b",pod="1",le="0.1"}   0+99x20
	h_bucket{site="b",pod="1",le="1"}     0+100x20
	h_bucket{site="b",pod="1",le="+Inf"}  0+100x20
	h_bucket{site="c",pod="1",le="0.1"}   5+0x20
	h_bucket{site="c",pod="1",le="1"}     5+0x20
	h_bucket{site="c",pod="1",le="+Inf"}  5+0x20
`

// native are native histograms of schema 1 at one site and 0 at the others.
const native = `
	h{site="a",__histogram__="0/0 count"}  0+100x20
	h{site="a",__histogram__="0/0 sum"}    0+200x20
	h{site="a",__histogram__="0/0 zero"}   0x20
	h{site="a",__histogram__="0/0 p1"}     0+90x20
	h{site="a",__histogram__="0/0 p2"}     0+10x20
	h{site="b",__histogram__="1/0 count"}  0+50x20
	h{site="b",__histogram__="1/0 sum"}    0+300x20
	h{site="b",__histogram__="1/0 zero"}   0x20
	h{site="b",__histogram__="1/0 p5"}     0+25x20
	h{site="b",__histogram__="1/0 p6"}     0+25x20
	h{site="c",__histogram__="0/0 count"}  7x20
	h{site="c",__histogram__="0/0 p1"}     7x20
`

func TestLatency(t *testing.T) {
	by := []string{"site"}
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		want   []string
	}{
		"p90 by site": {
			params: map[string]any{"by": by, "quantile": 0.9, "threshold": 0.05},
			want:   []string{`active {site="a"} 0.1: p90 of 1600 observations`, `active {site="b"} 0.0909091: p90 of 800 observations`, `unknown {site="c"}`},
		},
		"p99 lies above the highest bucket": {
			params: map[string]any{"by": by, "threshold": 0.5},
			want: []string{
				`active {site="a"} 1: p99 of 1600 observations, at least: it lies above the highest bucket`,
				`healthy {site="b"} 0.1`, `unknown {site="c"}`,
			},
		},
		"and so does the threshold": {
			params: map[string]any{"by": by, "threshold": 2},
			want: []string{
				`unknown {site="a"}: the threshold lies above the highest bucket, where the quantile is too: these buckets cannot tell`,
				`healthy {site="b"} 0.1`, `unknown {site="c"}`,
			},
		},
		"as a whole":      {params: map[string]any{"threshold": 0.5, "quantile": 0.5}, want: []string{"healthy {} 0.0537634"}},
		"too few to tell": {params: map[string]any{"threshold": 0.5, "quantile": 0.5, "min_requests": 10_000}, want: []string{"unknown {}"}},
		"no +Inf bucket":  {params: map[string]any{"threshold": 1}, series: "h_bucket{le=\"0.5\"} 0+1x20\nh_bucket{le=\"1\"} 0+1x20", want: []string{"unknown {}"}},
		"what else there is of a native histogram": {
			params: map[string]any{"threshold": 1}, series: `h_bucket{le="+Inf"} 0+1x20`,
			want: []string{"unknown {}: there is but one bucket: a native histogram is selected by NAME, and its source needs scrape_native_histograms"},
		},
		"native histograms": {
			params: map[string]any{"by": by, "threshold": 3, "quantile": 0.9}, series: native,
			// Of a, 720 in (1, 2] and 80 in (2, 4]: 2 exactly. Of b, 200 in (4, 5.7] and 200 in (5.7, 8]: 2^2.9.
			want: []string{`healthy {site="a"} 2`, `active {site="b"} 7.46426: p90 of 400 observations`, `unknown {site="c"}`},
		},
		"native histograms of different schemas": { // 400 of 1200 in (4, 8]: 2^2.7
			params: map[string]any{"threshold": 3, "quantile": 0.9}, series: native,
			want: []string{"active {} 6.49802: p90 of 1200 observations"},
		},
		"classic and native": {
			params: map[string]any{"threshold": 3}, series: web + native,
			want: []string{"unknown {}: the histograms are of different kinds, which cannot be added up: select NAME_bucket or NAME, or name in by what tells them apart"},
		},
		"not a histogram": {params: map[string]any{"threshold": 1}, series: `h_count 0+1x20`, want: []string{"unknown {}"}},
		"no health while a target is silent": {
			params: map[string]any{"by": by, "threshold": 0.5}, down: "site='c'",
			want: []string{
				`active {site="a"} 1: p99 of 1600 observations, at least: it lies above the highest bucket`,
				`unknown {site="b"}`, `unknown {site="c"}`,
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			series := web
			if tt.series != "" {
				series = tt.series
			}
			test := ruletest.New(t, new(Latency), ruletest.Options{Params: tt.params, Inputs: map[string]ruletest.Input{
				"buckets": {Series: series, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(2*time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no threshold": {}, "quantile": {"threshold": 1, "quantile": 99}, "requests": {"threshold": 1, "min_requests": 0},
	} {
		if err := ruletest.ConfigError(new(Latency), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Latency), ruletest.Options{Params: map[string]any{"threshold": 5, "by": []string{"site"}}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"buckets": {Series: `h_bucket{site="a",le="1"} 0+90x70` + "\n" + `h_bucket{site="a",le="+Inf"} 0+90x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(Latency), ruletest.Options{
		Params: map[string]any{"by": []string{"site"}, "threshold": 0.5}, Inputs: map[string]ruletest.Input{"buckets": {Series: web}},
	}, 0, time.Minute, 2*time.Minute, 20*time.Minute)
	guesttest.Compare(t, new(Latency), ruletest.Options{
		Params: map[string]any{"by": []string{"site"}, "threshold": 0.5}, Inputs: map[string]ruletest.Input{"buckets": {Series: native}},
	}, 0, time.Minute, 2*time.Minute, 20*time.Minute)
}

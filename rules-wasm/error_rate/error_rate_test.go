package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
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
			params: map[string]any{"by": by}, series: `m{code="200",endpoint="/b"} 7`,
			want: []string{`unknown {endpoint="/b"}`},
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
		"a group that is gone is left out": {
			params: map[string]any{"by": by}, series: `m{code="200",endpoint="/a"} 0+1x20` + "\n" + `m{code="200",endpoint="/b"} _x20`,
			want: []string{`healthy {endpoint="/a"} 0`},
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

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(ErrorRate), ruletest.Options{Inputs: map[string]ruletest.Input{"requests": {Series: `m{code="500"} 0+1x20`}}})
	if n := test.Allocs(time.Minute); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(ErrorRate), ruletest.Options{
		Params: map[string]any{"by": []string{"endpoint"}, "min_requests": 20},
		Inputs: map[string]ruletest.Input{"requests": {Series: `
			m{code="200",endpoint="/critical/api"}  0+90x9 910+90x9
			m{code="500",endpoint="/critical/api"}  0+1x9  20+30x9
			m{code="200",endpoint="/quiet"}         5+0x20
			m{code="200",endpoint="/gone"}          0+9x3 stale
		`}},
	}, 0, time.Minute, 2*time.Minute, 3*time.Minute, 5*time.Minute, 7*time.Minute)
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no matcher": {"errors": "code~5"}, "threshold": {"threshold": 2}, "requests": {"min_requests": -1},
	} {
		if err := ruletest.ConfigError(new(ErrorRate), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

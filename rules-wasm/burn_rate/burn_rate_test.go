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

func TestBurnRate(t *testing.T) {
	const steady = `
		m{code="200",service="pay"}   0+600x500
		m{code="500",service="pay"}   0+0x500
	`
	tests := map[string]struct {
		params map[string]any
		series string
		ticket bool
		down   string
		at     time.Duration
		want   []string
	}{
		"no errors": {series: steady, at: 6 * time.Hour, want: []string{`healthy {service="pay"} 0`}},
		"2 % of requests for an hour": {
			series: `m{code="200",service="pay"} 0+98x500` + "\n" + `m{code="500",service="pay"} 0+2x500`, at: time.Hour,
			want: []string{`active {service="pay"} 20: 2% of events were bad over 1h, 20 times what an objective of 99.9% allows; at this rate a budget for 30d lasts 1d12h`},
		},
		"the burst is over: the short window does not burn": {
			series: `m{code="200",service="pay"} 0+60x500` + "\n" + `m{code="500",service="pay"} 0+60x10 600+0x500`, at: 50 * time.Minute,
			want: []string{`healthy {service="pay"} 166.667`},
		},
		"0.8 % burns slowly": {
			series: `m{code="200",service="pay"} 0+992x500` + "\n" + `m{code="500",service="pay"} 0+8x500`, at: 6 * time.Hour,
			want: []string{`active {service="pay"} 8: 0.8% of events were bad over 6h, 8 times what an objective of 99.9% allows; at this rate a budget for 30d lasts 3d18h`},
		},
		"0.2 % is a ticket": {
			series: `m{code="200",service="pay"} 0+998x500` + "\n" + `m{code="500",service="pay"} 0+2x500`, at: 8 * time.Hour, ticket: true,
			want: []string{`active {service="pay"} 2: 0.2% of events were bad over 3d, 2 times what an objective of 99.9% allows; at this rate a budget for 30d lasts 15d`},
		},
		"and nothing without the ticket window": {
			series: `m{code="200",service="pay"} 0+998x500` + "\n" + `m{code="500",service="pay"} 0+2x500`, at: 8 * time.Hour,
			want: []string{`healthy {service="pay"} 2`},
		},
		"too few events tell nothing": {
			params: map[string]any{"min_events": 100},
			series: `m{code="200",service="pay"} 0+1x10 10+0x500` + "\n" + `m{code="500",service="pay"} 0+1x10 10+0x500`, at: 11 * time.Minute,
			want: []string{`unknown {service="pay"}`},
		},
		"a latency objective counts good events": {
			params: map[string]any{"good": "le='0.3'"},
			series: `h_bucket{le="0.3",service="pay"} 0+90x500` + "\n" + `h_count{service="pay"} 0+100x500`, at: time.Hour,
			want: []string{`active {service="pay"} 100: 10% of events were bad over 1h, 100 times what an objective of 99.9% allows; at this rate a budget for 30d lasts 7h12m`},
		},
		"no health while a target is silent": {series: steady, down: "code='500'", at: time.Hour, want: []string{`unknown {service="pay"}`}},
		"but trouble is trouble": {
			series: `m{code="200",service="pay"} 0+98x500` + "\n" + `m{code="500",service="pay"} 0+2x500` + "\n" + `m{code="200",service="pay",pod="2"} 1`,
			down:   "pod='2'", at: time.Hour,
			want: []string{`active {service="pay"} 20: 2% of events were bad over 1h, 20 times what an objective of 99.9% allows; at this rate a budget for 30d lasts 1d12h`},
		},
		"one sample tells nothing": {series: `m{code="200",service="pay"} 5`, want: []string{`unknown {service="pay"}`}},
		"a service that is gone is left out": {
			series: steady + `m{code="500",service="old"} 0+5x3 stale`, at: 7 * time.Hour, want: []string{`healthy {service="pay"} 0`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			params := map[string]any{"objective": 0.999, "by": []string{"service"}}
			maps.Copy(params, tt.params)
			in := ruletest.Input{Series: tt.series, Down: rule.Matcher(tt.down)}
			inputs := map[string]ruletest.Input{"fast": in}
			if tt.ticket {
				inputs["ticket"] = in
			}
			test := ruletest.New(t, new(BurnRate), ruletest.Options{Params: params, Interval: time.Minute, Inputs: inputs})
			if diff := cmp.Diff(tt.want, test.At(tt.at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeverityFollowsThePair(t *testing.T) {
	for series, want := range map[string]uint8{
		`m{code="200"} 0+98x600` + "\n" + `m{code="500"} 0+2x600`:  critical,
		`m{code="200"} 0+992x600` + "\n" + `m{code="500"} 0+8x600`: critical,
		`m{code="200"} 0+998x600` + "\n" + `m{code="500"} 0+2x600`: warning,
	} {
		in := ruletest.Input{Series: series}
		test := ruletest.New(t, new(BurnRate), ruletest.Options{
			Params: map[string]any{"objective": 0.999}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"fast": in, "ticket": in},
		})
		got, _ := test.Verdicts(8 * time.Hour)
		if len(got) != 1 || got[0].Severity != want {
			t.Errorf("%s: got %+v, want severity %d", series, got, want)
		}
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no objective": {}, "no budget": {"objective": 1}, "nothing is good": {"objective": 0},
		"matcher": {"objective": 0.9, "good": "le"}, "period": {"objective": 0.9, "period": "1m"},
	} {
		if err := ruletest.ConfigError(new(BurnRate), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(BurnRate), ruletest.Options{Params: map[string]any{"objective": 0.9, "by": []string{"instance"}}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"fast": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	guesttest.Compare(t, new(BurnRate), ruletest.Options{
		Params:   map[string]any{"objective": 0.999, "by": []string{"service"}, "min_events": 10},
		Interval: time.Minute,
		Inputs: map[string]ruletest.Input{"fast": {Series: `
			m{code="200",service="pay"}  0+98x40  3920+100x100
			m{code="500",service="pay"}  0+0x20   0+5x20 100+0x100
			m{code="200",service="log"}  0+1x140
		`}},
	}, time.Minute, 20*time.Minute, 30*time.Minute, 40*time.Minute, 80*time.Minute)
}

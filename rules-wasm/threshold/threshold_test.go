package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

func TestThreshold(t *testing.T) {
	const disks = `
		disk_used_ratio{host="a",disk="1"} 0.5 0.95
		disk_used_ratio{host="a",disk="2"} 0.2
		disk_used_ratio{host="b",disk="1"} 0.9
		disk_used_ratio{host="c",disk="1"} _
	`
	tests := map[string]struct {
		params map[string]any
		series string
		down   string
		want   []string
	}{
		"each series": {
			params: map[string]any{"value": 0.9}, series: disks,
			want: []string{`active {disk="1",host="a"} 0.95`, `healthy {disk="2",host="a"} 0.2`, `healthy {disk="1",host="b"} 0.9`},
		},
		"at least": {
			params: map[string]any{"value": 0.9, "op": ">="}, series: `m{host="b"} 0.9`, want: []string{`active {host="b"} 0.9`},
		},
		"below": {
			params: map[string]any{"value": 10, "op": "<"}, series: "m{a=\"1\"} 9\nm{a=\"2\"} 10", want: []string{`active {a="1"} 9`, `healthy {a="2"} 10`},
		},
		"equal":     {params: map[string]any{"value": 0, "op": "=="}, series: "up 0", want: []string{"active {} 0"}},
		"not equal": {params: map[string]any{"value": 1, "op": "!="}, series: "up 1", want: []string{"healthy {} 1"}},
		"sum by host": {
			params: map[string]any{"value": 1, "aggregate": "sum", "by": []string{"host"}}, series: disks,
			want: []string{`active {host="a"} 1.15`, `healthy {host="b"} 0.9`},
		},
		"min of all":   {params: map[string]any{"value": 0.3, "op": "<", "aggregate": "min"}, series: disks, want: []string{"active {} 0.2"}},
		"max of all":   {params: map[string]any{"value": 0.9, "aggregate": "max"}, series: disks, want: []string{"active {} 0.95"}},
		"avg of all":   {params: map[string]any{"value": 0.9, "aggregate": "avg"}, series: disks, want: []string{"healthy {} 0.683333"}},
		"count of all": {params: map[string]any{"value": 3, "op": "==", "aggregate": "count"}, series: disks, want: []string{"active {} 3"}},
		"a series that its target no longer has is left out": {
			params: map[string]any{"value": 0.9}, series: "m{a=\"1\"} 1 stale\nm{a=\"2\"} 0", want: []string{`healthy {a="2"} 0`},
		},
		"a silent target": {
			params: map[string]any{"value": 0.9}, series: disks, down: "host='a'",
			want: []string{`unknown {disk="1",host="a"}`, `unknown {disk="2",host="a"}`, `healthy {disk="1",host="b"} 0.9`},
		},
		"a silent target in a sum": {
			params: map[string]any{"value": 0.9, "aggregate": "sum", "by": []string{"host"}}, series: disks, down: "disk='2'",
			want: []string{`unknown {host="a"}`, `healthy {host="b"} 0.9`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Threshold), ruletest.Options{Params: tt.params, Inputs: map[string]ruletest.Input{
				"series": {Series: tt.series, Down: rule.Matcher(tt.down)},
			}})
			if diff := cmp.Diff(tt.want, test.At(time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValues(t *testing.T) {
	at := float64(ruletest.Start.Add(time.Minute).Unix())
	tests := map[string]struct {
		params                map[string]any
		series, total, reduce string
		want                  []string
	}{
		"a share of the same labels": {
			params: map[string]any{"value": 0.1, "op": "<"},
			series: `avail{disk="1"} 5` + "\n" + `avail{disk="2"} 50` + "\n" + `avail{disk="3"} 1` + "\n" + `avail{disk="4"} 0`,
			total:  `size{disk="1"} 100` + "\n" + `size{disk="2"} 100` + "\n" + `size{disk="4"} 0`,
			want:   []string{`active {disk="1"} 0.05`, `healthy {disk="2"} 0.5`, `unknown {disk="3"}`},
		},
		"a share of the same group": {
			params: map[string]any{"value": 0.8, "aggregate": "sum", "by": []string{"db"}},
			series: `used{db="a",user="x"} 50` + "\n" + `used{db="a",user="y"} 40` + "\n" + `used{db="b",user="x"} 1` + "\n" + `used{db="c",user="x"} 1`,
			total:  `most{db="a"} 100` + "\n" + `most{db="b"} 100`,
			want:   []string{`active {db="a"} 0.9`, `healthy {db="b"} 0.01`, `unknown {db="c"}`},
		},
		"a magnitude": {
			params: map[string]any{"value": 0.05, "as": "magnitude"}, series: "m{i=\"1\"} -0.1\nm{i=\"2\"} 0.01",
			want: []string{`active {i="1"} 0.1`, `healthy {i="2"} 0.01`},
		},
		"seconds until": {
			params: map[string]any{"value": 3600, "op": "<", "as": "until"}, series: fmt.Sprintf("m %f", at+600), want: []string{"active {} 600"},
		},
		"seconds since": {
			params: map[string]any{"value": 3600, "as": "since"}, series: fmt.Sprintf("m %f", at-600), want: []string{"healthy {} 600"},
		},
		"what a counter gained": {
			params: map[string]any{"value": 3}, reduce: "increase", series: "m{i=\"1\"} 1 3 5\nm{i=\"2\"} 1 1 1\nm{i=\"3\"} 1",
			want: []string{`active {i="1"} 4`, `healthy {i="2"} 0`, `unknown {i="3"}`},
		},
		"also a counter that is gone": {
			params: map[string]any{"value": 3, "aggregate": "sum"}, reduce: "increase", series: "m{i=\"1\"} 1 9 stale\nm{i=\"2\"} 1 1 1", want: []string{"active {} 8"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inputs := map[string]ruletest.Input{"series": {Series: tt.series, Reduce: tt.reduce}}
			if tt.total != "" {
				inputs["total"] = ruletest.Input{Series: tt.total}
			}
			test := ruletest.New(t, new(Threshold), ruletest.Options{Params: tt.params, Inputs: inputs})
			if diff := cmp.Diff(tt.want, test.At(time.Minute)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMajority(t *testing.T) {
	test := ruletest.New(t, new(Threshold), ruletest.Options{
		Params: map[string]any{"value": 90, "at_least": 2, "of": 3},
		Inputs: map[string]ruletest.Input{"series": {Series: `m 1 95 1 95 down 1 1 1`, Window: time.Minute}},
	})
	var got []string
	for i := range 8 {
		if i == 4 {
			test.Restart()
		}
		got = append(got, test.At(time.Duration(i)*15*time.Second)...)
	}
	want := []string{
		"unknown {}", "unknown {}", "healthy {} 1", "active {} 95: 2 of the last 3 evaluations", "unknown {}", "healthy {} 1", "healthy {} 1", "healthy {} 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHysteresis(t *testing.T) {
	const series = `m{a="1"} 85 95 85 _ 79 85 95`
	tests := map[string]struct {
		from    int                          // the first evaluation
		between map[int]func(*ruletest.Test) // before that evaluation
		want    []string
	}{
		// What the module does not know it says so: the engine keeps the state it has.
		"from the start":     {want: []string{"unknown", "active", "active", "active", "healthy", "healthy", "active"}},
		"while it is over":   {from: 1, want: []string{"active", "active", "active", "healthy", "healthy", "active"}},
		"over a restart":     {between: map[int]func(*ruletest.Test){2: (*ruletest.Test).Restart, 5: (*ruletest.Test).Restart}, want: []string{"unknown", "active", "active", "active", "healthy", "healthy", "active"}},
		"with its mind lost": {between: map[int]func(*ruletest.Test){2: (*ruletest.Test).Forget}, want: []string{"unknown", "active", "unknown", "unknown", "healthy", "healthy", "active"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Threshold), ruletest.Options{
				Params: map[string]any{"value": 90, "clear": 80},
				Inputs: map[string]ruletest.Input{"series": {Series: series, Window: time.Minute}},
			})
			var got []string
			for i := range len(tt.want) {
				if between := tt.between[i]; between != nil {
					between(test)
				}
				line := test.At(time.Duration(tt.from+i) * 15 * time.Second)
				got = append(got, strings.Fields(line[0])[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A series that was active, left and came back between the limits is a new one; one that stayed is not.
func TestHysteresisOfWhatCameBack(t *testing.T) {
	test := ruletest.New(t, new(Threshold), ruletest.Options{
		Params: map[string]any{"value": 90, "clear": 80},
		Inputs: map[string]ruletest.Input{"series": {Series: "m{a=\"1\"} 95 stale 85\nm{a=\"2\"} 95 85 85"}},
	})
	for i, want := range [][]string{
		{`active {a="1"} 95`, `active {a="2"} 95`},
		{`active {a="2"} 85`},
		{`healthy {a="1"} 85`, `active {a="2"} 85`},
	} {
		if diff := cmp.Diff(want, test.At(time.Duration(i)*15*time.Second)); diff != "" {
			t.Errorf("evaluation %d: %s", i, diff)
		}
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"no value":          {},
		"unknown op":        {"value": 1, "op": "=>"},
		"by alone":          {"value": 1, "by": []string{"a"}},
		"clear above":       {"value": 90, "clear": 95},
		"clear below":       {"value": 10, "op": "<", "clear": 5},
		"clear of equality": {"value": 1, "op": "==", "clear": 0},
		"unknown aggregate": {"value": 1, "aggregate": "median"},
		"two of one":        {"value": 1, "at_least": 2},
		"both ways to calm": {"value": 90, "clear": 80, "of": 3},
		"as something else": {"value": 1, "as": "age"},
	} {
		if err := ruletest.ConfigError(new(Threshold), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := ruletest.ConfigError(new(Threshold), map[string]any{"value": 10, "op": "<=", "clear": 20}); err != nil {
		t.Error(err)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Threshold), ruletest.Options{Params: map[string]any{"value": 100, "clear": 50, "aggregate": "sum", "by": []string{"job"}}, Interval: time.Minute, Inputs: map[string]ruletest.Input{"series": {Series: `m{job="a",instance="1"} 5+1x70` + "\n" + `m{job="a",instance="2"} 5+1x70`}, "total": {Series: `n{job="a",instance="1"} 100x70`}}})
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	var at []time.Duration
	for i := range 12 {
		at = append(at, time.Duration(i)*15*time.Second)
	}
	guesttest.Compare(t, new(Threshold), ruletest.Options{
		Params: map[string]any{"value": 0.9, "at_least": 2, "of": 3, "aggregate": "max", "by": []string{"host"}},
		Inputs: map[string]ruletest.Input{
			"series": {Series: `m{host="a",i="1"} 95 85 75 85 95 down 85 95 95` + "\n" + `m{host="b"} 1 2 3 stale`},
			"total":  {Series: `n{host="a"} 100x12` + "\n" + `n{host="b"} 100x12`},
		},
	}, at...)
}

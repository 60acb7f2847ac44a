package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/rules-wasm/guesttest"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

// interval is that of the samples: 6 an hour.
const interval = 10 * time.Minute

// days are so many days whose hours have 100 by day and 10 by night, give or take 5 %, with a trailing item.
func days(n int, then string) string {
	hour := func(level int) string {
		return strings.Repeat(fmt.Sprintf("%g %g ", 0.95*float64(level), 1.05*float64(level)), 3)
	}
	day := strings.Repeat(hour(10), 8) + strings.Repeat(hour(100), 12) + strings.Repeat(hour(10), 4)
	return strings.Repeat(day, n) + then
}

func options(params map[string]any, series string) ruletest.Options {
	all := map[string]any{"season": "day"}
	maps.Copy(all, params)
	return ruletest.Options{Params: all, Interval: interval, Inputs: map[string]ruletest.Input{
		"series": {Series: series, Reduce: "last", Window: 2 * interval},
	}}
}

// perDay is how many samples a day has.
const perDay = 24 * 6

func TestSeasonal(t *testing.T) {
	tests := map[string]struct {
		params  map[string]any
		series  string
		until   int // sample
		restart bool
		want    []string
	}{
		"the traffic of the day, by day": {series: "m " + days(4, ""), until: 3*perDay + 10*6, want: []string{"healthy {} 95"}},
		"the traffic of the day, by night": {
			series: "m " + days(3, "100"), until: 3 * perDay, want: []string{"active {} 100: at this hour usually 10, give or take 0.5 (3 days)"},
		},
		"also after a restart": {
			series: "m " + days(3, "100"), until: 3 * perDay, restart: true, want: []string{"active {} 100: at this hour usually 10, give or take 0.5 (3 days)"},
		},
		"only drops count":      {params: map[string]any{"direction": "below"}, series: "m " + days(3, "100"), until: 3 * perDay, want: []string{"healthy {} 100"}},
		"one day is not enough": {series: "m " + days(2, ""), until: perDay + 5, want: []string{"unknown {}"}},
		"a silent target":       {series: "m " + days(3, "down"), until: 3 * perDay, want: []string{"unknown {}"}},
		"a series that is gone": {series: "m " + days(3, "stale"), until: 3 * perDay, want: []string{}},
		"groups": {
			params: map[string]any{"aggregate": "sum", "by": []string{"site"}},
			series: `m{site="a",pod="1"} ` + days(3, "1") + "\n" + `m{site="a",pod="2"} ` + days(3, "19"), until: 3 * perDay,
			want: []string{`healthy {site="a"} 20`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			test := ruletest.New(t, new(Seasonal), options(tt.params, tt.series))
			for i := range tt.until {
				if tt.restart && i%50 == 49 {
					test.Restart()
				}
				test.At(time.Duration(i) * interval)
			}
			if diff := cmp.Diff(tt.want, test.At(time.Duration(tt.until)*interval)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An hour of which too little was seen is not learned.
func TestHalfAnHourIsNotLearned(t *testing.T) {
	var p profile
	start := time.Date(2026, 1, 1, 0, 40, 0, 0, time.UTC)
	for minute := range 60 {
		now := start.Add(time.Duration(minute) * time.Minute)
		p.at(now, 24, 4)
		p.learn(now, 7)
	}
	if got := p.at(start.Add(24*time.Hour), 24, 4).seasons; got != 0 {
		t.Errorf("20 minutes count as %d seasons", got)
	}
}

// What was learned is the mean and the deviation of all values of equally long hours.
func TestSlot(t *testing.T) {
	var s slot
	s.add(10, 4, 4) // 8 and 12
	s.add(20, 0, 4) // 20 and 20
	if s.mean != 15 || s.deviation*s.deviation < 26.99 || s.deviation*s.deviation > 27.01 || s.seasons != 2 {
		t.Errorf("got %+v, want the mean 15 and the variance 27 of 8, 12, 20, 20", s)
	}
}

func TestConfigure(t *testing.T) {
	for name, params := range map[string]map[string]any{
		"season": {"season": "month"}, "seasons": {"min_seasons": 5}, "by alone": {"by": []string{"a"}}, "direction": {"direction": "up"},
	} {
		if err := ruletest.ConfigError(new(Seasonal), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	test := ruletest.New(t, new(Seasonal), options(nil, `m{i="1"} 5x70`))
	if n := test.Allocs(time.Hour); n > 0 {
		t.Errorf("%v allocations an evaluation", n)
	}
}

func TestInSandbox(t *testing.T) {
	var at []time.Duration
	for i := range perDay + 20 {
		at = append(at, time.Duration(i)*interval)
	}
	guesttest.Compare(t, new(Seasonal), options(map[string]any{"min_seasons": 1}, "m "+days(1, "10 10 10 50 10")), at...)
}

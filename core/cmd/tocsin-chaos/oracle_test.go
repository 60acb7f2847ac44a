package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What the oracle lets pass and what not: one incident, from 10 s to 60 s.
func TestOracle(t *testing.T) {
	s := time.Second
	open, over := told{at: 12 * s, firing: true, key: "a"}, told{at: 63 * s, key: "b"}
	with := func(t told, change func(*told)) told { change(&t); return t }
	marked := func(t told) told { return with(t, func(t *told) { t.marked, t.at = true, t.at+s }) }
	for _, c := range []struct {
		name string
		took []told
		want string // in the only fault; "": none
	}{
		{"opened and closed", []told{open, over}, ""},
		{"told once, late", []told{over}, ""},
		{"repetitions that are marked", []told{open, marked(open), over, marked(over)}, ""},
		{"nothing", nil, "undelivered"},
		{"not closed", []told{open}, "left open"},
		{"closed too early", []told{open, with(over, func(t *told) { t.at = 59 * s })}, "false resolve"},
		{"opened before it began", []told{with(open, func(t *told) { t.at = 9 * s }), over}, "it began at 10s"},
		{"opened twice", []told{open, open, over}, "told twice that it is open"},
		{"opened twice by two deliveries", []told{open, with(open, func(t *told) { t.key = "c" }), over}, "told twice that it is open"},
		{"another delivery with a mark", []told{open, with(marked(open), func(t *told) { t.key = "c" }), over}, "told twice that it is open"},
		{"closed twice", []told{open, over, over}, "told twice that it is over"},
		{"opened after its end", []told{open, over, with(open, func(t *told) { t.key, t.at = "c", 70*s })}, "told twice that it is open"},
		{"opened after a late end", []told{over, with(open, func(t *told) { t.at = 70 * s })}, "opened again"},
		{"repeated after its end", []told{open, over, with(marked(open), func(t *told) { t.at = 70 * s })}, "by a repetition"},
		{"another incident", []told{open, over, {id: 7}}, "incident 7, which there is not"},
	} {
		v := judge("r", []incident{{10 * s, 60 * s}}, c.took)
		switch {
		case c.want == "" && len(v.faults) > 0, c.want != "" && len(v.faults) != 1, c.want != "" && !strings.Contains(v.faults[0], c.want):
			t.Errorf("%s: got %q, want %q", c.name, v.faults, c.want)
		}
	}
	if v := judge("r", []incident{{10 * s, 12 * s}}, nil); len(v.faults) > 0 || v.missed != 1 {
		t.Errorf("an incident that may be missed: %+v", v)
	}
	in := []incident{{10 * s, 60 * s}, {10 * s, 12 * s}}
	for _, c := range []struct {
		took []told
		want bool
	}{{nil, false}, {[]told{open}, false}, {[]told{over}, true}, {[]told{over, {id: 1, firing: true}}, false}} {
		if got := settled(in, slices.Clone(c.took)); got != c.want {
			t.Errorf("%v: settled %v, want %v", c.took, got, c.want)
		}
	}
}

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

// The rule runs natively here: a test needs no WebAssembly, and a debugger works.
func TestHot(t *testing.T) {
	test := ruletest.New(t, new(Hot), ruletest.Options{
		Params: map[string]any{"above": 80},
		Inputs: map[string]ruletest.Input{"values": {Series: `
			temperature{room="a"}  70+10x4
			temperature{room="b"}  20 20 _ 21 stale
		`}},
	})
	for i, want := range [][]string{
		{`healthy {room="a"} 70`, `healthy {room="b"} 20`},
		{`healthy {room="a"} 80`, `healthy {room="b"} 20`},
		{`active {room="a"} 90: evaluations above: 1`, `healthy {room="b"} 20`},
		{`active {room="a"} 100: evaluations above: 2`, `healthy {room="b"} 21`},
		{`active {room="a"} 110: evaluations above: 3`},
	} {
		if got := test.At(time.Duration(i) * 15 * time.Second); !slices.Equal(got, want) {
			t.Errorf("evaluation %d: got %q, want %q", i, got, want)
		}
	}
}

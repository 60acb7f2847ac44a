package wasm_test

import (
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
)

// A host that keeps modules gives the next engine the same code, and nothing of what rules remembered in it.
func TestKeptModules(t *testing.T) {
	h := newHost(t, wasm.Options{Keep: true})
	first := loadTally(t, h)
	r := newRule(t, first, "a")
	wantValue(t, r, 1, 1001, "the first evaluation")
	wantValue(t, r, 1, 2, "it counts")
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := loadTally(t, h)
	if second.Hash() != first.Hash() || len(second.Manifest().Inputs) != len(first.Manifest().Inputs) {
		t.Errorf("another module: %s %+v", second.Hash(), second.Manifest())
	}
	wantValue(t, newRule(t, second, "a"), 1, 1001, "the first evaluation in the next engine")

	// Other limits are other code: they are compiled into it.
	trusted, err := h.Load(t.Context(), "tally", tallyOf(t), wasm.Limits{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	d, w := oneSeries(1)
	if e, err := newRule(t, trusted, "a").Eval(t.Context(), d, w); err != nil || e.Fuel != 0 {
		t.Errorf("a trusted module spent %d of fuel (%v): it is the metered one", e.Fuel, err)
	}
}

package ruleswasm_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/conformance"
	"github.com/tocsinhq/tocsin/core/wasm/workload"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

// chosen are parameters where those that the suite makes up would not do.
var chosen = map[string]string{
	"change":    `{"below": 0.5, "recent": "30s"}`,
	"threshold": `{"value": 1, "clear": 0.5}`,
}

func newHost(t *testing.T) *wasm.Host {
	t.Helper()
	if raced {
		t.Skip("compiling Go guests takes too long with the race detector")
	}
	if len(ruleswasm.Names()) == 0 {
		t.Skip(`no modules are built in: run "make rules"`)
	}
	host, err := wasm.New(t.Context(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(context.WithoutCancel(t.Context())) })
	return host
}

// A rule that has never been evaluated learns thousands of series at once, and must be able to: it would never get further.
func TestFirstEvaluationIsNotTooMuch(t *testing.T) {
	host := newHost(t)
	for _, name := range []string{"absent", "deadman", "threshold"} {
		code, err := ruleswasm.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		module, err := host.Load(t.Context(), name, code, wasm.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		params, err := workload.Params(module.Manifest(), json.RawMessage(chosen[name]))
		if err != nil {
			t.Fatal(err)
		}
		r, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: name, Params: params})
		if err != nil {
			t.Fatal(err)
		}
		dictionary := workload.Dictionary(module.Manifest(), 1, 10_000)
		if _, err := r.Eval(t.Context(), dictionary, workload.Window(module.Manifest(), dictionary, 0, 1)); err != nil {
			t.Error(err)
		}
	}
}

// Every module keeps the contract.
func TestConformance(t *testing.T) {
	host := newHost(t)
	for _, name := range ruleswasm.Names() {
		t.Run(name, func(t *testing.T) {
			code, err := ruleswasm.Module(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range conformance.Run(t.Context(), host, name, code, conformance.Options{Params: json.RawMessage(chosen[name])}) {
				if r.Outcome == conformance.Fail {
					t.Errorf("%s: %s", r.Check, r.Detail)
				}
			}
		})
	}
}

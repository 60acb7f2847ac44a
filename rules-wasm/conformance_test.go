package ruleswasm_test

import (
	"encoding/json"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/conformance"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

// chosen are parameters where those that the suite makes up would not do.
var chosen = map[string]string{
	"change":    `{"below": 0.5, "recent": "30s"}`,
	"threshold": `{"value": 1, "clear": 0.5}`,
}

// Every module keeps the contract.
func TestConformance(t *testing.T) {
	if raced {
		t.Skip("compiling Go guests takes too long with the race detector")
	}
	host, err := wasm.New(t.Context(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close(t.Context()) }()
	if len(ruleswasm.Names()) == 0 {
		t.Skip(`no modules are built in: run "make rules"`)
	}
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

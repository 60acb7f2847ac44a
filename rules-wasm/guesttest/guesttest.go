// Package guesttest runs a rule module in the sandbox over the series of a test, so that a test can hold what the
// guest says against what the same code says natively in package ruletest.
package guesttest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

// Compare builds the module in the working directory, which is that of the test's package, and fails the test where it
// says something else than native at one of these times. native is the rule of that module.
func Compare(t *testing.T, native rule.Rule, o ruletest.Options, at ...time.Duration) {
	t.Helper()
	guest := newGuest(t, o)
	here := ruletest.New(t, native, o)
	verdicts := 0
	for _, offset := range at {
		want := here.At(offset)
		verdicts += len(want)
		if diff := cmp.Diff(want, guest.at(t, offset)); diff != "" {
			t.Errorf("at %v the guest differs from native code (-native +guest):\n%s", offset, diff)
		}
	}
	if verdicts == 0 {
		t.Error("no verdicts were compared")
	}
}

// guest is one rule in the sandbox with its series.
type guest struct {
	rule    *wasm.Rule
	windows *ruletest.Windows
}

func newGuest(t *testing.T, o ruletest.Options) *guest {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "module.wasm")
	if err := pack.Build(t.Context(), ".", out); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(t.Context(), wasm.Options{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(t.Context()) })
	module, err := host.Load(t.Context(), "module", code, wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	params, err := json.Marshal(o.Params)
	if err != nil {
		t.Fatal(err)
	}
	if o.Params == nil {
		params = []byte("{}")
	}
	judge, err := module.NewRule(t.Context(), wasm.RuleOptions{ID: t.Name(), Params: params})
	if err != nil {
		t.Fatal(err)
	}
	windows, err := ruletest.NewWindows(module.Manifest(), o)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{judge, windows}
}

func (g *guest) at(t *testing.T, offset time.Duration) []string {
	t.Helper()
	w, err := g.windows.At(offset)
	if err != nil {
		t.Fatal(err)
	}
	result, err := g.rule.Eval(t.Context(), g.windows.Dictionary(), w)
	if err != nil {
		t.Fatal(err)
	}
	if result.NoVerdict {
		return []string{"no verdict"}
	}
	return ruletest.Lines(result.Verdicts)
}

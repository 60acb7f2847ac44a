package wasm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// build makes a rule module of a Go package, as "tocsin rule build" does.
func build(t testing.TB, dir string) []byte {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "rule.wasm")
	if err := pack.Build(t.Context(), dir, out); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestGoGuest(t *testing.T) {
	code := build(t, "testdata/misfit")
	var logged bytes.Buffer
	h := newHost(t, wasm.Options{Logger: zerolog.New(&logged)})
	m, err := h.Load(t.Context(), "misfit", code, wasm.Limits{Memory: 32 << 20, Fuel: 100_000_000})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		class  wasm.Class
		detail string
	}{
		"loop":    {wasm.FuelExhausted, "fuel exhausted (budget 100000000)"},
		"recurse": {wasm.StackOverflow, "stack overflow: the recursion is too deep; growth beyond the memory cap of 32 MiB was refused"},
		"grow":    {wasm.MemoryLimit, "growth beyond the memory cap of 32 MiB was refused"},
		"panic":   {wasm.GuestFailed, `internal error; the guest said: "panic: runtime error: index out of range`},
		"nil":     {wasm.GuestFailed, "nil pointer dereference"},
		"exit":    {wasm.Trap, `exited with code 3; the guest said: "giving up"`},
		"fail":    {wasm.GuestFailed, "I will not"},
		"wait":    {wasm.Trap, "all goroutines are asleep"},
	}
	for do, tt := range tests {
		t.Run(do, func(t *testing.T) {
			r := do1(t, m, do)
			d, w := oneSeries(1)
			for range 2 { // again, in an instance of its own
				_, err := r.Eval(t.Context(), d, w)
				var failure *wasm.Error
				if !errors.As(err, &failure) || failure.Class != tt.class || !strings.Contains(failure.Detail, tt.detail) {
					t.Errorf("got  %v\nwant %s: %s", err, tt.class, tt.detail)
				}
			}
		})
	}
	t.Run("sleep", func(t *testing.T) { // a clock that moves when it is waited for
		d, w := oneSeries(1)
		before := time.Now()
		if _, err := do1(t, m, "sleep").Eval(t.Context(), d, w); err != nil || time.Since(before) > time.Minute {
			t.Errorf("%v after %v", err, time.Since(before))
		}
	})
	t.Run("talk", func(t *testing.T) {
		logged.Reset()
		d, w := oneSeries(1)
		if _, err := do1(t, m, "talk").Eval(t.Context(), d, w); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(logged.String(), "blah"); n < 20 || n > 200 {
			t.Errorf("%d of 1000 lines were logged", n)
		}
	})
	t.Run("look", func(t *testing.T) {
		t.Setenv("SECRET", "hunter2")
		d, w := oneSeries(1)
		texts := map[string]bool{}
		for range 3 { // fresh instances see the same
			r := do1(t, m, "look")
			got, err := r.Eval(t.Context(), d, w)
			if err != nil {
				t.Fatal(err)
			}
			texts[got.Verdicts[0].Text] = true
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		want := `now 2023-11-14T22:13:20Z, args 0, env ["GOMEMLIMIT=26843544B"], random `
		for text := range texts {
			if !strings.HasPrefix(text, want) || !strings.HasSuffix(text, "<nil>, file true") {
				t.Errorf("got %s", text)
			}
		}
		if len(texts) != 1 {
			t.Errorf("the same evaluation differs: %v", texts)
		}
	})
}

func do1(t *testing.T, m *wasm.Module, do string) *wasm.Rule {
	t.Helper()
	params, err := json.Marshal(map[string]string{"do": do})
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.NewRule(t.Context(), wasm.RuleOptions{ID: do, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(t.Context()) })
	return r
}

func ExampleModule_Manifest() {
	// The manifest tells what a rule of this module is configured with.
	manifest := abi.Manifest{Name: "error_rate", Inputs: []abi.ManifestInput{{Name: "requests", Reduce: "increase"}}}
	fmt.Println(manifest.Name, manifest.Inputs[0].Name, manifest.Inputs[0].Reduce)
	// Output: error_rate requests increase
}

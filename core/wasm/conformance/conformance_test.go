package conformance

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
)

func faulty(t *testing.T) []byte {
	t.Helper()
	if raced {
		t.Skip("too slow with the race detector; make test runs this once more without it")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "faulty.wasm")
	if err := pack.Build(t.Context(), "testdata/faulty", out); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func newHost(t *testing.T) *wasm.Host {
	t.Helper()
	host, err := wasm.New(t.Context(), wasm.Options{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(t.Context()) })
	return host
}

// afflict writes the name of a fault into the guest's memory.
func afflict(t *testing.T, g *wasm.Guest, fault string, serial byte) {
	t.Helper()
	memory := g.Memory()
	at := bytes.Index(memory, append([]byte("fault:"), make([]byte, 26)...))
	if at < 0 {
		t.Fatal("the guest has no place for a fault")
	}
	copy(memory[at+len("fault:"):], fault)
	memory[at+31] = serial
}

// A guest that keeps the contract passes, and each point that it breaks is found by the check that is there for it.
func TestChecksFail(t *testing.T) {
	code, host := faulty(t), newHost(t)
	kept, err := host.Load(t.Context(), "faulty", code, wasm.Limits{}) // so that it is compiled once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close(t.Context()) }()
	for _, r := range Run(t.Context(), host, "faulty", code, Options{}) {
		if r.Outcome != Pass {
			t.Errorf("without a fault: %s: %s %s", r.Check, r.Outcome, r.Detail)
		}
	}
	tests := []struct{ check, fault, want string }{
		{"describe", "describe", "differ"},
		{"buffer-alignment", "misaligned", "is not a multiple of 8"},
		{"buffer-separation", "overlap", "which overlaps slot 0"},
		{"buffer-lifetime", "scribble", "slot 3 (100000 bytes"},
		{"buffer-exhaustion", "pretend", "the memory has"},
		{"order", "eager", "before any parameters returned 0"},
		{"order", "stale", "generation 99"},
		{"params-hostile", "params", "must refuse this"},
		{"series-generations", "index", `after the dictionary "renumbered"`},
		{"series-hostile", "series", "must refuse this"},
		{"window-empty", "empty", "no series: evaluation 0: tocsin_eval: bad input"},
		{"window-layout", "packed", "evaluation 0: got"},
		{"window-headers", "header", "a window with a longer header"},
		{"window-growth", "grow", "evaluation 3: got"},
		{"window-hostile", "window", "must refuse this"},
		{"window-hostile", "loop", "fuel exhausted"},
		{"garbage", "loop", "fuel exhausted"},
		{"limit-alerts", "many", "40 verdicts, host_info allows 3"},
		{"limit-emit", "large", "emit: more than 200 bytes"},
		{"handles", "one", "rule 0"},
		{"drop", "keep", "dropped rule returned 0"},
		{"state", "amnesia", "restored in another instance: evaluation 0: got"},
		{"state", "index", "restored in another instance: evaluation 0: got"},
		{"state", "moody", "the same state gave"},
		{"state-hostile", "endless", "fuel exhausted"},
		{"state-hostile", "sloppy", "a state without its last byte: the guest returned 0"},
		{"memory-steady", "leak", "memory grows for ever"},
		{"determinism", "twins", "other bytes in another instance"},
		{"window-layout", "status", "tocsin_eval returned 7, which is not a status"},
	}
	covered := map[string]bool{"manifest": true} // see below
	for _, tt := range tests {
		t.Run(tt.check+"/"+tt.fault, func(t *testing.T) {
			covered[tt.check] = true
			serial := byte(0)
			s := &suite{host: host, name: tt.fault, code: code}
			s.opened = func(g *wasm.Guest) {
				if tt.fault == "twins" {
					serial++
				}
				afflict(t, g, tt.fault, serial)
			}
			only := slices.IndexFunc(checks, func(c check) bool { return c.name == tt.check })
			got := run(t.Context(), s, checks[only:only+1])[1]
			if got.Outcome != Fail || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("got %s %q, want %q", got.Outcome, got.Detail, tt.want)
			}
		})
	}
	for _, c := range checks {
		if !covered[c.name] {
			t.Errorf("nothing shows that the check %s can fail", c.name)
		}
	}
}

func TestManifests(t *testing.T) {
	code, host := faulty(t), newHost(t)
	tests := []struct{ check, manifest, params, want string }{
		{"load", `{"abi":{"major":1},"name":"x"}`, ``, "no inputs"},
		{"manifest", `{"abi":{"major":1},"name":"x","inputs":[{"name":"values"}],"params":[{"name":"a","type":"string","default":"c","enum":["a","b"]}]}`, `{"a":"b"}`, "the default is not one that is allowed"},
		{"load", `{"abi":{"major":1},"name":"x","inputs":[{"name":"values"}],"params":[{"name":"a","type":"string","required":true,"pattern":"[0-9]"}]}`, ``, "may have to be given"},
	}
	for _, tt := range tests {
		packed, err := pack.Attach(code, []byte(tt.manifest))
		if err != nil {
			t.Fatal(err)
		}
		results := Run(t.Context(), host, "x", packed, Options{Params: json.RawMessage(tt.params)})
		at := slices.IndexFunc(results, func(r Result) bool { return r.Check == tt.check })
		if got := results[at]; got.Outcome != Fail || !strings.Contains(got.Detail, tt.want) {
			t.Errorf("%s: got %s %q, want %q", tt.manifest, got.Outcome, got.Detail, tt.want)
		}
	}
	given := Run(t.Context(), host, "x", code, Options{Params: json.RawMessage(`{"above":11}`)})
	if len(given) != 1 || !strings.Contains(given[0].Detail, "at most 10") {
		t.Errorf("got %+v", given)
	}
	refused := Run(t.Context(), host, "x", code, Options{Params: json.RawMessage(`{"above":10}`)})
	if len(refused) != 1 || refused[0].Check != "load" || !strings.Contains(refused[0].Detail, "the rule refuses its parameters") {
		t.Errorf("got %+v", refused)
	}
	if !Failed(given) || Failed(nil) {
		t.Error("Failed is wrong")
	}
}

func TestNotAModule(t *testing.T) {
	got := Run(t.Context(), newHost(t), "x", []byte{0, 'a', 's', 'm', 1, 0, 0, 0}, Options{})
	if len(got) != 1 || got[0].Outcome != Fail || !strings.Contains(got[0].Detail, "must export the function tocsin_eval") {
		t.Errorf("got %+v", got)
	}
}

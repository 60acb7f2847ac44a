package rehearsal_test

import (
	"bytes"
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/wasm"
)

func TestMain(m *testing.M) {
	// What makes bubbles in a program lives as long as the program.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/tocsinhq/tocsin/core/rehearsal.NewBubble.func1"))
}

// modules runs the rule modules of all tests: compiling them takes longer than running them.
var modules = sync.OnceValues(func() (*wasm.Host, error) { return wasm.New(context.Background(), wasm.Options{Keep: true}) })

// director runs tests in bubbles of a Go test.
func director(t *testing.T) *rehearsal.Director {
	t.Helper()
	host, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	return rehearsal.New(rehearsal.Options{
		Bubble:  func(run func()) { synctest.Test(t, func(*testing.T) { run() }) },
		Modules: host,
	})
}

// perform runs all tests of a path.
func perform(t *testing.T, d *rehearsal.Director, path string) rehearsal.Suite {
	t.Helper()
	tests, diags := config.LoadTests([]string{path})
	refuse(t, diags)
	suite := rehearsal.Suite{File: filepath.Base(path)}
	for i := range tests {
		result, diags := d.Run(&tests[i])
		refuse(t, diags)
		suite.Add(result)
	}
	return suite
}

func refuse(t *testing.T, diags config.Diagnostics) {
	t.Helper()
	if diags.HasErrors() {
		var text strings.Builder
		_ = diags.Write(&text, false, 100)
		t.Fatal(text.String())
	}
}

func text(t *testing.T, s rehearsal.Suite) string {
	t.Helper()
	var b strings.Builder
	if err := s.WriteText(&b, rehearsal.Detail{Events: true, Payloads: true}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExamples(t *testing.T) {
	for _, example := range []string{"quickstart", "team-routing", "prometheus-rules"} {
		t.Run(example, func(t *testing.T) {
			s := perform(t, director(t), "../../examples/"+example)
			if s.Failed() || len(s.Results) < 3 {
				t.Errorf("%d tests:\n%s", len(s.Results), text(t, s))
			}
		})
	}
}

func TestFaults(t *testing.T) {
	s := perform(t, director(t), "testdata/faults/told.test.hcl")
	for _, r := range s.Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s", r.Test.Name, f)
		}
	}
	want := "coverage: 2 of 3 rules fired (never: Higher); 3 of 5 routes matched (never: route at line 34, route at line 24); " +
		"3 of 3 receivers told; 0 of 2 template branches rendered " +
		"(never: Higher, annotation summary: else of {{if gt $value 24.0}}, Higher, annotation summary: {{if gt $value 24.0}})"
	if diff := cmp.Diff(want, s.Coverage.String()); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}

// TestNative: native histograms go the whole way, a crash of the engine included.
func TestNative(t *testing.T) {
	for _, r := range perform(t, director(t), "testdata/native/native.test.hcl").Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s", r.Test.Name, f)
		}
	}
}

// The same test takes the same course, byte for byte, on however many processors.
func TestSameSeedSameBytes(t *testing.T) {
	const covered = "2 of 2 rules fired; 2 of 2 routes matched; 3 of 3 receivers told; 2 of 2 template branches rendered"
	var outputs []string
	for _, processors := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(processors)
		s := perform(t, director(t), "testdata/faults/faults.test.hcl")
		runtime.GOMAXPROCS(before)
		var b bytes.Buffer
		if err := s.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, text(t, s)+b.String())
		if got := s.Coverage.String(); got != "coverage: "+covered {
			t.Errorf("%s, want %s", got, covered)
		}
	}
	for _, other := range outputs[1:] {
		if diff := cmp.Diff(outputs[0], other); diff != "" {
			t.Errorf("another course (-first +later):\n%s", diff)
		}
	}
}

package rehearsal_test

import (
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/wasm"
)

// BenchmarkDay performs examples/hundred-rules: 24 hours of 100 rules at 15 s, 576,000 evaluations over windows of some
// minutes, of which some fire each hour. Look at seconds a day (s/op) and nanoseconds an evaluation. Each day must be
// the same as the first, byte for byte.
func BenchmarkDay(b *testing.B) {
	tests, diags := config.LoadTests([]string{"../../examples/hundred-rules"})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	bubble := rehearsal.NewBubble() // as the program has it: a benchmark is no test
	for name, verify := range map[string]bool{"once": false, "verified": true} {
		b.Run(name, func(b *testing.B) {
			modules, err := wasm.New(b.Context(), wasm.Options{Verify: verify, Keep: true})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = modules.Close(b.Context()) }()
			d := rehearsal.New(rehearsal.Options{Modules: modules, Bubble: bubble})
			first := day(b, d, &tests[0]) // compiles the modules
			for b.Loop() {
				if day(b, d, &tests[0]) != first {
					b.Fatal("another day than the first")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(100*4*60*24), "ns/evaluation")
		})
	}
}

// day is everything that happened, with what notifiers were told.
func day(b *testing.B, d *rehearsal.Director, test *config.Test) string {
	result, diags := d.Run(test)
	if diags.HasErrors() || len(result.Failures) > 0 {
		b.Fatal(diags, result.Failures)
	}
	var s rehearsal.Suite
	s.Add(result)
	var text strings.Builder
	if err := s.WriteText(&text, rehearsal.Detail{Events: true, Payloads: true}); err != nil {
		b.Fatal(err)
	}
	return text.String()
}

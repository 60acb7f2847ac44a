package rule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// BenchmarkEvaluate is one evaluation of a rule whose instances all fire, without its program.
func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{0, 1, 100, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			var verdicts []abi.Verdict
			for i := range n {
				verdicts = append(verdicts, verdict(abi.Active, fmt.Sprintf("/endpoint/%d", i), 1))
			}
			d := define("HighErrors", says(complete()))
			d.Labels = map[string]string{"severity": "critical", "team": "edge"}
			d.Annotations = map[string]string{"summary": "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail"}
			store, err := alert.OpenStore(newDisk())
			if err != nil {
				b.Fatal(err)
			}
			m := New(Options{Alerts: store})
			defer m.cancel()
			d.Program = fixed{complete(verdicts...)}
			j := job{running: newRunning(d), at: time.Now()}
			m.evaluate(j)
			b.ReportAllocs()
			for b.Loop() {
				j.at = j.at.Add(interval)
				m.evaluate(j)
			}
		})
	}
}

// fixed is a program that always says the same and remembers nothing.
type fixed struct{ Evaluation }

func (f fixed) Eval(context.Context, time.Time) (Evaluation, error) { return f.Evaluation, nil }
func (fixed) Close(context.Context) error                           { return nil }

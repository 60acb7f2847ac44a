//go:build unix

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/window"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// BenchmarkEvaluation is one evaluation of error_rate by endpoint from end to end: a worker of the rule manager takes
// the job, the window of 20 samples a series is read and reduced to increases, the guest is given it and judges, its
// verdicts are decoded, the instances move. Nothing fails, so nothing is written.
//
// Besides the time it reports the CPU time of the process, which says more on a busy machine, and the parts alone: read
// is the window, guest is the module's evaluation with copying and decoding.
func BenchmarkEvaluation(b *testing.B) {
	for _, size := range []struct{ targets, series, endpoints int }{{1, 10, 5}, {1, 100, 10}, {10, 10_000, 100}} {
		b.Run(fmt.Sprintf("%d series by %d endpoints", size.targets*size.series, size.endpoints), func(b *testing.B) {
			f := newFleet(b, size.targets, size.series, size.endpoints)
			p := &announced{program: f.program(b), begun: make(chan struct{})}
			alerts, err := alert.OpenStore(state.Memory())
			if err != nil {
				b.Fatal(err)
			}
			m := rule.New(rule.Options{Alerts: alerts, Workers: 1, Logger: zerolog.Nop()})
			if err := m.Start([]rule.Definition{{
				Name: "HighErrorRate", Labels: map[string]string{"severity": "critical"}, For: 5 * time.Minute,
				Sources: []string{"gw"}, Interval: time.Second, Program: p,
			}}); err != nil {
				b.Fatal(err)
			}
			round := func() { // makes the rule due while the evaluation before runs, and waits until the next one begins
				m.Round("gw", f.at)
				<-p.begun
			}
			round()
			round() // the series were sent and grouped
			before := cpuTime(b)
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
			cpu := cpuTime(b) - before
			if err := m.Stop(context.WithoutCancel(b.Context())); err != nil {
				b.Fatal(err)
			}
			if p.verdicts != size.endpoints {
				b.Fatalf("%d verdicts, want %d", p.verdicts, size.endpoints)
			}
			read, guest := f.parts(b)
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(read.Nanoseconds()), "read-ns/op")
			b.ReportMetric(float64(guest.Nanoseconds()), "guest-ns/op")
		})
	}
}

// announced is a program that says when it is asked.
type announced struct {
	*program
	begun    chan struct{}
	verdicts int // of the last evaluation that was not stopped
}

func (p *announced) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	select {
	case p.begun <- struct{}{}:
	case <-ctx.Done():
		return rule.Evaluation{}, ctx.Err()
	}
	ev, err := p.program.Eval(ctx, at)
	if err == nil {
		p.verdicts = len(ev.Verdicts)
	}
	return ev, err
}

// cpuTime is what this process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// fleet is targets whose windows are full, and a module that judges them.
type fleet struct {
	windows *window.Store
	host    *wasm.Host
	module  *wasm.Module
	at      time.Time // of the newest rows
}

func newFleet(b *testing.B, targets, series, endpoints int) *fleet {
	f := &fleet{windows: window.New(window.Options{}), at: time.UnixMilli(1_700_000_000_000)}
	code, err := ruleswasm.Module("error_rate")
	if err != nil {
		b.Fatal(err)
	}
	f.host, err = wasm.New(b.Context(), wasm.Options{CacheDir: b.TempDir(), Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.host.Close(context.WithoutCancel(b.Context())) })
	if f.module, err = f.host.Load(b.Context(), "error_rate", code, wasm.Limits{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(f.windows.Bind(f.queries(b)).Close) // rows are kept from now on
	for n := range targets {
		f.fill(b, n, series, endpoints)
	}
	return f
}

// fill appends more rows of one target than a window holds. One request in a thousand fails.
func (f *fleet) fill(b *testing.B, number, series, endpoints int) {
	labels := frame.NewLabels(frame.Label{Name: "job", Value: "gw"}, frame.Label{Name: "instance", Value: fmt.Sprintf("10.0.0.%d:9113", number)})
	health := &frame.Layout{Series: []frame.Series{{Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "up"})}}}
	page := &frame.Layout{}
	for i := range series {
		code := "200"
		if i%2 == 1 {
			code = "503"
		}
		page.Series = append(page.Series, frame.Series{Kind: frame.Counter, Labels: labels.With(
			frame.Label{Name: frame.MetricName, Value: "http_requests_total"}, frame.Label{Name: "code", Value: code},
			frame.Label{Name: "endpoint", Value: fmt.Sprintf("/api/v1/resource/%d", i/2%endpoints)},
			frame.Label{Name: "pod", Value: fmt.Sprintf("gateway-7d9f8b6c5-%06d", i)},
		)})
	}
	target := f.windows.Open(labels, time.Second)
	values := make([]float64, series)
	for row := range int64(40) {
		for i := range values {
			values[i] += []float64{999, 1}[i%2]
		}
		at := f.at.UnixMilli() - (39-row)*1000
		err := target.Append(frame.Frame{Layout: page, Time: at, Values: values}, frame.Frame{Layout: health, Time: at, Values: []float64{1}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (f *fleet) queries(b *testing.B) []window.Query {
	matchers, err := window.ParseSelector(`http_requests_total{job="gw"}`)
	if err != nil {
		b.Fatal(err)
	}
	return []window.Query{{Matchers: matchers, Window: 20 * time.Second, Reduce: abi.Increase}}
}

func (f *fleet) program(b *testing.B) *program {
	judge, err := f.module.NewRule(b.Context(), wasm.RuleOptions{ID: "HighErrorRate", Params: json.RawMessage(`{"by":["endpoint"]}`)})
	if err != nil {
		b.Fatal(err)
	}
	return &program{view: f.windows.Bind(f.queries(b)), rule: judge, inputs: []string{"requests"}}
}

// parts is what reading a window and asking the module take.
func (f *fleet) parts(b *testing.B) (read, guest time.Duration) {
	const times = 100
	p := f.program(b)
	for range times {
		begin := time.Now()
		dictionary := p.view.Read(f.at, &p.window)
		middle := time.Now()
		if _, err := p.rule.Eval(b.Context(), dictionary, &p.window); err != nil {
			b.Fatal(err)
		}
		if p.window.Sequence++; p.window.Sequence > 1 { // the first one sends the series
			read, guest = read+middle.Sub(begin), guest+time.Since(middle)
		}
	}
	if err := p.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return read / (times - 1), guest / (times - 1)
}

// Package ruletest runs a rule natively over series that a test writes down in Prometheus' notation:
//
//	test := ruletest.New(t, new(Hot), ruletest.Options{
//		Params: map[string]any{"above": 80},
//		Inputs: map[string]ruletest.Input{"sensors": {Series: `
//			temperature{room="a"}  70+5x10
//			temperature{room="b"}  20 20 _ 21 stale
//		`}},
//	})
//	got := test.At(2 * time.Minute) // []string{`active {room="a"} 110`, …}
//
// Parameters, series, windows and results pass through the same blocks as between the engine and a guest.
package ruletest

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Options is what a rule is tested with.
type Options struct {
	Params   map[string]any // as in a params block; durations are strings
	Interval time.Duration  // between two samples: 15 seconds
	Inputs   map[string]Input
}

// Input is what one input of the rule reads.
type Input struct {
	Series string        // one a line: name{label="value"} and samples, the first at time 0
	Window time.Duration // 5 minutes
	Down   rule.Matcher  // the targets of these series did not answer the last time
}

// Start is time 0 of the series.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Test is a rule with its series.
type Test struct {
	t        testing.TB
	session  *rule.Session
	decoder  *abi.ResultDecoder
	interval time.Duration
	inputs   []input
	dict     *abi.Dictionary
	sequence uint64
}

type input struct {
	Input
	manifest abi.ManifestInput
	series   []series
	first    uint32 // index of its first series in the dictionary
}

// New configures the rule. Whatever is wrong with the rule, its parameters or the notation fails the test.
func New(t testing.TB, r rule.Rule, o Options) *Test {
	t.Helper()
	manifest, err := rule.Manifest(r)
	if err != nil {
		t.Fatal(err)
	}
	session, err := configure(r, manifest, o.Params)
	if err != nil {
		t.Fatal(err)
	}
	x := &Test{t: t, session: session, decoder: abi.NewResultDecoder(abi.ResultLimits{}), interval: o.Interval}
	if x.interval == 0 {
		x.interval = 15 * time.Second
	}
	x.dict = &abi.Dictionary{Generation: 1}
	for _, m := range manifest.Inputs {
		given, ok := o.Inputs[m.Name]
		if !ok && !m.Optional {
			t.Fatalf("no series for input %s", m.Name)
		}
		if given.Window == 0 {
			given.Window = 5 * time.Minute
		}
		in := input{Input: given, manifest: m, first: uint32(len(x.dict.Series))}
		if in.series, err = parse(given.Series); err != nil {
			t.Fatalf("input %s: %v", m.Name, err)
		}
		for _, s := range in.series {
			x.dict.Series = append(x.dict.Series, frame.Series{Labels: s.labels})
		}
		x.inputs = append(x.inputs, in)
	}
	block, err := abi.EncodeDictionary(x.dict, nil)
	if err == nil {
		err = session.Series(block)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// ConfigError returns the error that configuring the rule with these parameters yields, nil for none.
func ConfigError(r rule.Rule, params map[string]any) error {
	manifest, err := rule.Manifest(r)
	if err != nil {
		return err
	}
	_, err = configure(r, manifest, params)
	return err
}

func configure(r rule.Rule, manifest abi.Manifest, params map[string]any) (*rule.Session, error) {
	values, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	block, err := abi.EncodeParams(manifest.Params, values)
	if err != nil {
		return nil, err
	}
	return rule.NewSession(r, block)
}

// At evaluates the rule so long after [Start] and returns its verdicts, one a line, in the order of the rule:
//
//	active {endpoint="/api"} 0.25
//
// A rule that gives no verdict yields the one line "no verdict".
func (x *Test) At(offset time.Duration) []string {
	x.t.Helper()
	verdicts, ok := x.Verdicts(offset)
	if !ok {
		return []string{"no verdict"}
	}
	lines := []string{}
	for _, v := range verdicts {
		line := v.Status.String() + " " + v.Labels.String()
		if !math.IsNaN(v.Value) {
			line += " " + strconv.FormatFloat(v.Value, 'g', 6, 64)
		}
		if v.Text != "" {
			line += ": " + v.Text
		}
		lines = append(lines, line)
	}
	return lines
}

// Verdicts evaluates the rule so long after [Start]; it is false when the rule gives no verdict.
func (x *Test) Verdicts(offset time.Duration) ([]abi.Verdict, bool) {
	x.t.Helper()
	at := Start.Add(offset).UnixMilli()
	w := &abi.Window{
		Sequence: x.sequence, Time: at, Generation: x.dict.Generation, IntervalMS: uint32(x.interval.Milliseconds()),
	}
	if x.sequence == 0 {
		w.Flags |= abi.WindowFirst | abi.WindowSeriesChanged
	}
	x.sequence++
	for i := range x.inputs {
		in, err := x.inputs[i].window(at, x.interval)
		if err != nil {
			x.t.Fatal(err)
		}
		if in.TargetsAnswered < in.TargetsExpected {
			w.Flags |= abi.WindowMissing
		}
		w.Inputs = append(w.Inputs, in)
	}
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	status, err := x.session.Eval(block)
	if err != nil {
		x.t.Fatalf("evaluate at %v: %s: %v", offset, status, err)
	}
	if status == abi.NoVerdict {
		return nil, false
	}
	parts := x.session.Result()
	verdicts, err := x.decoder.Decode(bytes.Join(parts[:], nil), x.dict, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return verdicts, true
}

// window cuts what lies in (at-window, at] out of the series.
func (in *input) window(at int64, interval time.Duration) (abi.Input, error) {
	reduce, _ := abi.ParseReduce(in.manifest.Reduce)
	out := abi.Input{
		Start: at - in.Window.Milliseconds(), End: at, Reduce: reduce, ReduceArg: in.manifest.ReduceArg,
		TargetsExpected: 1, TargetsAnswered: 1,
	}
	for i := range in.series {
		s := &in.series[i]
		cut := s.cut(out.Start, at, interval)
		if in.Down != "" && in.Down.Selects(s.labels) {
			cut.flags |= abi.FlagMissing
			out.TargetsAnswered = 0
		}
		span := abi.Span{Start: uint32(len(out.Values)), Count: uint32(len(cut.values))}
		ref := uint32(len(out.Times))
		if reduce == abi.Raw {
			out.Values, out.Times = append(out.Values, cut.values...), append(out.Times, cut.times...)
		} else {
			v, ok, err := reduced(reduce, in.manifest.ReduceArg, cut)
			if err != nil {
				return out, err
			}
			span.Count = 0
			if ok {
				span.Count = 1
				out.Values = append(out.Values, v)
			}
		}
		out.Series = append(out.Series, in.first+uint32(i))
		out.Spans, out.TimeRef, out.Flags = append(out.Spans, span), append(out.TimeRef, ref), append(out.Flags, cut.flags)
	}
	return out, nil
}

// sorted returns values in ascending order.
func sorted(values []float64) []float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	return values
}

// Session is the rule as a guest runs it, for tests that hand it blocks of their own.
func (x *Test) Session() *rule.Session { return x.session }

package ruletest

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Windows hands out what the engine would hand to a rule, made of series that a test writes down.
type Windows struct {
	interval time.Duration
	inputs   []input
	dict     *abi.Dictionary
	sequence uint64
	afresh   bool // the next window is the first of a rule that remembers nothing
	named    bool // the next window is not the first after the series were given
}

// input is one input of the rule with its series.
type input struct {
	Input
	reduce abi.Reduce
	arg    float64
	series []series
	first  uint32 // index of its first series in the dictionary
}

// NewWindows reads the series of the inputs that a manifest declares.
func NewWindows(manifest abi.Manifest, o Options) (*Windows, error) {
	x := &Windows{interval: cmp.Or(o.Interval, 15*time.Second), dict: &abi.Dictionary{Generation: 1}, afresh: true}
	for _, m := range manifest.Inputs {
		given, ok := o.Inputs[m.Name]
		if !ok && m.Like != "" && !m.Optional {
			given.Series, given.Down, ok = o.Inputs[m.Like].Series, o.Inputs[m.Like].Down, true
		}
		if !ok && !m.Optional {
			return nil, fmt.Errorf("no series for input %s", m.Name)
		}
		if err := given.complete(m); err != nil {
			return nil, fmt.Errorf("input %s: %w", m.Name, err)
		}
		in := input{Input: given, arg: m.ReduceArg, first: uint32(len(x.dict.Series))}
		in.reduce, _ = abi.ParseReduce(given.Reduce)
		var err error
		if in.series, err = parse(given.Series); err != nil {
			return nil, fmt.Errorf("input %s: %w", m.Name, err)
		}
		for _, s := range in.series {
			x.dict.Series = append(x.dict.Series, frame.Series{Labels: s.labels})
		}
		x.inputs = append(x.inputs, in)
	}
	return x, nil
}

// complete fills in what the manifest says where the test is silent.
func (in *Input) complete(m abi.ManifestInput) error {
	in.Reduce = cmp.Or(in.Reduce, m.Reduce)
	if _, ok := abi.ParseReduce(in.Reduce); !ok {
		return fmt.Errorf("reduce %q does not exist", in.Reduce)
	}
	if in.Window != 0 {
		return nil
	}
	in.Window = 5 * time.Minute
	if m.DefaultRange == "" {
		return nil
	}
	var err error
	in.Window, err = parseWindow(m.DefaultRange)
	return err
}

// parseWindow reads a duration as manifests write it, with days.
func parseWindow(text string) (time.Duration, error) {
	if n := len(text); n > 1 && text[n-1] == 'd' {
		days, err := strconv.Atoi(text[:n-1])
		return time.Duration(days) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// restart makes the next window the first of a rule in a new instance, which remembers its past or starts afresh.
func (x *Windows) restart(afresh bool) { x.afresh, x.named = afresh, false }

// Dictionary names the series of all windows.
func (x *Windows) Dictionary() *abi.Dictionary { return x.dict }

// At is the window so long after [Start]. As in the engine, an input lists the series that have samples in it, and
// those that have none only because their target does not answer.
func (x *Windows) At(offset time.Duration) (*abi.Window, error) {
	at := Start.Add(offset).UnixMilli()
	w := &abi.Window{
		Sequence: x.sequence, Time: at, Generation: x.dict.Generation, IntervalMS: uint32(x.interval.Milliseconds()),
	}
	if x.afresh {
		w.Flags |= abi.WindowFirst
	}
	if !x.named {
		w.Flags |= abi.WindowSeriesChanged
	}
	x.afresh, x.named = false, true
	x.sequence++
	for i := range x.inputs {
		in, err := x.inputs[i].window(at, x.interval)
		if err != nil {
			return nil, err
		}
		if in.TargetsAnswered < in.TargetsExpected {
			w.Flags |= abi.WindowMissing
		}
		w.Inputs = append(w.Inputs, in)
	}
	return w, nil
}

// window cuts what lies in (at-window, at] out of the series.
func (in *input) window(at int64, interval time.Duration) (abi.Input, error) {
	out := abi.Input{
		Start: at - in.Window.Milliseconds(), End: at, Reduce: in.reduce, ReduceArg: in.arg,
		TargetsExpected: 1, TargetsAnswered: 1,
	}
	for i := range in.series {
		s := &in.series[i]
		cut := s.cut(out.Start, at, interval)
		down := cut.down || in.Down != "" && in.Down.Selects(s.labels)
		if cut.removed || len(cut.values) == 0 && !down {
			continue
		}
		if down {
			cut.flags |= abi.FlagMissing | abi.FlagEnded
			out.TargetsAnswered = 0
		}
		if err := in.add(&out, cut); err != nil {
			return out, err
		}
		out.Series, out.Flags = append(out.Series, in.first+uint32(i)), append(out.Flags, cut.flags)
	}
	return out, nil
}

// add appends the samples of one series, or what they are reduced to.
func (in *input) add(out *abi.Input, cut samples) error {
	span := abi.Span{Start: uint32(len(out.Values)), Count: uint32(len(cut.values))}
	out.TimeRef = append(out.TimeRef, uint32(len(out.Times)))
	if in.reduce == abi.Raw {
		out.Values, out.Times = append(out.Values, cut.values...), append(out.Times, cut.times...)
		out.Spans = append(out.Spans, span)
		return nil
	}
	v, ok, err := reduced(in.reduce, in.arg, cut)
	if err != nil {
		return err
	}
	span.Count = 0
	if ok {
		span.Count = 1
		out.Values, out.Times = append(out.Values, v), append(out.Times, cut.times[len(cut.times)-1])
	}
	out.Spans = append(out.Spans, span)
	return nil
}

// Lines writes verdicts down, one a line, in the order of the rule, like active {endpoint="/api"} 0.25 and the text.
func Lines(verdicts []abi.Verdict) []string {
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

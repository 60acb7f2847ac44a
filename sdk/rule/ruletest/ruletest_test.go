package ruletest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestNotation(t *testing.T) {
	const none = 1e300
	for text, want := range map[string][]float64{
		"m 1 2 3":              {1, 2, 3},
		"m 0+10x3":             {0, 10, 20, 30},
		"m 5-1x2 7":            {5, 4, 3, 7},
		"m 4x2":                {4, 4, 4},
		"m _ 1 _x2 2 _x0":      {none, 1, none, none, 2},
		"m -2x1 -1-1x1 -3+1x1": {-2, -2, -1, -2, -3, -2},
		"m NaN -Inf Inf+1x1":   {math.NaN(), math.Inf(-1), math.Inf(1), math.Inf(1)},
		"m 0+10x3 _ stale":     {0, 10, 20, 30, none, none},
		"m 1x0":                {1},
		"m -1.5e-3 +Inf":       {-1.5e-3, math.Inf(1)},
		"m 1e+2-1e-1x1":        {100, 99.9},
		`m{a="x y",b="}"} 1`:   {1},
		`{__name__="m"}  1 2 `: {1, 2},
		"m\t1 stale":           {1, none},
		"m 1 downx2 2 removed": {1, none, none, 2, none},
	} {
		got, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		values := got[0].values
		for i, m := range got[0].marks {
			if m != sampled {
				values[i] = none
			}
		}
		if diff := cmp.Diff(want, values, cmpopts.EquateNaNs(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"m": "no samples", `m{a="x" 1`: "do not end", "m{a=x} 1": "double quotes", "m 1y2": "invalid syntax", "m 1xx": "number of samples", "m 1+xx2": "number of samples", "m 1+ax2": "invalid syntax",
		"m {{schema:1}}": "native histograms", "m upx2": "invalid syntax", "m _+1x2": "invalid syntax", "m 1x-1": "number of samples",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestReduced(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		how  abi.Reduce
		arg  float64
		line string
		want float64 // NaN: none
	}{
		{abi.Last, 0, "m 1 5 3", 3},
		{abi.Last, 0, "m _x3", math.NaN()},
		{abi.Increase, 0, "m 1 5 3", 4 + 3},
		{abi.Increase, 0, "m 7", math.NaN()},
		{abi.Increase, 0, "m _ 7", 7},
		{abi.Increase, 0, "m _ 7 9", 9},
		{abi.Increase, 0, "m 3 _ 4 6", 3},
		{abi.Increase, 0, "m 3 _ 1", 1},
		{abi.Rate, 0, "m 0+60x2", 1},
		{abi.Rate, 0, "m _ 60 120", 1},
		{abi.Delta, 0, "m 5", math.NaN()},
		{abi.Delta, 0, "m _ 5 7", 2},
		{abi.Delta, 0, "m 5 1 2", -3},
		{abi.Avg, 0, "m 1 2 6", 3},
		{abi.Min, 0, "m 4 2 6", 2},
		{abi.Max, 0, "m 4 2 6", 6},
		{abi.Sum, 0, "m 4 2 6", 12},
		{abi.Count, 0, "m 4 _ 6", 2},
		{abi.Stddev, 0, "m 2 4 4 4 5 5 7 9", 2},
		{abi.Quantile, 0.5, "m 9 1 5 3", 4},
		{abi.Quantile, 1, "m 9 1", 9},
	}
	for _, tt := range tests {
		s, err := parse(tt.line)
		if err != nil {
			t.Fatal(err)
		}
		cut := s[0].cut(Start.Add(-minute).UnixMilli(), Start.Add(10*minute).UnixMilli(), minute)
		got, ok, err := reduced(tt.how, tt.arg, cut)
		if err != nil || ok == math.IsNaN(tt.want) || ok && math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s of %s: got %v, %v, %v, want %v", tt.how, tt.line, got, ok, err, tt.want)
		}
	}
}

// What an increase counts from lies before the window; a target that did not answer is no birth.
func TestCut(t *testing.T) {
	const minute = time.Minute
	for line, want := range map[string]float64{
		"m 1 5 9":          8, // from the sample at the start of the window
		"m 1 downx5 9 10":  1, // the first is too old
		"m _ _ _ _ 7 9":    9, // born
		"m down down 7 9":  2, // not born
		"m 1 2 3 4 5 6 10": 5,
	} {
		s, err := parse(line)
		if err != nil {
			t.Fatal(err)
		}
		end := Start.Add(time.Duration(len(s[0].values)-1) * minute)
		cut := s[0].cut(end.Add(-2*minute).UnixMilli(), end.UnixMilli(), minute)
		if got, _, ok := cut.increase(); !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", line, got, ok, want)
		}
	}
}

func TestWindowsListWhatIsThere(t *testing.T) {
	x, err := NewWindows(abi.Manifest{Inputs: []abi.ManifestInput{{Name: "in", Reduce: "last", DefaultRange: "1m"}, {Name: "more", Like: "in", DefaultRange: "1d"}}},
		Options{Inputs: map[string]Input{"in": {Series: `
			m{is="there"}   1+0x9
			m{is="gone"}    1 stale
			m{is="down"}    1 downx9
			m{is="removed"} 1 1 1 removedx9
		`}}})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration][]uint32{0: {0, 1, 2, 3}, 30 * time.Second: {0, 1, 2, 3}, 2 * time.Minute: {0, 2}} {
		w, err := x.At(at)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, w.Inputs[0].Series); diff != "" {
			t.Errorf("at %v: %s", at, diff)
		}
		if n := len(w.Inputs[1].Series); at == 2*time.Minute && n != 3 || w.Inputs[1].End-w.Inputs[1].Start != 24*3600*1000 {
			t.Errorf("at %v the input like the other one has %d series", at, n)
		}
	}
}

// sticky is active once its input was above 10, and says for how many evaluations it has been told.
type sticky struct {
	In   rule.Input `input:"in" reduce:"last"`
	once rule.Hysteresis
	told int64
}

func (s *sticky) Eval(w rule.Window, out *rule.Verdicts) error {
	s.told++
	if w.First() {
		s.told = 1
	}
	for series := range s.In.All() {
		v, _ := series.Value()
		out.Judge(series.Instance(), s.once.Judge(w, series.Instance(), v > 10, false), float64(s.told))
	}
	return nil
}

func (s *sticky) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

func (s *sticky) Snapshot(w *rule.StateWriter) {
	w.Int(s.told)
	s.once.Save(w)
}

func (s *sticky) Restore(r *rule.StateReader) error {
	s.told = r.Int()
	return s.once.Load(r)
}

func TestRestart(t *testing.T) {
	x := New(t, new(sticky), Options{Inputs: map[string]Input{"in": {Series: "m 1 11 1 1 1"}}})
	var got []string
	at := func(k int) { got = append(got, x.At(time.Duration(k)*15*time.Second)...) }
	at(0)
	at(1)
	x.Restart()
	at(2)
	x.Restart()
	at(3)
	x.Forget()
	at(4)
	want := []string{"unknown {}", "active {} 2", "active {} 3", "active {} 4", "unknown {}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

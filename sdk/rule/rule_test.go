package rule_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// everything has a field of each kind.
type everything struct {
	Share   float64            `param:"share" default:"0.5" min:"0" max:"1" doc:"a share"`
	Count   int                `param:"count" default:"3"`
	On      bool               `param:"on" default:"true"`
	Name    string             `param:"name" default:"x"`
	Hold    time.Duration      `param:"hold" default:"1m"`
	By      []string           `param:"by"`
	Weights map[string]float64 `param:"weights"`
	Clear   *float64           `param:"clear"`
	Which   rule.Matcher       `param:"which" default:"job='a'"`
	In      rule.Input         `input:"in" doc:"what is read" window:"10m" select:"up"`
	More    rule.Input         `input:"more" reduce:"quantile" reduce_arg:"0.9" optional:"true"`
	Long    rule.Input         `input:"long" like:"in" window:"1h" reduce:"last" choices:"avg,rate" optional:"true"`

	eval func(e *everything, w rule.Window, out *rule.Verdicts) error
}

func (e *everything) Eval(w rule.Window, out *rule.Verdicts) error { return e.eval(e, w, out) }

func (e *everything) Describe() rule.Info {
	return rule.Info{Name: "everything", Version: "2", Description: "all there is", Severities: []string{"warning", "critical"}}
}

func TestManifest(t *testing.T) {
	got, err := rule.Manifest(new(everything))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := abi.ParseManifest(data); err != nil {
		t.Errorf("the engine refuses it: %v", err)
	}
	wantInputs := []abi.ManifestInput{
		{Name: "in", Description: "what is read", DefaultRange: "10m", DefaultMatch: "up"},
		{Name: "more", Reduce: "quantile", ReduceArg: 0.9, Optional: true},
		{Name: "long", Like: "in", DefaultRange: "1h", Reduce: "last", ReduceChoices: []string{"avg", "rate"}, Optional: true},
	}
	if diff := cmp.Diff(wantInputs, got.Inputs); diff != "" {
		t.Error(diff)
	}
	types := map[string]schema.Type{}
	for _, a := range got.Params {
		types[a.Name] = a.Type
		if (a.Format == schema.FormatMatcher) != (a.Name == "which") {
			t.Errorf("parameter %s has format %q", a.Name, a.Format)
		}
	}
	wantTypes := map[string]schema.Type{
		"share": "float", "count": "int", "on": "bool", "name": "string", "hold": "duration", "by": "list(string)",
		"weights": "map(float)", "clear": "float", "which": "string",
	}
	if diff := cmp.Diff(wantTypes, types); diff != "" {
		t.Error(diff)
	}
	if !got.Shared || got.Name != "everything" || got.ABI.Major != 1 || !slices.Equal(got.Outputs.Severities, []string{"warning", "critical"}) {
		t.Errorf("got %+v", got)
	}
}

func newTest(t *testing.T, e *everything, o ruletest.Options) *ruletest.Test {
	t.Helper()
	return ruletest.New(t, e, o)
}

func TestParams(t *testing.T) {
	e := &everything{}
	newTest(t, e, ruletest.Options{
		Params: map[string]any{"share": 0.25, "by": []string{"a", "b"}, "weights": map[string]float64{"x": 2}, "clear": 7, "hold": "90s"},
		Inputs: map[string]ruletest.Input{"in": {}},
	})
	if e.Share != 0.25 || e.Count != 3 || !e.On || e.Name != "x" || e.Hold != 90*time.Second || !slices.Equal(e.By, []string{"a", "b"}) ||
		e.Weights["x"] != 2 || e.Clear == nil || *e.Clear != 7 || e.Which != "job='a'" {
		t.Errorf("got %+v", e)
	}
	for name, params := range map[string]map[string]any{
		"regular expression": {"which": "job=~'('"}, "operator": {"which": "job"}, "range": {"share": 2}, "unknown": {"nobody": 1},
	} {
		if err := ruletest.ConfigError(new(everything), params); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSeries(t *testing.T) {
	e := &everything{}
	var seen []string
	e.eval = func(e *everything, w rule.Window, _ *rule.Verdicts) error {
		seen = nil
		for s := range e.In.All() {
			line := s.Label("job") + s.Label("nobody")
			if at, ok := s.Time(); ok != (len(s.Values()) > 0) || ok && at != s.Times()[len(s.Times())-1] {
				t.Errorf("the last sample is of %d, %v", at, ok)
			}
			for at, v := range s.Samples() {
				line += " " + time.Duration((at-ruletest.Start.UnixMilli())*1e6).String() + "=" + strconv.FormatFloat(v, 'g', -1, 64)
			}
			for _, flag := range []struct {
				is   bool
				what string
			}{{s.New(), "new"}, {s.Ended(), "ended"}, {s.Born(), "born"}, {s.Reset(), "reset"}, {s.Missing(), "missing"}, {s.Truncated(), "truncated"}} {
				if flag.is {
					line += " " + flag.what
				}
			}
			seen = append(seen, line)
		}
		from, to := e.In.Range()
		if to.Sub(from) != 10*time.Minute || !w.Time().Equal(to) || w.Interval() != time.Minute {
			t.Errorf("window (%v, %v] at %v", from, to, w.Time())
		}
		return nil
	}
	x := newTest(t, e, ruletest.Options{Interval: time.Minute, Inputs: map[string]ruletest.Input{"in": {Window: 10 * time.Minute, Down: "job='down'", Series: `
		m{job="a"}     1+1x3
		m{job="holes"} 1 _x2 4
		m{job="late"}  _x3 5
		m{job="gone"}  1 2 stale
		m{job="reset"} 5 1
		m{job="down"}  1
	`}}})
	x.At(3 * time.Minute)
	want := []string{
		"a 0s=1 1m0s=2 2m0s=3 3m0s=4", "holes 0s=1 3m0s=4", "late 3m0s=5 new born", "gone 0s=1 1m0s=2 ended", "reset 0s=5 1m0s=1 reset", "down 0s=1 ended missing",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestGroupsAndMatches(t *testing.T) {
	e := &everything{Which: "code=~'5..'"}
	inputs := map[string]ruletest.Input{"in": {Series: `
		m{code="500",path="/a",pod="1"} 1
		m{code="200",path="/a",pod="2"} 2
		m{code="503",path="/b",pod="1"} 4
		m{code="200",pod="1"}           8
	`}}
	tests := map[string]struct {
		by   []string
		want []string
	}{
		"one label":     {[]string{"path"}, []string{`active {path="/a"} 3`, `active {path="/b"} 4`, `active {} 8`}},
		"two labels":    {[]string{"path", "pod"}, []string{`active {path="/a",pod="1"} 1`, `active {path="/a",pod="2"} 2`, `active {path="/b",pod="1"} 4`, `active {pod="1"} 8`}},
		"no label":      {nil, []string{"active {} 15"}},
		"unknown label": {[]string{"nobody"}, []string{"active {} 15"}},
		"metric name":   {[]string{"__name__"}, []string{"active {} 15"}},
		"without one":   {[]string{"!", "path"}, []string{`active {code="500",pod="1"} 1`, `active {code="200",pod="2"} 2`, `active {code="503",pod="1"} 4`, `active {code="200",pod="1"} 8`}},
		"without all":   {[]string{"!", "path", "pod", "code", "nobody"}, []string{"active {} 15"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e.eval = func(e *everything, _ rule.Window, out *rule.Verdicts) error {
				g := e.In.GroupBy(tt.by...)
				if len(tt.by) > 0 && tt.by[0] == "!" {
					g = e.In.GroupWithout(tt.by[1:]...)
				}
				sums := make([]float64, g.Len())
				for i := range e.In.Len() {
					v, _ := e.In.Value(i)
					sums[g.Of(i)] += v
				}
				for i, sum := range e.In.Sums(g, e.In.Match("code=~'5..'"), nil) {
					if sum.All != sums[i] {
						t.Errorf("group %d sums up to %v, want %v", i, sum.All, sums[i])
					}
					out.Active(g.At(i), sums[i])
				}
				return nil
			}
			x := newTest(t, e, ruletest.Options{Inputs: inputs})
			for range 2 {
				if diff := cmp.Diff(tt.want, x.At(0)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	matchers := map[rule.Matcher][]bool{
		`code="500"`: {true, false, false, false}, "code!='500'": {false, true, true, true}, "code=~'5..'": {true, false, true, false},
		"path=''": {false, false, false, true}, "path=~'/a|'": {true, true, false, true}, "path!~`/a`": {false, false, true, true},
		"nobody=''": {true, true, true, true}, "nobody=~'.+'": {false, false, false, false}, " code = '200' ": {false, true, false, true},
	}
	e.eval = func(e *everything, _ rule.Window, _ *rule.Verdicts) error {
		for m, want := range matchers {
			got := e.In.Match(m)
			for i := range want {
				if got.Has(i) != want[i] || m.Selects(e.In.Series(i).Labels()) != want[i] {
					t.Errorf("%s: series %d is selected: %v", m, i, got.Has(i))
				}
			}
		}
		return nil
	}
	newTest(t, e, ruletest.Options{Inputs: inputs}).At(0)
}

func TestMatcherNotation(t *testing.T) {
	for m, want := range map[rule.Matcher]string{
		"": "no label name", "code": "no label name", "=~'x'": "no label name", "1x='a'": "label name", "code==='a'": "quotes", "code~'a'": "no label name",
		"code='a": "quotes", "code=a": "quotes", "code=~'('": "missing closing", "code!'a'": "operator", `code="\q"`: "quotes", "code='a'b'": "quotes",
	} {
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", m, err, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	e := &everything{}
	inputs := map[string]ruletest.Input{"in": {Series: `m{job="a"} 1`}}
	e.eval = func(e *everything, _ rule.Window, out *rule.Verdicts) error {
		out.Active(e.In.Series(0).Instance(), 2).Threshold(1).Severity(4).Text(strings.Repeat("ü", 3000))
		out.Unknown(rule.Whole())
		out.Healthy(rule.Of(frame.Label{Name: "b", Value: "2"}).With(frame.Label{Name: "a", Value: "1"}), 0)
		return nil
	}
	x := newTest(t, e, ruletest.Options{Inputs: inputs})
	got, _ := x.Verdicts(0)
	if len(got) != 3 || got[0].Threshold != 1 || got[0].Severity != 4 || len(got[0].Text) != 4096 || !math.IsNaN(got[1].Value) ||
		got[0].Labels.String() != `{job="a"}` || got[2].Labels.String() != `{a="1",b="2"}` {
		t.Errorf("got %.1000v", got)
	}
	e.eval = func(*everything, rule.Window, *rule.Verdicts) error { return rule.ErrNoVerdict }
	if got := x.At(0); !slices.Equal(got, []string{"no verdict"}) {
		t.Errorf("got %q", got)
	}
}

func TestTooManyVerdicts(t *testing.T) {
	e := &everything{}
	label := func(i int) rule.Instance {
		return rule.Of(frame.Label{Name: "i", Value: strings.Repeat("x", i%500) + string(rune('a'+i/500%26)) + string(rune('a'+i/13000%26))})
	}
	e.eval = func(_ *everything, _ rule.Window, out *rule.Verdicts) error {
		for i := range 13_000 {
			out.Healthy(label(i), 0)
		}
		for i := range 13_000 {
			out.Active(label(i).With(frame.Label{Name: "active", Value: "yes"}), 0)
		}
		return nil
	}
	x := newTest(t, e, ruletest.Options{Inputs: map[string]ruletest.Input{"in": {Series: `m 1`}}})
	got, _ := x.Verdicts(0)
	healthy := 0
	for _, v := range got {
		if v.Status == abi.Healthy {
			healthy++
		}
	}
	if healthy != 1000 || len(got) < 2000 || len(got) > 10_000 {
		t.Errorf("%d verdicts, %d of them healthy: health that goes without saying should give way", len(got), healthy)
	}
}

func TestMistakes(t *testing.T) {
	block := abi.PutParams(nil)
	s, err := rule.NewSession(&everything{eval: func(*everything, rule.Window, *rule.Verdicts) error { return errors.New("no") }}, block)
	if err != nil {
		t.Fatal(err)
	}
	w := &abi.Window{Generation: 5}
	window := make([]byte, abi.WindowSize(w))
	abi.PutWindow(window, w)
	if code, err := s.Eval(window); code != abi.BadInput || err == nil {
		t.Errorf("a window without series: %v, %v", code, err)
	}
	dict, err := abi.EncodeDictionary(&abi.Dictionary{Generation: 5}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Series(dict); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Eval(window); code != abi.BadInput || err == nil || !strings.Contains(err.Error(), "0 inputs, the rule has 3") {
		t.Errorf("a window without inputs: %v, %v", code, err)
	}
	if _, err := s.Eval(window[:10]); err == nil {
		t.Error("a window cut short passes")
	}
	if err := s.Series(nil); err == nil {
		t.Error("an empty dictionary passes")
	}
}

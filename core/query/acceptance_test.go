package query

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/almost"

	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// TestPrometheusAcceptance evaluates the expressions of Prometheus' own acceptance tests over windows. What a file loads
// goes through frames into a window store which keeps what the expression demands, up to the time of the evaluation as
// in real life, and the expression is evaluated as a rule. The result has to be that of Prometheus' engine over the same
// samples as they are, and what the file expects.
//
// What cannot be a rule is counted by reason.
func TestPrometheusAcceptance(t *testing.T) {
	a := acceptance{
		ours: New(Options{}),
		plain: promql.NewEngine(promql.EngineOpts{
			MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
			NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
			Parser:                   parser.NewParser(parser.Options{}),
		}),
		skipped: make(map[string]int),
	}
	for _, file := range acceptanceFiles(t) {
		t.Run(file.name, func(t *testing.T) {
			before := a.ran
			for _, e := range file.evaluations {
				a.run(t, e)
			}
			if rest := len(file.evaluations) - (a.ran - before); rest > 0 {
				t.Logf("%d of %d evaluations ran", a.ran-before, len(file.evaluations))
			}
			a.skipped["range queries: a rule is evaluated at one time"] += file.ranges
		})
	}
	t.Logf("%d evaluations over windows gave what Prometheus gives and its files expect; in %d of them that is an error", a.ran, a.refused)
	for _, reason := range slices.Sorted(maps.Keys(a.skipped)) {
		t.Logf("%d did not run: %s", a.skipped[reason], reason)
	}
	if a.ran < 700 || a.refused < 10 {
		t.Errorf("%d ran, %d of them errors: this test hardly tests any more", a.ran, a.refused)
	}
}

type acceptance struct {
	ours         *Engine
	plain        *promql.Engine // Prometheus as it comes, without feature flags
	ran, refused int
	skipped      map[string]int
}

// run evaluates, or counts why not.
func (a *acceptance) run(t *testing.T, e evaluationCase) {
	if reason := a.unfit(e); reason != "" {
		a.skipped[reason]++
		return
	}
	ctx := t.Context()
	want := a.exec(ctx, a.plain, e.samples, e)
	store := window.New(window.Options{})
	rule, err := a.ours.Bind(ctx, store, e.text)
	if err != nil {
		t.Errorf("line %d: %s: %v", e.line, e.text, err)
		return
	}
	defer rule.Close()
	e.samples.feed(t, store, e.at)
	got := a.exec(ctx, a.ours.promql, rule.read(e.at), e)
	if diff := difference(want, got); diff != "" {
		t.Errorf("line %d: %s at %s: %s\nPrometheus:\n%v\nover windows:\n%v", e.line, e.text, e.at.UTC(), diff, want, got)
	}
	a.verdicts(t, e, rule, got)
	switch {
	case e.expects(want) != "":
		a.skipped["a feature flag changes the result (without the flag it is the same over windows)"]++
		return
	case e.expects(got) != "":
		t.Errorf("line %d: %s: %s", e.line, e.text, e.expects(got))
	case got.Err != nil:
		a.refused++
	}
	a.ran++
}

// unfit says why an expression cannot be a rule, or cannot be evaluated at all.
func (a *acceptance) unfit(e evaluationCase) string {
	expr, err := a.ours.parser.ParseExpr(e.text)
	switch {
	case err != nil && e.fails:
		return "not PromQL, as expected"
	case err != nil:
		return "syntax or functions behind a feature flag"
	case expr.Type() != parser.ValueTypeVector && expr.Type() != parser.ValueTypeScalar:
		return "the result is a " + parser.DocumentedType(expr.Type()) + ": rules refuse that"
	case isPinned(expr):
		return "@ with a fixed time: rules refuse that"
	case strings.Contains(e.text, "offset -"):
		return "a negative offset: it reads what comes after the evaluation"
	case e.samples.histograms(expr):
		return "native histograms: they are not in the store"
	}
	return ""
}

func (a *acceptance) exec(ctx context.Context, engine *promql.Engine, over storage.Querier, e evaluationCase) *promql.Result {
	queryable := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return over, nil })
	q, err := engine.NewInstantQuery(ctx, queryable, nil, e.text, e.at)
	if err != nil {
		return &promql.Result{Err: err}
	}
	return q.Exec(ctx)
}

// verdicts holds what the rule says against the result of the engine.
func (a *acceptance) verdicts(t *testing.T, e evaluationCase, rule *Rule, want *promql.Result) {
	result, err := rule.Eval(t.Context(), e.at)
	if (err != nil) != (want.Err != nil) {
		t.Errorf("line %d: %s: the rule's error is %v, that of the engine %v", e.line, e.text, err, want.Err)
	}
	if elements := elementsOf(want); len(result.Verdicts) != len(elements) {
		t.Errorf("line %d: %s: %d instances of %d elements", e.line, e.text, len(result.Verdicts), len(elements))
	}
}

// element is one element of a result.
type element struct {
	labels string
	value  float64
}

func elementsOf(r *promql.Result) (all []element) {
	switch v := r.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			all = append(all, element{s.Metric.String(), s.F})
		}
	case promql.Scalar:
		all = append(all, element{"{}", v.V})
	}
	return all
}

// difference says how two results differ. Elements may come in any order, and sums may be rounded differently for that.
func difference(want, got *promql.Result) string {
	if want.Err != nil || got.Err != nil {
		if want.Err == nil || got.Err == nil {
			return "one is an error"
		}
		return ""
	}
	if w, g := messages(want), messages(got); w != g {
		return fmt.Sprintf("warnings %q, want %q", g, w)
	}
	return compare(elementsOf(want), elementsOf(got), 1e-9)
}

func messages(r *promql.Result) string {
	warnings, infos := r.Warnings.AsStrings("", 0, 0)
	return strings.Join(slices.Sorted(slices.Values(append(warnings, infos...))), "; ")
}

func compare(want, got []element, tolerance float64) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d elements, want %d", len(got), len(want))
	}
	byLabels := func(a, b element) int { return cmp.Compare(a.labels, b.labels) }
	want, got = slices.SortedFunc(slices.Values(want), byLabels), slices.SortedFunc(slices.Values(got), byLabels)
	for i, w := range want {
		if g := got[i]; g.labels != w.labels || !almost.Equal(w.value, g.value, tolerance) {
			return fmt.Sprintf("%s is %g, want %s to be %g", g.labels, g.value, w.labels, w.value)
		}
	}
	return ""
}

// expects says how a result differs from what the file expects.
func (e evaluationCase) expects(r *promql.Result) string {
	if e.fails || r.Err != nil {
		if e.fails != (r.Err != nil) {
			return fmt.Sprintf("error %v, want one: %v", r.Err, e.fails)
		}
		return ""
	}
	got := elementsOf(r)
	if e.ordered {
		for i := range min(len(got), len(e.want)) {
			if got[i].labels != e.want[i].labels {
				return fmt.Sprintf("%s comes before %s", got[i].labels, e.want[i].labels)
			}
		}
	}
	return compare(e.want, got, 1e-6)
}

// feed gives the store the samples up to a time, one target for all series that have the same times.
func (s *sampleSet) feed(t *testing.T, store *window.Store, until time.Time) {
	type group struct {
		layout frame.Layout
		series []promql.Series
	}
	groups := make(map[string]*group)
	var order []*group // sums of floats depend on the order of series
	for _, series := range s.series {
		var times []int64
		for _, p := range series.Floats {
			times = append(times, p.T)
		}
		key := fmt.Sprint(times)
		if groups[key] == nil {
			groups[key] = &group{}
			order = append(order, groups[key])
		}
		g := groups[key]
		var set []frame.Label
		series.Metric.Range(func(l labels.Label) { set = append(set, frame.Label{Name: l.Name, Value: l.Value}) })
		g.layout.Series = append(g.layout.Series, frame.Series{Labels: frame.NewLabels(set...)})
		g.series = append(g.series, series)
	}
	for _, g := range order {
		points := g.series[0].Floats
		interval := time.Minute
		for i := 1; i < len(points); i++ {
			interval = min(interval, time.Duration(points[i].T-points[i-1].T)*time.Millisecond)
		}
		target := store.Open(nil, interval)
		for i, p := range points {
			if p.T > until.UnixMilli() {
				break
			}
			row := frame.Frame{Layout: &g.layout, Time: p.T}
			for _, series := range g.series {
				row.Values = append(row.Values, series.Floats[i].F)
			}
			if err := target.Append(row, frame.Frame{Layout: &frame.Layout{}, Time: p.T}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

package query

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
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
// What cannot be a rule is counted by reason. Native histograms go through frames as a source would take them apart.
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
	all := 0
	for _, file := range acceptanceFiles(t) {
		all += len(file.evaluations)
		t.Run(file.name, func(t *testing.T) {
			before := a.ran
			for _, e := range file.evaluations {
				a.run(t, e)
			}
			if rest := len(file.evaluations) - (a.ran - before); rest > 0 {
				t.Logf("%d of %d evaluations ran", a.ran-before, len(file.evaluations))
			}
		})
	}
	t.Logf("%d of %d evaluations gave over windows what Prometheus gives and its files expect; %d of them go over a range of times, and %d are errors there too",
		a.ran, all, a.ranges, a.refused)
	for _, reason := range slices.Sorted(maps.Keys(a.skipped)) {
		t.Logf("%d did not run: %s", a.skipped[reason], reason)
	}
	if a.ran < 1600 || a.refused < 10 {
		t.Errorf("%d ran, %d of them errors: this test hardly tests any more", a.ran, a.refused)
	}
}

type acceptance struct {
	ours         *Engine
	plain        *promql.Engine // Prometheus as it comes, without feature flags
	ran, refused int
	ranges       int // of those that ran: evaluations again and again
	skipped      map[string]int
}

// run evaluates at all times of the case, or counts why not. The rule stays bound, and its windows move on.
func (a *acceptance) run(t *testing.T, e evaluationCase) {
	if reason := a.unfit(e); reason != "" {
		a.skipped[reason]++
		return
	}
	store := window.New(window.Options{})
	rule, err := a.ours.Bind(t.Context(), store, e.text)
	if err != nil {
		t.Errorf("line %d: %s: %v", e.line, e.text, err)
		return
	}
	defer rule.Close()
	feed := e.samples.feed(store)
	var failed, flagged bool
	for i, at := range e.times {
		feed.until(t, at)
		want := a.exec(t.Context(), a.plain, e.samples, e.text, at)
		got := a.exec(t.Context(), a.ours.promql, rule.read(at), e.text, at)
		if diff := difference(want, got); diff != "" {
			t.Errorf("line %d: %s at %s: %s\nPrometheus:\n%v\nover windows:\n%v", e.line, e.text, at.UTC(), diff, want, got)
		}
		a.verdicts(t, e, rule, at, got)
		failed = failed || got.Err != nil
		flagged = flagged || e.expects(i, want) != ""
		if !flagged && e.expects(i, got) != "" {
			t.Errorf("line %d: %s: %s", e.line, e.text, e.expects(i, got))
		}
	}
	switch {
	case flagged || e.fails && !failed:
		a.skipped["a feature flag changes the result (without the flag it is the same over windows)"]++
		return
	case failed:
		a.refused++
	}
	a.ran++
	if e.isRange() {
		a.ranges++
	}
}

// flagged reads what Prometheus reads with all feature flags set.
var flagged = parser.NewParser(parser.Options{
	EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
})

// unfit says why an expression cannot be a rule, or cannot be evaluated at all.
func (a *acceptance) unfit(e evaluationCase) string {
	expr, err := a.ours.parser.ParseExpr(e.text)
	if err != nil {
		if _, err := flagged.ParseExpr(e.text); err == nil {
			return "syntax or functions behind a feature flag"
		}
		return "" // and to bind it fails
	}
	switch {
	case expr.Type() != parser.ValueTypeVector && expr.Type() != parser.ValueTypeScalar:
		return "the result is a " + parser.DocumentedType(expr.Type()) + ": rules refuse that"
	case isPinned(expr):
		return "@ with a fixed time: rules refuse that"
	case e.isRange() && strings.Contains(e.text, "@"):
		return "@ start() or end() of a range: a rule is evaluated at one time"
	case strings.Contains(e.text, "offset -"):
		return "a negative offset: it reads what comes after the evaluation"
	case e.samples.hints(expr):
		return "histograms that say whether they were reset, or are gauges only at times: no page says that"
	}
	return ""
}

func (a *acceptance) exec(ctx context.Context, engine *promql.Engine, over storage.Querier, text string, at time.Time) *promql.Result {
	queryable := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return over, nil })
	q, err := engine.NewInstantQuery(ctx, queryable, nil, text, at)
	if err != nil {
		return &promql.Result{Err: err}
	}
	return q.Exec(ctx)
}

// verdicts holds what the rule says against the result of the engine.
func (a *acceptance) verdicts(t *testing.T, e evaluationCase, rule *Rule, at time.Time, want *promql.Result) {
	result, err := rule.Eval(t.Context(), at)
	if (err != nil) != (want.Err != nil) {
		t.Errorf("line %d: %s: the rule's error is %v, that of the engine %v", e.line, e.text, err, want.Err)
	}
	if elements := elementsOf(want); len(result.Verdicts) != len(elements) {
		t.Errorf("line %d: %s: %d instances of %d elements", e.line, e.text, len(result.Verdicts), len(elements))
	}
}

// element is one element of a result.
type element struct {
	labels    string
	value     float64
	histogram *histogram.FloatHistogram // nil for a number
}

func elementsOf(r *promql.Result) (all []element) {
	switch v := r.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			all = append(all, element{s.Metric.String(), s.F, s.H})
		}
	case promql.Scalar:
		all = append(all, element{"{}", v.V, nil})
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
		} else if !sameHistogram(w.histogram, g.histogram, tolerance) {
			return fmt.Sprintf("%s is %s, want %s", g.labels, g.histogram, w.histogram)
		}
	}
	return ""
}

// sameHistogram compares all but the hint about resets.
func sameHistogram(a, b *histogram.FloatHistogram, tolerance float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	a, b = a.Copy().Compact(0), b.Copy().Compact(0)
	near := func(x, y float64) bool { return almost.Equal(x, y, tolerance) }
	return a.Schema == b.Schema && a.ZeroThreshold == b.ZeroThreshold && slices.Equal(a.CustomValues, b.CustomValues) &&
		near(a.Count, b.Count) && near(a.Sum, b.Sum) && near(a.ZeroCount, b.ZeroCount) &&
		slices.Equal(a.PositiveSpans, b.PositiveSpans) && slices.EqualFunc(a.PositiveBuckets, b.PositiveBuckets, near) &&
		slices.Equal(a.NegativeSpans, b.NegativeSpans) && slices.EqualFunc(a.NegativeBuckets, b.NegativeBuckets, near)
}

// expects says how the result at the i-th time differs from what the file expects. Of a range that fails it says only
// that: it does not say when.
func (e evaluationCase) expects(i int, r *promql.Result) string {
	if e.fails && e.isRange() {
		return ""
	}
	if e.fails || r.Err != nil {
		if e.fails != (r.Err != nil) {
			return fmt.Sprintf("error %v, want one: %v", r.Err, e.fails)
		}
		return ""
	}
	got := elementsOf(r)
	if e.ordered {
		for k := range min(len(got), len(e.want[i])) {
			if got[k].labels != e.want[i][k].labels {
				return fmt.Sprintf("%s comes before %s", got[k].labels, e.want[i][k].labels)
			}
		}
	}
	return compare(e.want[i], got, 1e-6)
}

// feeder gives a store the samples of a set as time goes by, one target for all series that have the same times.
type feeder []*feedTarget

type feedTarget struct {
	*window.Target
	layout *frame.Layout
	series []promql.Series
	times  []int64
	next   int
}

func (s *sampleSet) feed(store *window.Store) (all feeder) {
	targets := make(map[string]*feedTarget)
	for _, series := range s.series { // in their order: sums of floats depend on it
		times := timesOf(series)
		key := fmt.Sprint(times)
		if targets[key] == nil {
			targets[key] = &feedTarget{Target: store.Open(nil, intervalOf(times)), times: times, layout: &frame.Layout{}}
			all = append(all, targets[key])
		}
		targets[key].series = append(targets[key].series, series)
	}
	return all
}

func timesOf(s promql.Series) (times []int64) {
	for _, p := range s.Floats {
		times = append(times, p.T)
	}
	for _, p := range s.Histograms {
		times = append(times, p.T)
	}
	slices.Sort(times)
	return times
}

func intervalOf(times []int64) time.Duration {
	interval := time.Minute
	for i := 1; i < len(times); i++ {
		interval = min(interval, time.Duration(times[i]-times[i-1])*time.Millisecond)
	}
	return interval
}

// until gives what there was up to a time and was not given yet.
func (f feeder) until(t *testing.T, at time.Time) {
	for _, target := range f {
		for ; target.next < len(target.times) && target.times[target.next] <= at.UnixMilli(); target.next++ {
			row := target.row(target.times[target.next])
			if err := target.Append(row, frame.Frame{Layout: &frame.Layout{}, Time: row.Time}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// row is what the series have at a time, in the layout of the row before if it fits.
func (f *feedTarget) row(at int64) frame.Frame {
	row := frame.Frame{Layout: &frame.Layout{}, Time: at}
	add := func(ls frame.Labels, kind frame.Kind, value float64) {
		row.Layout.Series = append(row.Layout.Series, frame.Series{Labels: ls, Kind: kind})
		row.Values = append(row.Values, value)
	}
	for _, series := range f.series {
		var set []frame.Label
		series.Metric.Range(func(l labels.Label) { set = append(set, frame.Label{Name: l.Name, Value: l.Value}) })
		ls := frame.NewLabels(set...)
		for _, p := range series.Floats {
			if p.T == at {
				add(ls, frame.Untyped, p.F)
			}
		}
		for _, p := range series.Histograms {
			if p.T == at {
				addNative(p.H, func(part frame.Part, kind frame.Kind, value float64) {
					add(ls.With(frame.Label{Name: frame.PartLabel, Value: part.String()}), kind, value)
				})
			}
		}
	}
	if f.layout.Equal(row.Layout) {
		row.Layout = f.layout
	}
	f.layout = row.Layout
	return row
}

// addNative takes a histogram apart.
func addNative(h *histogram.FloatHistogram, add func(frame.Part, frame.Kind, float64)) {
	kind := frame.Histogram
	if h.CounterResetHint == histogram.GaugeType {
		kind = frame.Gauge
	}
	grid := frame.Grid{Schema: h.Schema, Threshold: h.ZeroThreshold}
	if h.UsesCustomBuckets() {
		grid = frame.CustomGrid(h.CustomValues)
	}
	add(frame.Part{Grid: grid, Piece: frame.Observations}, kind, h.Count)
	add(frame.Part{Grid: grid, Piece: frame.Sum}, kind, h.Sum)
	if h.UsesCustomBuckets() {
		counts := make([]float64, len(h.CustomValues)+1)
		for it := h.PositiveBucketIterator(); it.Next(); {
			counts[it.At().Index] = it.At().Count
		}
		for i, upper := range append(slices.Clone(h.CustomValues), math.Inf(1)) {
			add(frame.Part{Grid: grid, Piece: frame.Custom, Upper: upper}, kind, counts[i])
		}
		return
	}
	add(frame.Part{Grid: grid, Piece: frame.Zero}, kind, h.ZeroCount)
	for it := h.PositiveBucketIterator(); it.Next(); {
		add(frame.Part{Grid: grid, Piece: frame.Positive, Index: it.At().Index}, kind, it.At().Count)
	}
	for it := h.NegativeBucketIterator(); it.Next(); {
		add(frame.Part{Grid: grid, Piece: frame.Negative, Index: it.At().Index}, kind, it.At().Count)
	}
}

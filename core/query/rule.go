package query

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// maxVerdicts is how many instances a result may have, as for rule modules.
const maxVerdicts = 10_000

// Rule is an expression bound to the windows that it reads. It is used by one evaluation at a time.
type Rule struct {
	engine  *Engine
	text    string
	reaches []reach
	inputs  map[key]int // index into reaches, and of the window's inputs
	history time.Duration

	view   *window.View
	window abi.Window
	names  names
	since  time.Time // of the first evaluation that saw all targets, zero before it
}

// Result is what an evaluation found. An instance that it leaves out is healthy only while Complete is true and Empty
// and Young are not.
type Result struct {
	Verdicts []abi.Verdict // one for each element of the result, all active
	Complete bool          // all targets of all selectors answered
	Empty    bool          // no selector matches any series, those apart that only absent functions read
	Left     bool          // all targets that had series of a selector were taken away
	Missing  string        // what is missing, for people; "" when nothing is
	Young    string        // how far the windows reach back while the expression reads further, for people; then ""
}

// Bind reads an expression and begins to keep what it needs. The expression has to yield an instant vector, of which
// every element is an active instance, or a scalar, which is one active instance without labels, as in alerting rules of
// Prometheus. Errors are those of the expression.
func (e *Engine) Bind(ctx context.Context, windows *window.Store, text string) (*Rule, error) {
	expr, err := e.parse(text)
	if err != nil {
		return nil, fmt.Errorf("promql %q: %w", text, err)
	}
	r := &Rule{engine: e, text: text, inputs: make(map[key]int)}
	if r.reaches, err = e.reaches(ctx, text, expr); err != nil {
		return nil, fmt.Errorf("promql %q: %w", text, err)
	}
	queries := make([]window.Query, len(r.reaches))
	for i, reach := range r.reaches {
		r.inputs[reach.key] = i
		r.history = max(r.history, reach.history)
		from := max(reach.from, time.Millisecond) // a negative offset reads the future, of which nothing is kept
		queries[i] = window.Query{Matchers: reach.matchers, Window: from, Until: min(max(reach.until, 0), from-time.Millisecond), Stale: true}
	}
	r.view = windows.Bind(queries)
	return r, nil
}

// Eval evaluates the expression over the windows as they stand at that moment.
func (r *Rule) Eval(ctx context.Context, at time.Time) (Result, error) {
	data := r.read(at)
	result := r.coverage(at)
	vector, err := r.engine.evaluate(ctx, data, r.text, at)
	if err != nil {
		return Result{}, fmt.Errorf("evaluate promql: %w", err)
	}
	if len(vector) > maxVerdicts {
		return Result{}, fmt.Errorf("promql finds %d instances, and %d are allowed: aggregate them", len(vector), maxVerdicts)
	}
	result.Verdicts = verdicts(vector)
	return result, nil
}

// read takes the windows of one evaluation.
func (r *Rule) read(at time.Time) *evaluation {
	names := r.names.of(r.view.Read(at, &r.window))
	return &evaluation{Querier: storage.NoopQuerier(), rule: r, names: names, at: at}
}

// coverage tells what of its data an evaluation sees.
func (r *Rule) coverage(at time.Time) Result {
	result := Result{Complete: true}
	var missing []string
	needed, empty := 0, 0
	for i, reach := range r.reaches {
		in := &r.window.Inputs[i]
		if in.TargetsAnswered < in.TargetsExpected {
			result.Complete = false
			missing = append(missing, fmt.Sprintf("%s: %d of %d targets did not answer", reach.selector, in.TargetsExpected-in.TargetsAnswered, in.TargetsExpected))
		}
		if reach.absent {
			continue
		}
		needed++
		switch {
		case len(in.Series) > 0:
		case r.view.Left(i):
			result.Left = true
		default:
			empty++
		}
	}
	if result.Empty = needed > 0 && empty == needed; result.Empty {
		missing = append(missing, "no selector matches a series")
	}
	result.Missing = strings.Join(missing, "; ")
	if result.Complete && r.since.IsZero() {
		r.since = at
		if from := r.view.Since(); !from.IsZero() && from.Before(at) {
			r.since = from
		}
	}
	age := time.Duration(0)
	if !r.since.IsZero() {
		age = at.Sub(r.since)
	}
	if age < r.history {
		result.Young = fmt.Sprintf("the expression reads %s back, and its windows began %s ago", r.history, age.Truncate(time.Second))
	}
	return result
}

// verdicts turns the elements of a result into instances.
func verdicts(vector promql.Vector) []abi.Verdict {
	all := make([]abi.Verdict, len(vector))
	for i, sample := range vector {
		all[i] = abi.Verdict{Labels: identity(sample.Metric), Status: abi.Active, Value: sample.F, Threshold: math.NaN()}
	}
	return all
}

// Close ends the demand on the windows.
func (r *Rule) Close() { r.view.Close() }

// evaluation is the [storage.Querier] of one evaluation: its selections are the inputs of the window.
type evaluation struct {
	storage.Querier
	rule  *Rule
	names *names
	at    time.Time
}

// Select implements [storage.Querier].
func (e *evaluation) Select(_ context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	k := keyOf(matchers, e.at, hints)
	i, ok := e.rule.inputs[k]
	if !ok {
		return storage.ErrSeriesSet(fmt.Errorf("%s over %s until %s before the evaluation was not foreseen when the rule was bound", k.selector, k.from, k.until))
	}
	return newSeriesSet(&e.rule.window.Inputs[i], e.names, sorted)
}

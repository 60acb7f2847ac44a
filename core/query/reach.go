package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// reach is one selection that an expression makes: which series, and which part of their past.
type reach struct {
	key
	matchers []*labels.Matcher
	history  time.Duration // how much past its meaning depends on; the lookback of an instant selector is none
	absent   bool          // only absent functions read it: that it matches nothing is an answer
}

// key is the same for the same selection: the samples with at-from < t ≤ at-until, at being the time of the evaluation.
type key struct {
	selector    string
	from, until time.Duration
}

func keyOf(matchers []*labels.Matcher, at time.Time, hints *storage.SelectHints) key {
	before := func(t int64) time.Duration { return time.Duration(at.UnixMilli()-t) * time.Millisecond }
	return key{selectorOf(matchers), before(hints.Start - 1), before(hints.End)} // hints include both ends
}

// selectorOf writes matchers as a selector, the same for the same set.
func selectorOf(matchers []*labels.Matcher) string {
	var name string
	var texts []string
	for _, m := range matchers {
		if m.Name == frame.MetricName && m.Type == labels.MatchEqual && name == "" && model.LegacyValidation.IsValidMetricName(m.Value) {
			name = m.Value
			continue
		}
		texts = append(texts, m.String())
	}
	if len(texts) == 0 {
		return name
	}
	slices.Sort(texts)
	return name + "{" + strings.Join(texts, ",") + "}"
}

// reaches asks the engine what it would read for an expression, each selection once.
func (e *Engine) reaches(ctx context.Context, text string, expr parser.Expr) ([]reach, error) {
	r := recorder{Querier: storage.NoopQuerier(), at: time.UnixMilli(1 << 41), lookback: e.lookback, absent: absentOnly(expr)}
	q, err := e.query(ctx, &r, text, r.at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	q.Exec(ctx) // selects first, then evaluates; that some expressions fail without data says nothing about them
	return r.found, ctx.Err()
}

// absentOnly tells of each selector of an expression whether all its uses stand inside absent functions.
func absentOnly(expr parser.Expr) map[string]bool {
	only := make(map[string]bool)
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		selector, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		inside := slices.ContainsFunc(path, func(n parser.Node) bool {
			call, ok := n.(*parser.Call)
			return ok && strings.HasPrefix(call.Func.Name, "absent")
		})
		text := selectorOf(selector.LabelMatchers)
		before, seen := only[text]
		only[text] = inside && (before || !seen)
		return nil
	})
	return only
}

// recorder is a [storage.Querier] without series that notes what is selected.
type recorder struct {
	storage.Querier
	at       time.Time
	lookback time.Duration
	absent   map[string]bool
	found    []reach
}

// Select implements [storage.Querier].
func (r *recorder) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	k := keyOf(matchers, r.at, hints)
	if !slices.ContainsFunc(r.found, func(known reach) bool { return known.key == k }) {
		history := k.from
		if hints.Range == 0 {
			history -= r.lookback
		}
		r.found = append(r.found, reach{key: k, matchers: matchers, history: history, absent: r.absent[k.selector]})
	}
	return storage.EmptySeriesSet()
}

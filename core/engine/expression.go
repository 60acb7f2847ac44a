package engine

import (
	"context"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/query"
	"github.com/tocsinhq/tocsin/core/rule"
)

// expression is a rule with promql as the rule manager sees it.
type expression struct{ rule *query.Rule }

// Eval evaluates the expression over the windows as they stand at that moment.
func (x *expression) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	r, err := x.rule.Eval(ctx, at)
	return rule.Evaluation{
		Verdicts: r.Verdicts, Complete: r.Complete, Empty: r.Empty, Left: r.Left, Missing: r.Missing, Young: r.Young,
	}, err
}

// Close ends the demand on the windows.
func (x *expression) Close(context.Context) error {
	x.rule.Close()
	return nil
}

// withoutData is how often a rule is evaluated that reads nothing, such as vector(1).
const withoutData = time.Minute

// defineExpression has a rule judged by its promql.
func (e *Engine) defineExpression(ctx context.Context, s *setup, d *rule.Definition, r config.Rule, promql *query.Engine) error {
	version := config.Version(r.PromQL, s.config.Engine.Lookback)
	x, err := obtain(s, "rule "+r.Name, version, func() (*expression, func(context.Context) error, error) {
		bound, err := promql.Bind(ctx, e.windows, r.PromQL)
		if err != nil {
			return nil, nil, err
		}
		x := &expression{bound}
		return x, x.Close, nil
	})
	if err != nil {
		return err
	}
	selectors := r.Selectors()
	if len(selectors) == 0 && d.Every == 0 {
		d.Every = withoutData
	}
	d.Sources, d.Interval = sourcesOf(selectors, s.config.Sources)
	d.Program = x
	return nil
}

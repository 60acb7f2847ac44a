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
func (x expression) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	r, err := x.rule.Eval(ctx, at)
	return rule.Evaluation{
		Verdicts: r.Verdicts, Complete: r.Complete, Empty: r.Empty, Left: r.Left, Missing: r.Missing, Young: r.Young,
	}, err
}

// Close ends the demand on the windows.
func (x expression) Close(context.Context) error {
	x.rule.Close()
	return nil
}

// withoutData is how often a rule is evaluated that reads nothing, such as vector(1).
const withoutData = time.Minute

// defineExpression has a rule judged by its promql.
func (e *Engine) defineExpression(ctx context.Context, d *rule.Definition, r config.Rule) error {
	bound, err := e.promql.Bind(ctx, e.windows, r.PromQL)
	if err != nil {
		return err
	}
	selectors := r.Selectors()
	if len(selectors) == 0 && d.Every == 0 {
		d.Every = withoutData
	}
	d.Sources, d.Interval = sourcesOf(selectors, e.options.Config.Sources)
	x := expression{bound}
	d.Program = x
	e.opened.push("rule "+r.Name, x.Close)
	return nil
}

// Package query evaluates PromQL over the window store, with Prometheus' own engine.
//
// A [Rule] is an expression that is evaluated again and again. What it reads is found by asking the engine: the
// expression is evaluated once without data, and every selection that the engine makes on the way, with ranges, offsets,
// subqueries and lookback resolved, becomes a demand on the store. So windows are as long as the expression needs, and
// what the engine asks for later is there by construction.
//
// Samples are copied once, out of the rings of the store into a block that one evaluation reads; the engine reads them
// there. Where a series was gone from its target's page, or the page could not be collected, the block has the stale
// marker that Prometheus would have stored.
//
// Native histograms, whose numbers are series of their own in the store, are put together again, and all functions treat
// them as Prometheus does. Of start timestamps and counter resets only what the numbers say is known.
//
// Experimental functions and the other feature flags of Prometheus are off.
package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Options of an engine. The zero value is usable.
type Options struct {
	Lookback   time.Duration // how old the sample of an instant selector may be; 0: 5 minutes, as in Prometheus
	Timeout    time.Duration // of one evaluation; 0: 30 seconds
	MaxSamples int           // that one evaluation may hold at once; 0: 50 million, as in Prometheus
}

// Engine evaluates expressions. It may be used concurrently and bounds neither how many evaluations run at once nor
// what they read: its callers do.
type Engine struct {
	promql   *promql.Engine
	parser   parser.Parser
	lookback time.Duration
}

// subqueryStep is the resolution of subqueries that name none: Prometheus' default evaluation interval.
const subqueryStep = time.Minute

// New returns an engine.
func New(o Options) *Engine {
	e := &Engine{parser: parser.NewParser(parser.Options{}), lookback: cmp.Or(o.Lookback, 5*time.Minute)}
	e.promql = promql.NewEngine(promql.EngineOpts{
		LookbackDelta:            e.lookback,
		Timeout:                  cmp.Or(o.Timeout, 30*time.Second),
		MaxSamples:               cmp.Or(o.MaxSamples, 50_000_000),
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   e.parser,
	})
	return e
}

// query prepares the evaluation of an expression at a time.
func (e *Engine) query(ctx context.Context, over storage.Querier, text string, at time.Time) (promql.Query, error) {
	queryable := storage.QueryableFunc(func(int64, int64) (storage.Querier, error) { return over, nil })
	return e.promql.NewInstantQuery(ctx, queryable, nil, text, at)
}

// evaluate asks the engine for the value of an expression at a time. A scalar is a vector of one element without labels.
func (e *Engine) evaluate(ctx context.Context, over storage.Querier, text string, at time.Time) (promql.Vector, error) {
	q, err := e.query(ctx, over, text, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	switch result := q.Exec(ctx); v := result.Value.(type) {
	case promql.Vector:
		return v, result.Err
	case promql.Scalar:
		return promql.Vector{{F: v.V}}, result.Err
	default:
		return nil, cmp.Or(result.Err, fmt.Errorf("the result is a %T", v))
	}
}

// parse reads the expression of a rule. Its errors say what the expression would have to be.
func (e *Engine) parse(text string) (parser.Expr, error) {
	expr, err := e.parser.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	if t := expr.Type(); t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return nil, fmt.Errorf("it is a %s: a rule needs an instant vector or a scalar", parser.DocumentedType(t))
	}
	if isPinned(expr) {
		return nil, errors.New("it reads a fixed time with @, which a window that moves on cannot keep: use offset, or @ start() and @ end()")
	}
	return expr, nil
}

// isPinned tells whether an expression reads at a time that does not move with the evaluation.
func isPinned(expr parser.Expr) (pinned bool) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			pinned = pinned || n.Timestamp != nil
		case *parser.SubqueryExpr:
			pinned = pinned || n.Timestamp != nil
		}
		return nil
	})
	return pinned
}

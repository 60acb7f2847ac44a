package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Selectors are the matchers of everything that the rule reads.
func (r Rule) Selectors() (all [][]*labels.Matcher) {
	for _, in := range r.Inputs {
		all = append(all, in.Matchers)
	}
	if r.PromQL == "" {
		return all
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.PromQL)
	if err != nil {
		return all // a configuration with it was refused
	}
	return append(all, parser.ExtractSelectors(expr)...)
}

// twoSamples are the functions that yield nothing for a range with a single sample.
var twoSamples = []string{"rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"}

// expression decodes the PromQL expression of a rule. Experimental functions and syntax are unknown here, as they are to
// a Prometheus without feature flags.
func (l *loader) expression(i item, sources []Source) (string, bool) {
	if len(i.text) > maxSelector {
		l.errorf(i.expr.Range(), "Invalid expression", "It is longer than %d bytes.", maxSelector)
		return "", false
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(i.text)
	if err != nil {
		l.promqlError(i, "Invalid expression", 0, err, "")
		return "", false
	}
	switch expr.Type() {
	case parser.ValueTypeVector:
	case parser.ValueTypeScalar:
		l.warnf(i.expr.Range(), "Rule that always fires", "A scalar is one alert that is always active, whatever its value. If that is meant, write vector(1).")
	default:
		l.errorf(i.expr.Range(), "Invalid expression", "It is a %s. A rule needs an instant vector, of which every element is an alert.", parser.DocumentedType(expr.Type()))
		return "", false
	}
	c := expressionCheck{loader: l, item: i, sources: sources}
	parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
		c.node(n, path)
		return nil
	})
	return i.text, !c.failed
}

// expressionCheck looks at what an expression reads.
type expressionCheck struct {
	*loader
	item    item
	sources []Source
	failed  bool
}

func (c *expressionCheck) node(n parser.Node, path []parser.Node) {
	switch n := n.(type) {
	case *parser.SubqueryExpr:
		c.moments(n, n.Timestamp, n.OriginalOffset)
	case *parser.VectorSelector:
		c.moments(n, n.Timestamp, n.OriginalOffset)
		c.reach(n, path)
	}
}

// moments complains about times at which there is nothing to read.
func (c *expressionCheck) moments(n parser.Node, fixed *int64, offset time.Duration) {
	if fixed != nil {
		c.failed = true
		c.errorf(c.at(n), "Fixed time", "@ with a time reads the same moment for ever, but windows move on and forget it. Use offset, or @ start() or @ end(), which are the time of the evaluation.")
	}
	if offset < 0 {
		c.warnf(c.at(n), "Negative offset", "This reads what comes after the evaluation, and then nothing is known yet.")
	}
}

// reach warns about selectors that look back too little for how often their source is collected.
func (c *expressionCheck) reach(n *parser.VectorSelector, path []parser.Node) {
	source := slowest(n.LabelMatchers, c.sources)
	matrix, call := around(path)
	every := formatDuration(source.Interval)
	switch lookback := c.lookback; {
	case source.Interval == 0:
	case matrix == nil && lookback < source.Interval:
		c.warnf(c.at(n), "Samples too far apart", "A sample counts for %s, but source %q %q is collected every %s: between, this reads nothing. Set lookback_delta in the engine block to more than %s.",
			formatDuration(lookback), source.Kind, source.Name, every, every)
	case matrix != nil && matrix.Range < source.Interval:
		c.warnf(c.at(matrix), "Range shorter than interval", "This range of %s would often be empty: source %q %q is collected every %s.",
			formatDuration(matrix.Range), source.Kind, source.Name, every)
	case matrix != nil && matrix.Range < 2*source.Interval && call != nil && slices.Contains(twoSamples, call.Func.Name):
		c.warnf(c.at(matrix), "Range shorter than two intervals", "%s needs two samples, and this range of %s would often hold one: source %q %q is collected every %s. Four intervals are a good range.",
			call.Func.Name, formatDuration(matrix.Range), source.Kind, source.Name, every)
	}
}

// around finds the range that a selector has, and the function that reads it.
func around(path []parser.Node) (matrix *parser.MatrixSelector, call *parser.Call) {
	for _, n := range slices.Backward(path) {
		switch n := n.(type) {
		case *parser.MatrixSelector:
			matrix = n
		case *parser.Call:
			return matrix, n
		case *parser.SubqueryExpr, *parser.AggregateExpr, *parser.BinaryExpr:
			return matrix, nil
		}
	}
	return matrix, nil
}

// at is the place of a node in the source.
func (c *expressionCheck) at(n parser.Node) hcl.Range {
	p := n.PositionRange()
	return c.within(c.item.expr, c.item.text, int(p.Start), int(p.End))
}

// slowest is the source with the longest interval of those that a selector certainly speaks of; its interval is 0 if
// there is none.
func slowest(matchers []*labels.Matcher, sources []Source) (slowest Source) {
	for _, s := range sources {
		match, named := s.mayMatch(matchers)
		if match && (named || len(sources) == 1) && s.Interval > slowest.Interval {
			slowest = s
		}
	}
	return slowest
}

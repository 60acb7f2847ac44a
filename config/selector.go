package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/zclconf/go-cty/cty"
)

// maxSelector is how long a selector or expression may be: what is longer is no work of people.
const maxSelector = 16 << 10

// selector parses a PromQL series selector.
func (l *loader) selector(i item) ([]*labels.Matcher, bool) {
	if len(i.text) > maxSelector {
		l.errorf(i.expr.Range(), "Invalid selector", "It is longer than %d bytes.", maxSelector)
		return nil, false
	}
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(i.text)
	if err != nil {
		l.promqlError(i, "Invalid selector", 0, err, selectorHint(i.text))
		return nil, false
	}
	for _, m := range matchers {
		if !m.Matches("") {
			return matchers, true
		}
	}
	l.errorf(i.expr.Range(), "Invalid selector", "It would match every series: name a metric, or give a matcher that does not match the empty string.")
	return nil, false
}

// selectorHint says what to do about selectors that are more than that.
func selectorHint(text string) string {
	switch {
	case strings.HasSuffix(strings.TrimSpace(text), "]"):
		return " The range belongs into window = \"5m\"."
	case strings.Contains(text, "("):
		return " A selector is a metric name and matchers, without functions: the module does the arithmetic."
	}
	return ""
}

// bareValue is a matcher as Alertmanager allows it and PromQL does not.
var bareValue = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*([^\s'"{},]+)\s*$`)

// matchers parses what stands between the braces of a selector: severity='critical', team!~"a|b". All must hold.
func (l *loader) matchers(i item, what string) ([]*labels.Matcher, bool) {
	if len(i.text) > maxSelector {
		l.errorf(i.expr.Range(), "Invalid matcher", "It is longer than %d bytes.", maxSelector)
		return nil, false
	}
	text, shift := i.text, 1
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") && strings.HasSuffix(trimmed, "}") {
		shift = 0
	} else {
		text = "{" + text + "}"
	}
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
	if err == nil && len(matchers) == 0 {
		err = errors.New("a matcher such as severity='critical' is required")
	}
	if err == nil {
		return matchers, true
	}
	hint := ""
	if m := bareValue.FindStringSubmatch(i.text); m != nil && !i.secret {
		hint = " Quote the value: " + m[1] + m[2] + "'" + m[3] + "'."
	}
	l.promqlError(i, "Invalid matcher in "+what, shift, err, hint)
	return nil, false
}

// matchList decodes an attribute that is a list of matchers.
func (l *loader) matchList(b body, name string) (all []*labels.Matcher) {
	items, _ := b.list(name)
	for _, i := range items {
		if matchers, ok := l.matchers(i, name); ok {
			all = append(all, matchers...)
		}
	}
	return all
}

// promqlError reports an error of the PromQL parser at its place in the string; shift is what was put before the text.
func (l *loader) promqlError(i item, summary string, shift int, err error, hint string) {
	at, message := i.expr.Range(), err.Error()
	var all parser.ParseErrors
	var one *parser.ParseErr
	switch {
	case errors.As(err, &all) && len(all) > 0:
		one = &all[0]
	case errors.As(err, &one):
	}
	if one != nil {
		at = l.within(i.expr, i.text, int(one.PositionRange.Start)-shift, int(one.PositionRange.End)-shift)
		message = one.Err.Error()
	}
	if i.secret {
		l.errorf(i.expr.Range(), summary, "It cannot be parsed; the reason is not shown because it may hold a sensitive value.")
		return
	}
	l.errorf(at, summary, "%s%s", sentence(capital(message)), hint)
}

// capital makes the first letter a capital one.
func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// itemOf is a string attribute with its place.
func (b body) itemOf(name string) (item, bool) {
	attr := b.content.Attributes[name]
	if attr == nil {
		return item{}, false
	}
	v, ok := b.l.eval(attr.Expr)
	if !ok {
		return item{}, false
	}
	text, ok := b.value(name, cty.String)
	if !ok {
		return item{}, false
	}
	return item{key: name, text: text.AsString(), expr: attr.Expr, secret: isSensitive(v)}, true
}

package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// attributeValue checks one attribute of a schema, with what its complaints need.
type attributeValue struct {
	l      *loader
	spec   schema.Attribute
	secret bool // values must not be shown
	ok     bool
}

// attribute evaluates and checks an attribute that a schema describes. The value is as encoding/json would write it
// (float64, int64, string, bool, []any, map[string]any), wrapped in secretValue where it must not be shown.
// It reports false for null, which is the same as absent, and after a complaint.
func (l *loader) attribute(spec schema.Attribute, expr hcl.Expression) (any, bool) {
	v, ok := l.eval(expr)
	if !ok {
		return nil, false
	}
	a := &attributeValue{l: l, spec: spec, secret: spec.Sensitive || isSensitive(v), ok: true}
	v, _ = v.UnmarkDeep()
	if v.IsNull() {
		if spec.Required {
			l.errorf(expr.Range(), "Missing argument", "%s is required and cannot be null%s", spec.Name, purpose(spec.Description))
		}
		return nil, false
	}
	if a.secret {
		l.remember(v)
	}
	value := a.whole(v, expr)
	if !a.ok {
		return nil, false
	}
	if spec.Sensitive && isLiteral(expr) {
		l.warnf(expr.Range(), "Secret in the configuration", "%s is a secret. Keep it out of the file: use a variable that is sensitive, env(\"NAME\") or file(\"PATH\").", spec.Name)
	}
	if a.secret {
		value = secretValue{value}
	}
	return value, true
}

// fail complains about the value, or one element of it. The format's arguments must not hold the value: hint may, and is
// left out of complaints about secrets.
func (a *attributeValue) fail(at hcl.Range, summary, rule, hint string) {
	a.ok = false
	if a.secret {
		hint = ""
	}
	a.l.errorf(at, summary, "%s", sentence(a.spec.Name+" "+rule+hint))
}

func (a *attributeValue) whole(v cty.Value, expr hcl.Expression) any {
	if inner, ok := strings.CutPrefix(string(a.spec.Type), "list("); ok {
		return a.list(v, schema.Type(strings.TrimSuffix(inner, ")")), expr)
	}
	if inner, ok := strings.CutPrefix(string(a.spec.Type), "map("); ok {
		return a.table(v, schema.Type(strings.TrimSuffix(inner, ")")), expr)
	}
	return a.scalar(v, a.spec.Type, expr)
}

func (a *attributeValue) list(v cty.Value, element schema.Type, expr hcl.Expression) any {
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		a.fail(expr.Range(), "Wrong type", "must be a list of "+plural(element)+", not "+kindOf(v)+".", bracketHint(v))
		return nil
	}
	parts, _ := hcl.ExprList(expr)
	all := []any{}
	for it, i := v.ElementIterator(), 0; it.Next(); i++ {
		_, e := it.Element()
		place := expr
		if len(parts) == v.LengthInt() {
			place = parts[i]
		}
		all = append(all, a.scalar(e, element, place))
	}
	return all
}

func (a *attributeValue) table(v cty.Value, element schema.Type, expr hcl.Expression) any {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		a.fail(expr.Range(), "Wrong type", "must be an object of "+plural(element)+", not "+kindOf(v)+".", "")
		return nil
	}
	all := map[string]any{}
	for it := v.ElementIterator(); it.Next(); {
		key, e := it.Element()
		all[key.AsString()] = a.scalar(e, element, expr)
	}
	return all
}

func (a *attributeValue) scalar(v cty.Value, t schema.Type, expr hcl.Expression) any {
	if v.IsNull() {
		a.fail(expr.Range(), "Wrong type", "must be "+singular(t)+", not null.", "")
		return nil
	}
	want := map[schema.Type]cty.Type{schema.Bool: cty.Bool, schema.Int: cty.Number, schema.Float: cty.Number, schema.String: cty.String}[t]
	if t == schema.Duration {
		return a.duration(v, expr)
	}
	if want == cty.NilType {
		a.fail(expr.Range(), "Wrong type", fmt.Sprintf("has the type %q in its schema, which this engine does not know.", t), "")
		return nil
	}
	converted, err := convert.Convert(v, want)
	if err != nil {
		a.fail(expr.Range(), "Wrong type", "must be "+singular(t)+", not "+kindOf(v)+".", "")
		return nil
	}
	switch t {
	case schema.Bool:
		return converted.True()
	case schema.String:
		return a.text(converted.AsString(), expr)
	}
	return a.number(converted, t, expr)
}

func (a *attributeValue) number(v cty.Value, t schema.Type, expr hcl.Expression) any {
	if outOfRange(v.AsBigFloat()) {
		a.fail(expr.Range(), "Value out of range", "must be a number that a float64 can hold.", "")
		return nil
	}
	f, _ := v.AsBigFloat().Float64()
	n, accuracy := v.AsBigFloat().Int64()
	if t == schema.Int && accuracy != 0 {
		a.fail(expr.Range(), "Wrong type", "must be a whole number", fmt.Sprintf(", not %s", plain(f)))
		return nil
	}
	a.bounds(f, plain, expr)
	if t == schema.Int {
		return n
	}
	return f
}

// plain writes a number without an exponent where that is short.
func plain(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func (a *attributeValue) bounds(f float64, write func(float64) string, expr hcl.Expression) {
	if a.spec.Min != nil && f < *a.spec.Min {
		a.fail(expr.Range(), "Value out of range", "must be at least "+write(*a.spec.Min), ", not "+write(f)+".")
	}
	if a.spec.Max != nil && f > *a.spec.Max {
		a.fail(expr.Range(), "Value out of range", "must be at most "+write(*a.spec.Max), ", not "+write(f)+".")
	}
}

func (a *attributeValue) duration(v cty.Value, expr hcl.Expression) any {
	d, wrong := durationOf(v, a.secret)
	if wrong != "" {
		a.fail(expr.Range(), "Invalid duration", "must be a duration: "+wrong+".", "")
		return nil
	}
	a.bounds(d.Seconds(), func(s float64) string { return formatDuration(time.Duration(s * 1e9)) }, expr)
	return d.String()
}

func (a *attributeValue) text(text string, expr hcl.Expression) any {
	if a.spec.Enum != nil {
		allowed := false
		for _, e := range a.spec.Enum {
			allowed = allowed || e == text
		}
		if !allowed {
			a.fail(expr.Range(), "Unknown value", "must be "+quoted(a.spec.Enum, "or"), fmt.Sprintf(", not %q.%s", text, suggestion(text, a.spec.Enum)))
		}
	}
	if a.spec.Pattern != "" {
		pattern, err := regexp.Compile(a.spec.Pattern)
		if err == nil && !pattern.MatchString(text) {
			a.fail(expr.Range(), "Value does not match", "must match `"+a.spec.Pattern+"`", fmt.Sprintf(", which %q does not.", text))
		}
	}
	a.format(text, expr)
	return text
}

func (a *attributeValue) format(text string, expr hcl.Expression) {
	switch a.spec.Format {
	case schema.FormatURL:
		if !isURL(text) {
			a.fail(expr.Range(), "Invalid URL", "must be an absolute http or https URL", fmt.Sprintf(", not %q.", text))
		}
	case schema.FormatMatcher:
		matchers, ok := a.l.matchers(item{text: text, expr: expr, secret: a.secret}, a.spec.Name)
		a.ok = a.ok && ok
		if ok && len(matchers) != 1 {
			a.fail(expr.Range(), "Invalid matcher", "must be one matcher, such as code=~'5..'.", "")
		}
	case schema.FormatTemplate:
		tree := parse.New(a.spec.Name)
		tree.Mode = parse.SkipFuncCheck // the plugin knows its functions
		if _, err := tree.Parse(text, "", "", map[string]*parse.Tree{}); err != nil {
			a.ok = false
			a.l.templateError(item{text: text, expr: expr, secret: a.secret}, a.spec.Name, err)
		}
	}
}

func singular(t schema.Type) string {
	switch t {
	case schema.Bool:
		return "true or false"
	case schema.Int:
		return "a whole number"
	case schema.Float:
		return "a number"
	case schema.Duration:
		return "a duration such as \"5m\""
	}
	return "a string"
}

func plural(t schema.Type) string {
	switch t {
	case schema.Bool:
		return "true and false"
	case schema.Int:
		return "whole numbers"
	case schema.Float:
		return "numbers"
	case schema.Duration:
		return "durations"
	}
	return "strings"
}

package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// envPrefix is what the environment variables begin with that set variables.
const envPrefix = "TOCSIN_VAR_"

// variable is a variable block.
type variable struct {
	block     *hcl.Block
	name      string
	sensitive bool
	typ       cty.Type // DynamicPseudoType: any
	fallback  cty.Value
	hasValue  bool // fallback is set
	broken    bool // complained about
}

// resolveVariables gives every variable its value: from -var, else *.tocsinvars (later files win), else the environment,
// else the default.
func (l *loader) resolveVariables(files []*file) {
	var all []*variable
	byName := map[string]*variable{}
	for _, b := range l.blocks["variable"] {
		if l.declare("variable", b.Labels[0], b, identifier) {
			v := l.variable(b)
			all = append(all, v)
			byName[v.name] = v
		}
	}
	set := map[string]cty.Value{}
	l.fromEnvironment(all, set)
	for _, f := range files {
		l.fromFile(f, byName, set)
	}
	l.fromOptions(byName, set)

	values := map[string]cty.Value{}
	for _, v := range all {
		value, ok := set[v.name]
		if !ok {
			value, ok = v.fallback, v.hasValue
			if !ok && !v.broken {
				l.missingf(headerRange(v.block), "Variable not set", "%s has no default. Set it with -var %s=VALUE, the environment variable %s%s, or a *%s file.",
					describe(v.block), v.name, envPrefix, v.name, varsSuffix)
			}
		}
		if !ok || value == cty.NilVal {
			l.unset["var."+v.name] = true
			continue
		}
		if v.sensitive {
			l.remember(value)
			value = value.Mark(sensitive)
		}
		values[v.name] = value
	}
	l.values["var"] = cty.ObjectVal(values)
}

// variable decodes a variable block.
func (l *loader) variable(b *hcl.Block) *variable {
	v := &variable{block: b, name: b.Labels[0], typ: cty.DynamicPseudoType}
	body := l.open(b, []string{"type", "default", "sensitive", "description"})
	if attr := body.content.Attributes["sensitive"]; attr != nil {
		if value, ok := l.evalConstant(attr.Expr); ok {
			value, err := convert.Convert(value, cty.Bool)
			if err != nil || value.IsNull() {
				l.errorf(attr.Expr.Range(), "Wrong type", "sensitive must be true or false.")
			} else {
				v.sensitive = value.True()
			}
		}
	}
	l.showVariable(body)
	if attr := body.content.Attributes["type"]; attr != nil {
		l.variableType(v, attr.Expr)
	}
	if attr := body.content.Attributes["default"]; attr != nil {
		l.variableDefault(v, attr.Expr)
	}
	return v
}

// showVariable shows what is no secret in a variable block: not the default of one that is sensitive, or might be if
// something in it were not misspelt.
func (l *loader) showVariable(b body) {
	attrs, _ := b.block.Body.JustAttributes()
	secret := b.has("sensitive")
	for name := range attrs {
		secret = secret || b.content.Attributes[name] == nil
	}
	for name, attr := range b.content.Attributes {
		if name != "default" || !secret {
			l.show(attr.Expr)
		}
	}
}

func (l *loader) variableType(v *variable, expr hcl.Expression) {
	if _, native := expr.(hclsyntax.Expression); !native {
		// In JSON the string is parsed as an expression, which the guard of the file did not do.
		text, diags := expr.Value(nil)
		if diags.HasErrors() || text.Type() != cty.String || guardExpression(text.AsString()) != nil {
			l.errorf(expr.Range(), "Wrong type", "type must be a type such as \"string\" or \"list(string)\".")
			v.broken = true
			return
		}
	}
	t, diags := typeexpr.TypeConstraint(expr)
	l.report(diags...)
	if v.broken = diags.HasErrors(); !v.broken {
		v.typ = t
	}
}

func (l *loader) variableDefault(v *variable, expr hcl.Expression) {
	value, ok := l.evalConstant(expr)
	if !ok {
		v.broken = true
		return
	}
	if v.sensitive {
		l.remember(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		l.errorf(expr.Range(), "Wrong type", "The default of variable %q must be %s.", v.name, typeName(v.typ))
		v.broken = true
		return
	}
	v.fallback, v.hasValue = converted, true
}

// fromEnvironment reads TOCSIN_VAR_NAME for every variable.
func (l *loader) fromEnvironment(all []*variable, set map[string]cty.Value) {
	if l.opts.Env == nil {
		return
	}
	for _, v := range all {
		if text, ok := l.opts.Env(envPrefix + v.name); ok {
			set[v.name] = l.fromText(v, text, "the environment variable "+envPrefix+v.name)
		}
	}
}

// fromOptions reads what -var says.
func (l *loader) fromOptions(byName map[string]*variable, set map[string]cty.Value) {
	for _, name := range slices.Sorted(maps.Keys(l.opts.Vars)) {
		v := byName[name]
		if v == nil {
			l.missingf(hcl.Range{}, "Unknown variable", "-var sets %q, but there is no such variable.%s", name, didYouMean(name, l.names("variable")))
			continue
		}
		set[name] = l.fromText(v, l.opts.Vars[name], "-var "+name)
	}
}

// fromText makes a value of text from outside: as it is for strings, else an expression such as ["a", "b"].
func (l *loader) fromText(v *variable, text, origin string) cty.Value {
	if v.sensitive {
		l.rememberString(text)
	}
	want := v.typ
	if want == cty.DynamicPseudoType && v.hasValue && !v.fallback.IsNull() {
		want = v.fallback.Type()
	}
	value := cty.StringVal(text)
	if want != cty.DynamicPseudoType && !want.IsPrimitiveType() {
		err := guardExpression(text)
		if err == nil {
			expr, diags := hclsyntax.ParseExpression([]byte(text), origin, hcl.InitialPos)
			if !diags.HasErrors() {
				value, diags = evaluate(expr, nil)
			}
			if diags.HasErrors() {
				value = cty.NilVal
			}
		}
		if err != nil || value == cty.NilVal || !value.IsWhollyKnown() {
			l.errorf(headerRange(v.block), "Wrong value for a variable", "What %s says is not a valid expression. Variable %q must be %s.", origin, v.name, typeName(want))
			return cty.NilVal
		}
		want = v.typ
	}
	converted, err := convert.Convert(value, want)
	if err != nil || tooLarge(converted) != "" {
		l.errorf(headerRange(v.block), "Wrong value for a variable", "What %s says does not fit: variable %q must be %s.", origin, v.name, typeName(want))
		return cty.NilVal
	}
	return converted
}

// fromFile reads a file of NAME = VALUE lines.
func (l *loader) fromFile(f *file, byName map[string]*variable, set map[string]cty.Value) {
	if f.body == nil {
		return
	}
	attrs, diags := f.body.JustAttributes()
	l.report(diags...)
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		attr := attrs[name]
		v := byName[name]
		if v == nil {
			l.hide(attr.Expr)
			l.missingf(attr.NameRange, "Unknown variable", "There is no variable %q.%s", name, didYouMean(name, l.names("variable")))
			continue
		}
		if v.sensitive {
			l.hide(attr.Expr)
		}
		value, ok := l.evalConstant(attr.Expr)
		if !ok {
			set[name] = cty.NilVal
			continue
		}
		if v.sensitive {
			l.remember(value)
		}
		converted, err := convert.Convert(value, v.typ)
		if err != nil {
			l.errorf(attr.Expr.Range(), "Wrong type", "Variable %q must be %s, not %s.", name, typeName(v.typ), kindOf(value))
			converted = cty.NilVal
		}
		set[name] = converted
	}
}

// typeName is a type in words.
func typeName(t cty.Type) string {
	switch t {
	case cty.String:
		return "a string"
	case cty.Number:
		return "a number"
	case cty.Bool:
		return "true or false"
	case cty.DynamicPseudoType:
		return "a value"
	}
	name := typeexpr.TypeString(t)
	if strings.ContainsAny(name[:1], "aeiou") {
		return "an " + name
	}
	return "a " + name
}

// kindOf is the kind of a value in words.
func kindOf(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		return "a list"
	case t.IsObjectType() || t.IsMapType():
		return "an object"
	}
	return t.FriendlyName()
}

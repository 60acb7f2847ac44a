package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// mark is the type of cty marks of this package.
type mark string

// sensitive marks values that must not be shown: of sensitive variables and of env(). It travels with them through
// every expression.
const sensitive mark = "sensitive"

// minSecret is how long a string must be to be hidden wherever it appears. Hiding shorter ones would garble text.
const minSecret = 6

// isSensitive tells whether any part of the value must not be shown.
func isSensitive(v cty.Value) bool {
	_, marks := v.UnmarkDeep()
	_, ok := marks[sensitive]
	return ok
}

// remember records the strings in a value as secrets.
func (l *loader) remember(v cty.Value) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			l.rememberString(v.AsString())
		}
		return true, nil
	})
}

func (l *loader) rememberString(s string) {
	if len(s) >= minSecret {
		l.secrets[s] = true
	}
	if trimmed := strings.TrimSpace(s); len(trimmed) >= minSecret {
		l.secrets[trimmed] = true
	}
}

func (l *loader) knownSecrets() []string {
	return slices.Sorted(maps.Keys(l.secrets))
}

// scrub replaces known secrets, longer ones first so that none is left in part.
func (l *loader) scrub(text string) string {
	if text == "" {
		return text
	}
	secrets := l.knownSecrets()
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, redacted)
	}
	return text
}

// hide keeps the value of an expression out of snippets, if the value stands there. A reference may be shown.
func (l *loader) hide(expr hcl.Expression) {
	if _, native := expr.(hclsyntax.Expression); native {
		if _, diags := hcl.AbsTraversalForExpr(expr); !diags.HasErrors() {
			return
		}
	}
	l.hidden[expr.Range()] = true
}

// show takes back what hide did.
func (l *loader) show(expr hcl.Expression) { delete(l.hidden, expr.Range()) }

// hideBody hides every value in a body. Blocks that may hold secrets begin like this; what is known to be none is shown
// when they are decoded, so that a mistake anywhere, also in the header of the block, shows too little and never too much.
func (l *loader) hideBody(body hcl.Body) {
	native, ok := body.(*hclsyntax.Body)
	if !ok { // in JSON inner blocks are values too
		attrs, _ := body.JustAttributes()
		for _, attr := range attrs {
			l.hide(attr.Expr)
		}
		return
	}
	for _, attr := range native.Attributes {
		l.hide(attr.Expr)
	}
	for _, b := range native.Blocks {
		l.hideBody(b.Body)
	}
}

// hideUnknownBlocks hides the values in blocks that are not known: one may be misspelt, with a secret in it.
func (l *loader) hideUnknownBlocks(body hcl.Body, attrs []string, known []hcl.BlockHeaderSchema) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		properties, _ := body.JustAttributes()
		for _, p := range properties {
			if !slices.Contains(attrs, p.Name) && !slices.ContainsFunc(known, func(k hcl.BlockHeaderSchema) bool { return k.Type == p.Name }) {
				l.hide(p.Expr)
			}
		}
		return
	}
	for _, b := range native.Blocks {
		if !slices.ContainsFunc(known, func(k hcl.BlockHeaderSchema) bool { return k.Type == b.Type && len(k.LabelNames) == len(b.Labels) }) {
			l.hideBody(b.Body)
		}
	}
}

// isLiteral tells whether the value of an expression stands in the source as it is.
func isLiteral(expr hcl.Expression) bool {
	if len(expr.Variables()) > 0 {
		return false
	}
	native, ok := expr.(hclsyntax.Expression)
	if !ok { // JSON: raw strings, in which calls stand in templates
		v, _ := expr.Value(nil)
		literal := true
		_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.Type() == cty.String && v.IsKnown() && !v.IsNull() && strings.Contains(v.AsString(), "${") {
				literal = false
			}
			return true, nil
		})
		return literal
	}
	calls := false
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		if _, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			calls = true
		}
		return nil
	})
	return !calls
}

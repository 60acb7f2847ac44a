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
		text = strings.ReplaceAll(text, s, hidden)
	}
	return text
}

// redact keeps the value of an expression out of snippets, if the value stands there. A reference may be shown.
func (l *loader) redact(expr hcl.Expression) {
	if _, native := expr.(hclsyntax.Expression); native {
		if _, diags := hcl.AbsTraversalForExpr(expr); !diags.HasErrors() {
			return
		}
	}
	l.redacted = append(l.redacted, expr.Range())
}

// isLiteral tells whether the value of an expression stands in the source as it is.
func isLiteral(expr hcl.Expression) bool {
	if len(expr.Variables()) > 0 {
		return false
	}
	native, ok := expr.(hclsyntax.Expression)
	if !ok { // JSON: the raw string
		v, _ := expr.Value(nil)
		return v.Type() != cty.String || !v.IsKnown() || v.IsNull() || !strings.Contains(v.AsString(), "${")
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

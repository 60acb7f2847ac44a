package config

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Limits on values: locals can double a string with each line.
const (
	maxValueBytes    = 1 << 20
	maxValueElements = 10_000
)

// eval evaluates an expression in the scope of its file. It reports false after a complaint, or if the value depends on
// one that was complained about before.
func (l *loader) eval(expr hcl.Expression) (cty.Value, bool) {
	if !l.checkReferences(expr) {
		return cty.DynamicVal, false
	}
	return l.evalIn(expr, &hcl.EvalContext{Variables: l.values, Functions: l.functionsOf(expr.Range().Filename)})
}

// evalConstant is eval without references: functions, but no variables.
func (l *loader) evalConstant(expr hcl.Expression) (cty.Value, bool) {
	return l.evalIn(expr, &hcl.EvalContext{Functions: l.functionsOf(expr.Range().Filename)})
}

func (l *loader) evalIn(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	v, diags := evaluate(expr, ctx)
	for _, d := range diags {
		l.report(l.rephrase(d, expr, ctx))
	}
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.DynamicVal, false
	}
	if wrong := tooLarge(v); wrong != "" {
		l.errorf(expr.Range(), "Value too large", "%s", wrong)
		return cty.DynamicVal, false
	}
	return v, true
}

// evaluate is expr.Value, with a panic in the libraries as a diagnostic.
func evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			v, diags = cty.DynamicVal, hcl.Diagnostics{refusal("Cannot evaluate", expr.Range(), "This expression cannot be evaluated.")}
		}
	}()
	return expr.Value(ctx)
}

// rephrase improves on what the library says.
func (l *loader) rephrase(d *hcl.Diagnostic, expr hcl.Expression, ctx *hcl.EvalContext) *hcl.Diagnostic {
	result := *d
	result.Expression, result.EvalContext, result.Extra = nil, nil, nil
	if unknown, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
		name := unknown.CalledFunctionName()
		result.Summary = "Unknown function"
		result.Detail = fmt.Sprintf("There is no function %q.", name)
		if n := Nearest(name, slices.Collect(maps.Keys(ctx.Functions))); n != "" {
			result.Detail += fmt.Sprintf(" Did you mean %q?", n)
		}
		return &result
	}
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && call.FunctionCallError() != nil && l.readsSecrets(expr, call.CalledFunctionName()) {
		result.Detail = fmt.Sprintf("Call to function %q failed; the reason is not shown because it may hold a sensitive value.", call.CalledFunctionName())
	}
	return &result
}

// readsSecrets tells whether the error of a function in an expression may speak of a sensitive value, of a variable or of
// the environment. Of env itself it does not.
func (l *loader) readsSecrets(expr hcl.Expression, failed string) bool {
	for _, t := range expr.Variables() {
		v, diags := t.TraverseAbs(&hcl.EvalContext{Variables: l.values})
		if !diags.HasErrors() && isSensitive(v) {
			return true
		}
	}
	return failed != "env" && !isLiteral(expr) && strings.Contains(string(l.textOf(expr.Range())), "env(")
}

// textOf is the source text of a range.
func (l *loader) textOf(r hcl.Range) []byte {
	f := l.files[r.Filename]
	if f == nil || r.Start.Byte > r.End.Byte || r.End.Byte > len(f.src) {
		return nil
	}
	return f.src[r.Start.Byte:r.End.Byte]
}

// checkReferences complains about what an expression refers to and is not there. It reports false if the expression
// cannot be evaluated.
func (l *loader) checkReferences(expr hcl.Expression) bool {
	ok := true
	for _, t := range expr.Variables() {
		if !l.checkReference(t) {
			ok = false
		}
	}
	return ok
}

func (l *loader) checkReference(t hcl.Traversal) bool {
	root, at := t.RootName(), t.SourceRange()
	switch root {
	case "var", "local":
		name, ok := step(t, 1)
		if !ok {
			return true // the whole of it
		}
		if l.unset[root+"."+name] {
			return false
		}
		blockType := map[string]string{"var": "variable", "local": "locals"}[root]
		if _, known := l.declared[blockType][name]; !known {
			what := map[string]string{"var": "variable", "local": "local value"}[root]
			l.missingf(at, "Unknown "+what, "There is no %s %q.%s", what, name, didYouMean(name, l.names(blockType)))
			return false
		}
	case "notifier":
		kind, _ := step(t, 1)
		name, ok := step(t, 2)
		return !ok || l.checkNotifier(kind+"."+name, at) && l.checkKey(kind+"."+name, t)
	case "module", "schedule":
		name, ok := step(t, 1)
		if !ok {
			return true
		}
		if _, known := l.declared[root][name]; !known {
			l.missingf(at, "Unknown "+root, "There is no block %s %q.%s", root, name, didYouMean(name, l.names(root)))
			return false
		}
	case "each":
		if _, copying := l.values["each"]; copying {
			return true
		}
		l.errorf(at, "Unknown reference", "each.key and each.value exist only in blocks with for_each.")
		return false
	default:
		l.unknownRoot(t, root, at)
		return false
	}
	return true
}

func (l *loader) checkNotifier(ref string, at hcl.Range) bool {
	if _, known := l.declared["notifier"][ref]; known {
		return true
	}
	kind, name, _ := strings.Cut(ref, ".")
	l.missingf(at, "Unknown notifier", "There is no block notifier %q %q.%s", kind, name, l.nearestNotifier(ref))
	return false
}

func (l *loader) nearestNotifier(ref string) string {
	known := l.names("notifier")
	found := Nearest(ref, known)
	if found == "" { // the right name under another kind, or the only one of this kind
		kind, name, _ := strings.Cut(ref, ".")
		var sameKind []string
		for _, k := range known {
			if strings.HasSuffix(k, "."+name) {
				found = k
			}
			if strings.HasPrefix(k, kind+".") {
				sameKind = append(sameKind, k)
			}
		}
		if found == "" && len(sameKind) == 1 {
			found = sameKind[0]
		}
	}
	switch {
	case found != "":
		return " Did you mean notifier." + found + "?"
	case len(known) == 0 || len(known) > 8:
		return ""
	}
	return " There is notifier." + strings.Join(known, ", notifier.") + "."
}

func (l *loader) unknownRoot(t hcl.Traversal, root string, at hcl.Range) {
	detail := fmt.Sprintf("There is nothing called %q here.", root)
	switch n := Nearest(root, []string{"var", "local", "notifier", "module", "schedule"}); {
	case n != "":
		detail += fmt.Sprintf(" Did you mean %q?", n)
	case len(t) == 1:
		detail += fmt.Sprintf(" If this is text, put it in quotes: %q.", root)
	default:
		detail += " References begin with var, local, notifier, module or schedule."
	}
	l.errorf(at, "Unknown reference", "%s", detail)
}

// step is the name in the i-th step of a traversal.
func step(t hcl.Traversal, i int) (string, bool) {
	if i >= len(t) {
		return "", false
	}
	switch s := t[i].(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
	}
	return "", false
}

var errTooLarge = errors.New("too large")

// tooLarge tells what about a value is beyond the limits, "" if nothing is.
func tooLarge(v cty.Value) string {
	bytes, elements := 0, 0
	wrong := ""
	v, _ = v.UnmarkDeep()
	err := cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if !v.IsKnown() || v.IsNull() {
			return true, nil
		}
		elements++
		switch v.Type() {
		case cty.String:
			bytes += len(v.AsString())
		case cty.Number:
			if outOfRange(v.AsBigFloat()) {
				wrong = "A number in it is out of range."
				return false, errTooLarge
			}
		}
		if bytes > maxValueBytes || elements > maxValueElements {
			wrong = fmt.Sprintf("A value may hold %d bytes of text and %d elements.", maxValueBytes, maxValueElements)
			return false, errTooLarge
		}
		return true, nil
	})
	if err != nil {
		return wrong
	}
	return ""
}

// outOfRange tells whether a number is no float64. Written out it could take gigabytes.
func outOfRange(f *big.Float) bool {
	return f.IsInf() || f.MantExp(nil) > 1024 || f.MantExp(nil) < -1100
}

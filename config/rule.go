package config

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/zclconf/go-cty/cty"
)

// Rule is a rule block: what is wrong.
//
// A rule with for_each is one rule for each key. The name of the copy, cpu["db"], is its identity: in states, in the
// journal and in plans. Its alerts have the name of the block as alertname, and the key as the label "each": two copies may
// judge the same series, and whoever is told must be able to tell their alerts apart.
type Rule struct {
	Name   string
	Key    string          // of for_each; "" without
	Module string          // "" with PromQL
	PromQL string          // "" with Module
	Inputs []Input         // in the order of the module's manifest
	Params json.RawMessage // a JSON object with sorted keys, without defaults; may hold secrets

	For, KeepFiringFor time.Duration
	Every              time.Duration     // 0: whenever the data that the rule reads has arrived
	Labels             map[string]string // attributes of its alerts; templates
	Annotations        map[string]string // templates
	OnMissing          string            // OnMissingUnknown, OnMissingOK or OnMissingFire
	Mode               string            // "" or ModeShadow
	Limit              int               // of pending and firing instances, beyond which one stands for the rest; 0: none
	Range              Range             `json:"-"`
}

// What a rule does when its data is missing, and how it runs.
const (
	OnMissingUnknown = "unknown" // the state is frozen
	OnMissingOK      = "ok"
	OnMissingFire    = "fire"

	ModeShadow = "shadow" // journals, never notifies
)

// Input is what a rule reads: the series that match, over the window before each evaluation.
type Input struct {
	Name     string
	Select   string
	Matchers []*labels.Matcher
	Window   time.Duration
	Reduce   string // how the samples become one value each; "": as the module says
	Range    Range  `json:"-"` // of the rule where the module's defaults are used
}

// moduleAnswer is what the catalog said about a module.
type moduleAnswer struct {
	schema ModuleSchema
	err    error
}

// rules decodes all rule blocks.
func (l *loader) rules(sources []Source) (all []Rule) {
	for _, b := range l.blocks["rule"] {
		if !l.isFirst(b, b.Labels[0]) {
			continue
		}
		l.copies(b, func(copied each) { all = append(all, l.rule(b, copied, sources)) })
	}
	return all
}

// Alertname is what the alerts of the rule are called: the name of the block, which all its copies share.
func (r Rule) Alertname() string { return unkeyed(r.Name, r.Key) }

// eachLabel tells the alerts of the copies of a rule apart.
const eachLabel = "each"

func (l *loader) rule(block *hcl.Block, copied each, sources []Source) Rule {
	b := l.open(block, []string{
		"module", "promql", "for", "keep_firing_for", "every", "labels", "annotations", "on_missing", "mode", "limit", "for_each",
	}, hcl.BlockHeaderSchema{Type: "input", LabelNames: []string{"name"}}, hcl.BlockHeaderSchema{Type: "params"})
	r := Rule{
		Name: copied.name, Key: copied.key, Range: rangeOf(headerRange(block)), Params: emptySettings,
		For:           b.duration("for", 0, 0),
		KeepFiringFor: b.duration("keep_firing_for", 0, 0),
		Every:         b.duration("every", 0, leastInterval),
		OnMissing:     b.oneOf("on_missing", OnMissingUnknown, OnMissingUnknown, OnMissingOK, OnMissingFire),
		Mode:          b.oneOf("mode", "", ModeShadow),
		Limit:         int(b.integer("limit", 0, 0, 1_000_000)),
	}
	r.Labels, r.Annotations = l.alertTexts(b)
	if copied.key != "" {
		if _, taken := r.Labels[eachLabel]; taken {
			l.errorf(b.at("labels"), "Reserved label", "In a rule with for_each the label %s is the key, so that the alerts of its copies can be told apart.", eachLabel)
		}
		r.Labels = maps.Clone(r.Labels)
		if r.Labels == nil {
			r.Labels = map[string]string{}
		}
		r.Labels[eachLabel] = literal(copied.key)
	}
	l.program(b, &r, sources)
	for i := range r.Inputs {
		l.checkWindow(b, r.Inputs[i], sources)
	}
	return r
}

// literal is a template that gives the text as it stands.
func literal(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return "{{" + strconv.Quote(text) + "}}"
}

// alertTexts decodes labels and annotations, which alerts carry to people.
func (l *loader) alertTexts(b body) (labels, annotations map[string]string) {
	labels = l.labelsOf(b, "labels")
	if _, ok := labels["alertname"]; ok {
		l.errorf(b.at("labels"), "Reserved label", "alertname is the name of the rule and cannot be set.")
	}
	l.templates(b.table("labels"), "labels")
	for _, i := range b.table("annotations") {
		if i.secret {
			l.errorf(i.expr.Range(), "Sensitive value in an annotation", "Annotations are sent to people. If the value of %s may be, say so with nonsensitive(…).", i.key)
			continue
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[i.key] = i.text
		l.template(i, "annotations."+i.key)
	}
	return labels, annotations
}

// program decodes what judges: a module with inputs and parameters, or a PromQL expression.
func (l *loader) program(b body, r *Rule, sources []Source) {
	switch {
	case b.has("module") && b.has("promql"):
		l.errorf(b.nameAt("promql"), "Module and promql", "A rule is judged by a module or by a promql expression. Remove one of them.")
		return
	case b.has("promql"):
		if i, ok := b.itemOf("promql"); ok {
			r.PromQL, _ = l.expression(i, sources)
		}
		for _, inner := range b.content.Blocks {
			l.errorf(inner.TypeRange, "Unexpected block", "A rule with promql has no %s block: the expression says what to read.", inner.Type)
		}
		return
	case !b.require("module", "the rule module that judges, such as \"threshold\"."):
		l.inputs(b, nil)
		return
	}
	name, ok := b.itemOf("module")
	r.Module = name.text
	module, known := l.module(name, ok)
	if !known {
		r.Inputs = l.inputs(b, nil)
		return
	}
	r.Inputs = l.inputs(b, &module)
	r.Params = l.params(b, module, "rule."+r.Name)
}

// module asks the catalog for a module, once for each name.
func (l *loader) module(name item, ok bool) (ModuleSchema, bool) {
	if !ok || l.catalog == nil {
		return ModuleSchema{}, false
	}
	answer, asked := l.modules[name.text]
	if !asked {
		answer.schema, answer.err = l.catalog.Module(name.text)
		l.modules[name.text] = answer
	}
	switch {
	case errors.Is(answer.err, ErrUnknown):
		known := append(l.catalog.Kinds("module"), l.names("module")...)
		l.missingf(name.expr.Range(), "Unknown rule module", "There is no rule module %q: it is not built in, no module block names it, and no module_dir has it.%s", name.text, didYouMean(name.text, known))
	case answer.err != nil:
		l.errorf(name.expr.Range(), "Cannot load rule module", "%s", sentence(capital(answer.err.Error())))
	}
	return answer.schema, answer.err == nil
}

// inputs decodes the input blocks and adds those that the module has defaults for. Without a module names are not checked.
func (l *loader) inputs(b body, module *ModuleSchema) (all []Input) {
	byName := map[string]Input{}
	var order []string
	unknown := false
	for _, block := range b.content.Blocks {
		if block.Type != "input" {
			continue
		}
		name := block.Labels[0]
		if first, taken := byName[name]; taken {
			l.errorf(headerRange(block), "Duplicate input", "%s is already defined at %s:%d.", describe(block), first.Range.File, first.Range.Line)
			continue
		}
		declared := ModuleInput{Name: name}
		if module != nil {
			i := slices.IndexFunc(module.Inputs, func(m ModuleInput) bool { return m.Name == name })
			if i < 0 {
				unknown = true
				l.errorf(block.LabelRanges[0], "Unknown input", "The module has no input %q.%s", name, didYouMean(name, inputNames(*module)))
				continue
			}
			declared = module.Inputs[i]
		}
		byName[name] = l.input(block, declared, module != nil)
		order = append(order, name)
	}
	if module == nil {
		for _, name := range order {
			all = append(all, byName[name])
		}
		return all
	}
	for _, declared := range module.Inputs {
		in, ok := byName[declared.Name]
		if !ok && !unknown { // one complaint about a misspelt name is enough
			in, ok = l.defaultInput(b, declared)
		}
		if !ok {
			continue
		}
		if in.Select == "" && declared.Like != "" {
			in.Select, in.Matchers = byName[declared.Like].Select, byName[declared.Like].Matchers
		}
		byName[declared.Name] = in
		all = append(all, in)
	}
	return all
}

func inputNames(m ModuleSchema) (names []string) {
	for _, in := range m.Inputs {
		names = append(names, in.Name)
	}
	return names
}

func (l *loader) input(block *hcl.Block, declared ModuleInput, known bool) Input {
	b := l.open(block, []string{"select", "window", "reduce"})
	in := Input{Name: declared.Name, Select: declared.DefaultSelect, Window: declared.DefaultWindow, Range: rangeOf(headerRange(block))}
	selected, ok := b.itemOf("select")
	switch {
	case ok:
		in.Select = selected.text
		in.Matchers, _ = l.selector(selected)
	case !b.has("select") && in.Select != "":
		in.Matchers, _ = l.selector(item{text: in.Select, expr: hcl.StaticExpr(cty.DynamicVal, headerRange(block))})
	case declared.Like == "" || b.has("select"):
		b.require("select", "a PromQL selector of the series to read.")
	}
	if chosen, ok := b.itemOf("reduce"); ok {
		in.Reduce = chosen.text
		if known {
			l.checkReduce(b, chosen, declared)
		}
	}
	in.Window = b.duration("window", in.Window, leastInterval)
	if in.Window == 0 {
		b.require("window", "how long to look back, such as \"5m\".")
	}
	return in
}

// checkReduce complains about a reduction that the module does not leave to rules.
func (l *loader) checkReduce(b body, chosen item, declared ModuleInput) {
	switch {
	case slices.Contains(declared.Reduce, chosen.text):
	case len(declared.Reduce) == 0:
		l.errorf(b.nameAt("reduce"), "No choice of reduce", "The module decides how input %q is read. Remove reduce.", declared.Name)
	default:
		l.errorf(chosen.expr.Range(), "Unknown reduction", "%q is not one of %s.%s", chosen.text, strings.Join(declared.Reduce, ", "), didYouMean(chosen.text, declared.Reduce))
	}
}

// defaultInput is an input that the rule does not mention, by the module's defaults.
func (l *loader) defaultInput(b body, declared ModuleInput) (Input, bool) {
	at := headerRange(b.block)
	if declared.Like != "" && !declared.Optional && declared.DefaultWindow != 0 {
		return Input{Name: declared.Name, Window: declared.DefaultWindow, Range: rangeOf(at)}, true
	}
	if declared.DefaultSelect == "" || declared.DefaultWindow == 0 {
		if !declared.Optional {
			l.errorf(at, "Missing input", "The module needs an input %q%s Add a block: input %q { … } with select and window.", declared.Name, purpose(declared.Description), declared.Name)
		}
		return Input{}, false
	}
	in := Input{Name: declared.Name, Select: declared.DefaultSelect, Window: declared.DefaultWindow, Range: rangeOf(at)}
	in.Matchers, _ = l.selector(item{text: in.Select, expr: hcl.StaticExpr(cty.DynamicVal, at)})
	return in, true
}

// params decodes the params block against the manifest. Without one the parameters are those by default, if that is allowed.
func (l *loader) params(b body, module ModuleSchema, address string) json.RawMessage {
	var blocks hcl.Blocks
	for _, block := range b.content.Blocks {
		if block.Type == "params" {
			blocks = append(blocks, block)
		}
	}
	l.onlyOne(blocks, "Put all parameters into one block.")
	if len(blocks) == 0 {
		for _, a := range module.Params.Attributes {
			if a.Required {
				l.errorf(headerRange(b.block), "Missing parameter", "The module needs the parameter %q%s Add a block: params { %s = … }.", a.Name, purpose(a.Description), a.Name)
			}
		}
		return emptySettings
	}
	inner := body{l: l, block: blocks[0], content: l.schemaContent(blocks[0], module.Params, nil)}
	return l.decode(inner, module.Params, address).json
}

// checkWindow complains about a window that cannot hold a sample of a source that the input reads.
func (l *loader) checkWindow(b body, in Input, sources []Source) {
	slowest := slowest(in.Matchers, sources)
	if in.Matchers == nil || in.Window == 0 || slowest.Interval <= in.Window {
		return
	}
	at := headerRange(b.block)
	for _, block := range b.content.Blocks {
		if block.Type == "input" && block.Labels[0] == in.Name {
			attrs, _ := block.Body.JustAttributes()
			if attr := attrs["window"]; attr != nil {
				at = attr.Expr.Range()
			}
		}
	}
	l.errorf(at, "Window shorter than interval", "This window of %s would often be empty: source %q %q is collected every %s.",
		formatDuration(in.Window), slowest.Kind, slowest.Name, formatDuration(slowest.Interval))
}

package config

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Override is an override block: other parameters of a rule for some of its series. Of several that match a series the
// first counts. It should match by labels that the instances of the rule have: an instance with series on both sides
// would be judged twice.
type Override struct {
	Rule     string
	Matchers []*labels.Matcher // all must hold
	Params   json.RawMessage   // a JSON object of the parameters that differ
	Range    Range             `json:"-"`
}

func (l *loader) overrides(rules []Rule) (all []Override) {
	for i, block := range l.blocks["override"] {
		b := l.open(block, []string{"match"}, hcl.BlockHeaderSchema{Type: "params"})
		o := Override{Rule: block.Labels[0], Params: emptySettings, Range: rangeOf(headerRange(block))}
		if b.require("match", "which instances, such as [\"endpoint='/critical/pay'\"].") {
			o.Matchers = l.someMatchers(b, "match")
			l.checkSameOverride(b, o, all)
		}
		o.Params = l.overrideParams(b, rules, fmt.Sprintf("override.%s.%d", o.Rule, i))
		all = append(all, o)
	}
	return all
}

// checkSameOverride complains about an override that never comes to its turn.
func (l *loader) checkSameOverride(b body, o Override, before []Override) {
	for _, other := range before {
		if o.Matchers != nil && other.Matchers != nil && other.Rule == o.Rule && implies(o.Matchers, other.Matchers) {
			l.errorf(b.at("match"), "Override without effect", "The override at %s:%d matches the same series and comes first. Put the narrower one before it.", other.Range.File, other.Range.Line)
			return
		}
	}
}

func (l *loader) overrideParams(b body, rules []Rule, address string) json.RawMessage {
	name := b.block.Labels[0]
	if _, known := l.declared["rule"][name]; !known {
		l.missingf(b.block.LabelRanges[0], "Unknown rule", "There is no rule %q.%s", name, didYouMean(name, l.names("rule")))
		return emptySettings
	}
	if len(b.content.Blocks) == 0 {
		l.errorf(headerRange(b.block), "Missing block", "%s needs a params block: what is different.", describe(b.block))
		return emptySettings
	}
	l.onlyOne(b.content.Blocks, "Put all parameters into one block.")
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name || r.Alertname() == name })
	if i < 0 { // it has mistakes, or for_each makes no copy
		return emptySettings
	}
	if rules[i].PromQL != "" {
		l.errorf(b.block.LabelRanges[0], "No parameters", "Rule %q is judged by an expression, which has no parameters to override.", name)
		return emptySettings
	}
	module, known := l.modules[rules[i].Module]
	if !known || module.err != nil {
		return emptySettings
	}
	params := b.content.Blocks[0]
	tree := l.decodeTree(body{l: l, block: params, content: l.schemaContent(params, module.schema.Params, nil)}, module.schema.Params, false)
	l.digests[address] = digest(tree, address)
	return encode(tree, func(v secretValue) any { return v.value })
}

package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// relabelArguments are those of Prometheus' relabel_config.
var relabelArguments = []string{"source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action"}

var relabelActions = []string{
	string(relabel.Replace), string(relabel.Keep), string(relabel.Drop), string(relabel.KeepEqual), string(relabel.DropEqual), string(relabel.HashMod),
	string(relabel.LabelMap), string(relabel.LabelDrop), string(relabel.LabelKeep), string(relabel.Lowercase), string(relabel.Uppercase),
}

// relabelRules decodes the blocks of that type inside a source, in their order.
func (l *loader) relabelRules(outer body, blockType string) (rules []*relabel.Config) {
	for _, block := range outer.content.Blocks {
		if block.Type == blockType {
			rules = append(rules, l.relabelRule(block))
		}
	}
	return rules
}

func (l *loader) relabelRule(block *hcl.Block) *relabel.Config {
	l.showPlain(block.Body, schema.Block{}, relabelArguments, nil)
	b := l.open(block, relabelArguments)
	rule := relabel.DefaultRelabelConfig
	rule.NameValidationScheme = model.UTF8Validation
	rule.Action = relabel.Action(b.oneOf("action", string(relabel.Replace), relabelActions...))
	rule.Separator = b.text("separator", rule.Separator)
	rule.TargetLabel = b.text("target_label", "")
	rule.Replacement = b.text("replacement", rule.Replacement)
	rule.Modulus = uint64(b.integer("modulus", 0, 1, 1<<40))
	names, _ := b.list("source_labels")
	for _, i := range names {
		rule.SourceLabels = append(rule.SourceLabels, model.LabelName(i.text))
	}
	if b.has("regex") {
		regex, err := relabel.NewRegexp(b.text("regex", ""))
		if err != nil {
			l.errorf(b.at("regex"), "Invalid regular expression", "%s", sentence(capital(err.Error())))
			return &rule
		}
		rule.Regex = regex
	}
	if err := rule.Validate(model.UTF8Validation); err != nil {
		l.errorf(headerRange(block), "Invalid relabelling", "%s", sentence(capital(err.Error())))
	}
	return &rule
}

package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Inhibit is an inhibit block: while an alert matches Source, those that match Target and agree with it in the Equal
// labels are not told.
type Inhibit struct {
	Source, Target []*labels.Matcher
	Equal          []string
	Range          Range `json:"-"`
}

func (l *loader) inhibits() (all []Inhibit) {
	for _, block := range l.blocks["inhibit"] {
		l.unsupported("inhibit", block.TypeRange)
		all = append(all, l.inhibit(block))
	}
	return all
}

func (l *loader) inhibit(block *hcl.Block) Inhibit {
	b := l.open(block, []string{"source", "target", "equal"})
	n := Inhibit{Range: rangeOf(headerRange(block))}
	if b.require("source", "which alerts inhibit, such as [\"severity='critical'\"].") {
		n.Source = l.matchList(b, "source")
	}
	if b.require("target", "which alerts are inhibited, such as [\"severity='warning'\"].") {
		n.Target = l.matchList(b, "target")
	}
	items, _ := b.list("equal")
	n.Equal = texts(items)
	return n
}

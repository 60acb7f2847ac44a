package config

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Notifier is a notifier block: a way to tell people.
type Notifier struct {
	Kind, Name   string          // with for_each the name is that of the copy: ops["eu"]
	Key          string          // of for_each; "" without
	SendResolved bool            // also tell when it is over
	PageBudget   *PageBudget     // nil: no limit
	Settings     json.RawMessage // the plugin's part: a JSON object with sorted keys, without defaults. Holds secrets
	Secrets      []string        // the strings in Settings that must not be shown
	Range        Range           `json:"-"`
}

// PageBudget is a page_budget block: how many incidents are opened one by one within a time. What comes beyond that is
// summed up in one page.
type PageBudget struct {
	Pages int
	Per   time.Duration
}

// Ref is the name that routes use: "pagerduty.oncall".
func (n Notifier) Ref() string { return n.Kind + "." + n.Name }

// notifiers decodes all notifier blocks.
func (l *loader) notifiers() (all []Notifier) {
	for _, b := range l.blocks["notifier"] {
		if !l.isFirst(b, b.Labels[0]+"."+b.Labels[1]) {
			continue
		}
		l.copies(b, func(copied each) { all = append(all, l.notifier(b, copied)) })
	}
	return all
}

func (l *loader) notifier(block *hcl.Block, copied each) Notifier {
	b, settings := l.openPlugin(block, copied, "notifier", []string{"send_resolved", "for_each"}, hcl.BlockHeaderSchema{Type: "page_budget"})
	var budgets hcl.Blocks
	for _, inner := range b.content.Blocks {
		if inner.Type == "page_budget" {
			budgets = append(budgets, inner)
		}
	}
	l.onlyOne(budgets, "A notifier has one page_budget.")
	var budget *PageBudget
	for _, inner := range budgets {
		budget = l.pageBudget(inner)
	}
	return Notifier{
		PageBudget: budget,
		Kind:       block.Labels[0], Name: strings.TrimPrefix(copied.name, block.Labels[0]+"."), Key: copied.key, Settings: settings.json, Secrets: settings.secrets,
		SendResolved: b.boolean("send_resolved", true),
		Range:        rangeOf(headerRange(block)),
	}
}

func (l *loader) pageBudget(block *hcl.Block) *PageBudget {
	const most = 1000
	b := l.open(block, []string{"pages", "per"})
	for _, attr := range b.content.Attributes {
		l.show(attr.Expr) // no secrets
	}
	budget := &PageBudget{}
	if b.require("pages", "how many incidents may be opened one by one.") {
		budget.Pages = int(b.integer("pages", 1, 1, most))
	}
	if b.require("per", "in which time, such as \"10m\".") {
		budget.Per = b.duration("per", 0, time.Minute)
	}
	return budget
}

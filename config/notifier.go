package config

import (
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
)

// Notifier is a notifier block: a way to tell people.
type Notifier struct {
	Kind, Name   string
	SendResolved bool            // also tell when it is over
	Settings     json.RawMessage // the plugin's part: a JSON object with sorted keys, without defaults. Holds secrets
	Secrets      []string        // the strings in Settings that must not be shown
	Range        Range           `json:"-"`
}

// Ref is the name that routes use: "pagerduty.oncall".
func (n Notifier) Ref() string { return n.Kind + "." + n.Name }

// notifiers decodes all notifier blocks.
func (l *loader) notifiers() (all []Notifier) {
	for _, b := range l.blocks["notifier"] {
		if !l.isFirst(b, b.Labels[0]+"."+b.Labels[1]) {
			continue
		}
		if n, ok := l.notifier(b); ok {
			all = append(all, n)
		}
	}
	return all
}

func (l *loader) notifier(block *hcl.Block) (Notifier, bool) {
	b, settings, ok := l.openPlugin(block, "notifier", []string{"send_resolved", "for_each"})
	if !ok {
		return Notifier{}, false
	}
	return Notifier{
		Kind: block.Labels[0], Name: block.Labels[1], Settings: settings.json, Secrets: settings.secrets,
		SendResolved: b.boolean("send_resolved", true),
		Range:        rangeOf(headerRange(block)),
	}, true
}

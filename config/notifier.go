package config

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Notifier is a notifier block: a way to tell people.
type Notifier struct {
	Kind, Name   string          // with for_each the name is that of the copy: ops["eu"]
	Key          string          // of for_each; "" without
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
		l.copies(b, func(copied each) { all = append(all, l.notifier(b, copied)) })
	}
	return all
}

func (l *loader) notifier(block *hcl.Block, copied each) Notifier {
	b, settings := l.openPlugin(block, copied, "notifier", []string{"send_resolved", "for_each"})
	return Notifier{
		Kind: block.Labels[0], Name: strings.TrimPrefix(copied.name, block.Labels[0]+"."), Key: copied.key, Settings: settings.json, Secrets: settings.secrets,
		SendResolved: b.boolean("send_resolved", true),
		Range:        rangeOf(headerRange(block)),
	}
}

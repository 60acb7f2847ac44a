package slack

import (
	"maps"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
)

// The three characters that mean something to Slack anywhere in a text: https://docs.slack.dev/messaging/formatting-message-text#escaping
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape makes text stand for itself: no mention, no link.
func escape(text string) string { return entities.Replace(text) }

// clipEscaped escapes text and holds the result to limit runes, without cutting an entity in two.
func clipEscaped(text string, limit int) string {
	text = outbound.Clip(text, limit)
	escaped := escape(text)
	for over := len([]rune(escaped)) - limit; over > 0; over = len([]rune(escaped)) - limit {
		// An entity is at most five runes for one, so this ends after a few rounds.
		text = outbound.Clip(text, len([]rune(text))-(over+4)/5)
		escaped = escape(text)
	}
	return escaped
}

// escapeURL makes an address fit to stand in <address|text>.
func escapeURL(address string) string {
	return escape(strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", " ", "%20").Replace(address))
}

// labelText writes labels for people, without the name of the alert and its severity.
func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "alertname" && name != "severity" {
			parts = append(parts, name+"="+outbound.OneLine(labels[name]))
		}
	}
	return strings.Join(parts, " ")
}

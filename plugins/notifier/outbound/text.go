package outbound

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const ellipsis = "…"

// Clip shortens s to at most limit runes; what was cut shows as "…". A cut keeps the text valid UTF-8.
func Clip(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit <= 0 {
		return ""
	}
	runes := 0
	for i := range s {
		if runes == limit-1 {
			return strings.TrimRight(s[:i], " ") + ellipsis
		}
		runes++
	}
	return s
}

// OneLine makes s valid UTF-8 on one line: whitespace and control characters become single spaces.
func OneLine(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// TestMark begins the texts of a drill.
const TestMark = "TEST"

// Marked is a text of a message, beginning with [TestMark] where the message is that of a drill. No text stays none.
func Marked(n *notifier.Notification, text string) string {
	if !n.Test || text == "" || strings.HasPrefix(text, TestMark) {
		return text
	}
	return TestMark + " " + text
}

// maxURL is the length of a URL that people are still asked to follow, in bytes.
const maxURL = 2000

// IsWebURL tells whether s is an absolute http or https URL of sensible length.
func IsWebURL(s string) bool {
	if len(s) > maxURL || strings.Contains(s, "{{") { // a template is none yet
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

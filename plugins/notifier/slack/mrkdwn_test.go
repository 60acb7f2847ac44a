package slack

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

// entity is what an escaped text may hold of &, < and >.
var entity = regexp.MustCompile(`&(amp|lt|gt);`)

func TestClipEscaped(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""}, {"a<b", 10, "a&lt;b"}, {"a & b", 20, "a &amp; b"}, {"&&&&", 10, "&amp;…"}, {"&&", 10, "&amp;&amp;"}, {"ä<", 2, "…"}, {"abc", 2, "a…"},
	}
	for _, tt := range tests {
		if got := clipEscaped(tt.in, tt.limit); got != tt.want {
			t.Errorf("clipEscaped(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func FuzzClipEscaped(f *testing.F) {
	f.Add("<!channel> & co", 12)
	f.Add("&&&&&&&", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if !utf8.ValidString(s) || limit < 1 || limit > 10_000 {
			return
		}
		got := clipEscaped(s, limit)
		rest := entity.ReplaceAllString(got, "")
		if utf8.RuneCountInString(got) > limit || regexp.MustCompile(`[&<>]`).MatchString(rest) {
			t.Errorf("clipEscaped(%q, %d) = %q", s, limit, got)
		}
	})
}

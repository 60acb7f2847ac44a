package outbound

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

func TestClip(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"", 5, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"abcd", 1, "…"},
		{"abcd", 0, ""},
		{"abcd", -1, ""},
		{"äöüß", 4, "äöüß"},
		{"äöüß", 3, "äö…"},
		{"👩‍🚒👩‍🚒", 2, "👩…"},
		{"ab cd", 4, "ab…"},
	}
	for _, tt := range tests {
		if got := Clip(tt.in, tt.limit); got != tt.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("summary äöü", 5)
	f.Add("\xff\xfe broken", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := Clip(OneLine(s), limit)
		if !utf8.ValidString(got) || limit >= 0 && utf8.RuneCountInString(got) > limit || strings.ContainsAny(got, "\n\r\t\x00") {
			t.Errorf("Clip(OneLine(%q), %d) = %q", s, limit, got)
		}
	})
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\n\tb\x00c": "a b c", " x ": "x", "\xff": "\ufffd", "\u2028a\u00a0b": "a b"} {
		if got := OneLine(in); got != want {
			t.Errorf("OneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarked(t *testing.T) {
	for _, tt := range []struct {
		test     bool
		in, want string
	}{
		{true, "it is down", "TEST it is down"}, {true, "TEST: it is down", "TEST: it is down"}, {true, "", ""}, {false, "it is down", "it is down"},
	} {
		if got := Marked(&notifier.Notification{Test: tt.test}, tt.in); got != tt.want {
			t.Errorf("Marked(%t, %q) = %q, want %q", tt.test, tt.in, got, tt.want)
		}
	}
}

func TestIsWebURL(t *testing.T) {
	for in, want := range map[string]bool{
		"http://h": true, "https://h/x?y": true, "": false, "javascript:alert(1)": false, "ftp://h": false, "/x": false, "http://": false,
		"http://h/" + strings.Repeat("x", maxURL): false,
	} {
		if got := IsWebURL(in); got != want {
			t.Errorf("IsWebURL(%.40q) = %t", in, got)
		}
	}
}

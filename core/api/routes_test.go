package api

import (
	"strings"
	"testing"
)

func TestParseLabels(t *testing.T) {
	ls, err := ParseLabels([]string{`severity=critical`, `"host name"="db 2"`, `{a="b",c='d'}`, `path=/critical/api`, "severity=critical"})
	if want := `{a="b",c="'d'",host name="db 2",path="/critical/api",severity="critical"}`; err != nil || ls.String() != want {
		t.Errorf("got %s (%v), want %s", ls, err, want)
	}
	for text, want := range map[string]string{
		`a!=b`: "write NAME=VALUE", `a=~b`: "write NAME=VALUE", `nonsense`: "bad matcher", ``: "at least one label",
	} {
		if _, err := ParseLabels([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", text, err, want)
		}
	}
	if _, err := ParseLabels([]string{"a=b", "a=c"}); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("two values: %v", err)
	}
}

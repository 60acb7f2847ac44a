package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiagnosticsAsJSON(t *testing.T) {
	t.Chdir("testdata/bad")
	_, diags := Load([]string{"secret_values.hcl"}, Options{Env: testEnv, Catalog: newTestCatalog})
	got, err := json.Marshal(diags[0])
	if err != nil {
		t.Fatal(err)
	}
	want := "{" + `"severity":"error","summary":"Value does not match","detail":"routing_key must match ` + "`^[0-9a-zA-Z]{32}$`" + `.",` +
		`"range":{"file":"secret_values.hcl","line":2,"column":17,"end_line":2,"end_column":42},` +
		`"snippet":{"context":"notifier \"pagerduty\" \"a\"","code":"  routing_key = (sensitive)","start":16,"end":27}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON differs (-want +got):\n%s", diff)
	}
}

func TestDiagnosticsInColor(t *testing.T) {
	ds := Diagnostics{
		{Severity: Error, Summary: "S", Detail: "one two three\nfour", Range: &Range{File: "a.hcl", Line: 7, Column: 2}, Snippet: &Snippet{Code: "\ta = ü", Start: 1, End: 2}},
		{Severity: Warning, Summary: "W"},
	}
	var b strings.Builder
	if err := ds.Write(&b, true, 8); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[31mError:\x1b[0m \x1b[1mS\x1b[0m\n\n  on a.hcl:7:2:\n   7: \ta = ü\n      \t\x1b[31m^\x1b[0m\n\none two\nthree\nfour\n\n\x1b[33mWarning:\x1b[0m \x1b[1mW\x1b[0m\n\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text differs (-want +got):\n%s", diff)
	}
	if !ds.HasErrors() || ds[1:].HasErrors() {
		t.Error("HasErrors is wrong")
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorIsReturned(t *testing.T) {
	if err := (Diagnostics{{Summary: "x"}}).Write(brokenWriter{}, false, 0); !errors.Is(err, errBroken) {
		t.Errorf("error is %v", err)
	}
}

func TestControlCharactersAreNotPrinted(t *testing.T) {
	path := write(t, "a.hcl", "locals {\n a = upper(\"\x1b[31mred\u009b\", 1)\n}\n")
	_, diags := Load([]string{path}, Options{})
	var b bytes.Buffer
	if err := diags.Write(&b, false, 0); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u009b") || !strings.Contains(b.String(), "red") {
		t.Errorf("diagnostics: %q", b.String())
	}
}

func TestNearest(t *testing.T) {
	known := []string{"pagerduty", "slack", "webhook", "by", "humanize", "humanize1024"}
	for given, want := range map[string]string{
		"pagerdutty": "pagerduty", "PagerDuty": "pagerduty", "slcak": "slack", "web": "", "x": "", "bye": "by", "humanise": "humanize",
		"": "", "something_else": "", strings.Repeat("long", 100): "",
	} {
		if got := Nearest(given, known); got != want {
			t.Errorf("Nearest(%q) is %q, want %q", given, got, want)
		}
	}
}

package config

import (
	"os"
	"strings"
	"testing"
)

func TestHash(t *testing.T) {
	t.Chdir("testdata/good")
	src, err := os.ReadFile("full.hcl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/secrets", os.DirFS("secrets")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	hash := func(text string) string {
		t.Helper()
		if err := os.WriteFile("full.hcl", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := Load([]string{"full.hcl"}, Options{Env: testEnv, Catalog: newTestCatalog})
		if cfg == nil {
			t.Fatal(diags)
		}
		return cfg.Hash
	}
	base := hash(string(src))
	if len(base) != 64 || hash(string(src)) != base {
		t.Errorf("hash %q is not stable", base)
	}
	if hash("# moved\n\n"+string(src)) != base {
		t.Error("the hash depends on where blocks stand")
	}
	for old, replacement := range map[string]string{
		`"0123456789abcdef0123456789abcdef"`: `"00000000000000000000000000000000"`,
		`min_requests = 20`:                  `min_requests = 21`,
		`channel = "#ops"`:                   `channel = "#dev"`,
		`group_wait      = "10s"`:            `group_wait      = "11s"`,
		`team=~\"a|b\"`:                      `team=~\"a|c\"`,
		`severity = "critical"`:              `severity = "page"`,
		`path      = "/metrics"`:             `path      = "/other"`,
		`debug        = true`:                `debug        = false`,
	} {
		changed := strings.Replace(string(src), old, replacement, 1)
		if changed == string(src) {
			t.Fatalf("there is no %s", old)
		}
		if hash(changed) == base {
			t.Errorf("%s has the same hash", replacement)
		}
	}
}

func TestFormat(t *testing.T) {
	got, diags := Format([]byte("source \"http\" \"x\" {\n targets=[ \"a:1\" ]\n   interval   = \"5s\"\n}\n"), "a.hcl")
	want := "source \"http\" \"x\" {\n  targets  = [\"a:1\"]\n  interval = \"5s\"\n}\n"
	if string(got) != want || len(diags) > 0 {
		t.Errorf("formatted: %s, diagnostics: %v", got, diags)
	}
	if again, _ := Format(got, "a.hcl"); string(again) != want {
		t.Errorf("formatted again: %s", again)
	}
	for _, bad := range []string{"source {", "a = \xff", "a = " + strings.Repeat("(", 1000)} {
		if got, diags := Format([]byte(bad), "a.hcl"); !diags.HasErrors() || string(got) != bad {
			t.Errorf("%.20q: diagnostics: %v", bad, diags)
		}
	}
	if got, diags := Format([]byte(`{ "a":1}`), "a.hcl.json"); string(got) != `{ "a":1}` || len(diags) > 0 {
		t.Errorf("JSON: %s, %v", got, diags)
	}
}

package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata/bad")

// testEnv is the environment of all configurations in testdata.
func testEnv(name string) (string, bool) {
	values := map[string]string{
		"PD_KEY": "0123456789abcdef0123456789abcdef", "SHORT": "s3c", "TOCSIN_VAR_from_env": "of the environment",
		"TOCSIN_VAR_list_from_env": `["a", "b"]`, "TOCSIN_VAR_broken_list": "[hunter2-hunter2",
	}
	v, ok := values[name]
	return v, ok
}

// loadTest loads a configuration of testdata. Paths are relative to dir, so that diagnostics show short names.
func loadTest(t *testing.T, dir string, vars map[string]string, paths ...string) (*Config, string) {
	t.Helper()
	t.Chdir(dir)
	cfg, diags := Load(paths, Options{Env: testEnv, Vars: vars, Catalog: newTestCatalog})
	var b strings.Builder
	if err := diags.Write(&b, false, 100); err != nil {
		t.Fatal(err)
	}
	if (cfg == nil) != diags.HasErrors() {
		t.Errorf("configuration is nil: %v, has errors: %v", cfg == nil, diags.HasErrors())
	}
	return cfg, b.String()
}

func TestBadConfigurations(t *testing.T) {
	entries, err := os.ReadDir("testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".txt" || e.Name() == "shared" {
			continue
		}
		cases++
		name, _, _ := strings.Cut(e.Name(), ".")
		t.Run(name, func(t *testing.T) {
			_, got := loadTest(t, "testdata/bad", nil, e.Name())
			golden := name + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("diagnostics differ (-want +got):\n%s", diff)
			}
			if len(bytes.TrimSpace(want)) == 0 {
				t.Error("nothing was complained about")
			}
		})
	}
	if cases < 45 {
		t.Errorf("%d wrong configurations, want at least 45", cases)
	}
}

func TestGoodConfigurationsAreSilent(t *testing.T) {
	entries, err := os.ReadDir("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "secrets" {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			cfg, got := loadTest(t, "testdata/good", nil, e.Name())
			if got != "" || cfg == nil {
				t.Errorf("diagnostics:\n%s", got)
			}
		})
	}
}

func TestQuickstartIsSilent(t *testing.T) {
	cfg, got := loadTest(t, "..", nil, "examples/quickstart")
	if got != "" || cfg == nil {
		t.Errorf("diagnostics:\n%s", got)
	}
}

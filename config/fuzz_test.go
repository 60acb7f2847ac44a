package config

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad: whatever the files say, Load returns.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.hcl*", "testdata/good/values/*", "testdata/bad/*.hcl*", "testdata/bad/*/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src), filepath.Ext(name) == ".json")
		}
	}
	f.Fuzz(func(t *testing.T, src string, asJSON bool) {
		name := "a.hcl"
		if asJSON {
			name = "a.hcl.json"
		}
		cfg, diags := Load([]string{write(t, name, src)}, Options{Env: testEnv, Catalog: newTestCatalog})
		if (cfg == nil) != diags.HasErrors() {
			t.Errorf("configuration is nil: %v, diagnostics: %v", cfg == nil, diags)
		}
		if err := diags.Write(io.Discard, false, 80); err != nil {
			t.Error(err)
		}
		Format([]byte(src), name)
	})
}

// FuzzLoadTests: whatever a file of tests says, LoadTests returns, and so does Check.
func FuzzLoadTests(f *testing.F) {
	for _, name := range []string{"testdata/tests/mistakes.test.hcl", "../examples/quickstart/quickstart.test.hcl"} {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		tests, diags := LoadTests([]string{write(t, "a.test.hcl", src)})
		if diags.HasErrors() && tests != nil {
			t.Errorf("%d tests in spite of %v", len(tests), diags)
		}
		for i := range tests {
			diags = append(diags, tests[i].Check(&Config{})...)
		}
		if err := diags.Write(io.Discard, false, 80); err != nil {
			t.Error(err)
		}
	})
}

package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No secret of the wrong configurations is in what is printed about them, in any form.
func TestNoSecretIsShown(t *testing.T) {
	secrets := []string{"hunter2", "s3c", "0123456789abcdef0", "4711", "= 77"}
	files, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if filepath.Ext(file) == ".txt" {
			continue
		}
		_, diags := Load([]string{file}, Options{Env: testEnv, Catalog: newTestCatalog, Vars: map[string]string{"secret": "hunter2-from-var"}})
		var b strings.Builder
		if err := diags.Write(&b, true, 0); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(diags)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if strings.Contains(b.String()+string(data), s) {
				t.Errorf("%s: diagnostics show %q:\n%s", file, s, b.String())
			}
		}
	}
}

// A mistake on the very line of a secret, at every byte: whatever the parser makes of it, the secret stays hidden.
func TestDamagedLinesHideSecrets(t *testing.T) {
	const secret = "S3cretS3cretS3cretS3cretS3cret00"
	for _, c := range []struct{ file, text string }{
		{"a.hcl", "notifier \"pagerduty\" \"oncall\" {\n  routing_key = \"" + secret + "\"\n}\n"},
		{"a.hcl", "notifier \"pagerduty\" \"oncall\" { routing_key = \"" + secret + "\" }\n"},
		{"a.hcl", "variable \"pd_key\" {\n  default = \"" + secret + "\"\n  sensitive = true\n}\n"},
		{"a.hcl", "source \"http\" \"x\" {\n  targets = [\"a:1\"]\n  headers = { Authorization = \"" + secret + "\" }\n}\n"},
		{"a.hcl.json", `{"notifier": {"pagerduty": {"oncall": {"routing_key": "` + secret + `"}}}}`},
		{"a.hcl.json", `{"variable": {"pd_key": {"sensitive": true, "default": "` + secret + `"}}}`},
		{"a.hcl.json", `{"source": {"http": {"x": {"targets": ["a:1"], "basic_auth": {"username": "u", "password": "` + secret + `"}}}}}`},
	} {
		path := write(t, c.file, "")
		start, end := strings.Index(c.text, secret), strings.Index(c.text, secret)+len(secret)
		for i := range len(c.text) {
			if i >= start && i < end {
				continue
			}
			for _, insert := range []string{"", "\"", "{", "\n", "x"} {
				broken := c.text[:i] + insert + c.text[i+1:]
				if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
					t.Fatal(err)
				}
				_, diags := Load([]string{path}, Options{Env: testEnv, Catalog: newTestCatalog})
				var b strings.Builder
				if err := diags.Write(&b, false, 0); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(b.String(), "S3cretS3cret") {
					t.Errorf("%q shows the secret:\n%s", broken, b.String())
				}
			}
		}
	}
}

func TestFileStaysInside(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "config")
	for _, d := range []string{dir, filepath.Join(dir, "sub")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("outside", "hunter2-outside")
	put("config/inside", "inside")
	put("config/sub/deep", "deep")
	put("config/big", strings.Repeat("x", maxFileBytes+1))
	for link, target := range map[string]string{"link": "../outside", "absolute": filepath.Join(root, "outside"), "dir": "..", "good": "sub/deep"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	makeFIFO(t, filepath.Join(dir, "fifo"))

	for name, want := range map[string]string{"inside": "inside", "./sub/../inside": "inside", "sub/deep": "deep", "good": "deep"} {
		got, err := readInside(dir, name)
		if err != nil || string(got) != want {
			t.Errorf("file(%q) is %q, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"../outside", filepath.Join(root, "outside"), "link", "absolute", "dir/outside", "sub/../../outside", "fifo", "sub", "big",
		"/proc/self/environ", "../../../../../../../../proc/self/environ", "", "\x00",
	} {
		if got, err := readInside(dir, name); err == nil {
			t.Errorf("file(%q) is %.20q, want an error", name, got)
		}
	}
}

func TestConfigurationFilesAreRegular(t *testing.T) {
	dir := t.TempDir()
	makeFIFO(t, filepath.Join(dir, "a.hcl"))
	_, diags := Load([]string{dir, "/dev/zero", filepath.Join(dir, "missing")}, Options{})
	if len(diags) != 3 {
		t.Errorf("diagnostics: %v", diags)
	}
}

package pack_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// empty is the smallest module.
var empty = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

const manifest = `{"abi":{"major":1,"min_minor":0},"name":"mine","inputs":[]}`

func TestAttach(t *testing.T) {
	packed, err := pack.Attach(empty, []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	again, err := pack.Attach(packed, []byte(strings.Replace(manifest, "mine", "other", 1)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := wasm.ReadManifest(again)
	if err != nil || got.Name != "other" || strings.Count(string(again), abi.ManifestSection) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := pack.Attach(empty, []byte(`{"name":"mine"}`)); err == nil {
		t.Error("a manifest without an ABI is attached")
	}
	if _, err := pack.Attach([]byte("hello"), []byte(manifest)); err == nil {
		t.Error("a manifest is attached to something else")
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	tests := map[string]struct{ source, want string }{
		"does not compile": {"package main\nfunc main() { nonsense }\n", "nonsense"},
		"no manifest":      {"package main\nfunc main() { println() }\n", "main must call rule.Main"},
		"fails":            {"package main\nfunc main() { panic(\"no rule\") }\n", "no rule"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"main.go": tt.source, "go.mod": "module example.org/x\n\ngo 1.26\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := filepath.Join(dir, "x.wasm")
			err := pack.Build(t.Context(), dir, out)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestBuildCompresses(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not here")
	}
	out := filepath.Join(t.TempDir(), "threshold.wasm.gz")
	if err := pack.Build(t.Context(), "../../../rules-wasm/threshold", out); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	code, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := wasm.ReadManifest(code); err != nil || m.Name != "threshold" {
		t.Errorf("got %+v, %v", m, err)
	}
}

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// TestMain makes the product itself a command of the test binary: scripts and tests run real processes of it, which
// re-execute themselves for their plugins, without anything being built first.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tocsin": func() {
			// The program itself is the test binary, which is tocsin only under this name. A plugin process does not
			// find itself and need not: it starts no others.
			if path, err := exec.LookPath(os.Args[0]); err == nil {
				executable, _ = filepath.Abs(path)
				cacheDir = filepath.Join(filepath.Dir(executable), "cache")
			}
			os.Exit(run())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs("../../..")
			env.Setenv("ROOT", root)
			if cache, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil { //nolint:noctx // returns at once
				env.Setenv("GOCACHE", strings.TrimSpace(string(cache))) // scripts have no home
			}
			return err
		},
	})
}

// What "tocsin rule new" writes says which Go the SDK needs.
func TestGoVersionOfNewRules(t *testing.T) {
	mod, err := os.ReadFile("../../../go.mod")
	if err != nil || !strings.Contains(string(mod), "\ngo "+goVersion+"\n") {
		t.Errorf("go.mod does not say go %s (%v)", goVersion, err)
	}
}

func TestRenamed(t *testing.T) {
	text := "// Hot in hot.hcl: snapshot, TestHot, new(Hot), hotter"
	if got, want := renamed(text, "disk_full_2"), "// DiskFull2 in disk_full_2.hcl: snapshot, TestDiskFull2, new(DiskFull2), hotter"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The pipeline of the README is one that works.
func TestReadmePipeline(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```hcl\n")
	pipeline, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no block of HCL")
	}
	out, err := exec.CommandContext(t.Context(), "tocsin", "check", writeConfig(t, pipeline), "-var", "pd_key=0123456789abcdef0123456789abcdef").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("check of the README's pipeline: %v\n%s", err, out)
	}
}

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
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
			return err
		},
	})
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the product itself a command of the test binary: scripts and tests run real processes of it, which
// re-execute themselves for their plugins, without anything being built first.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tocsin": func() {
			path, err := exec.LookPath(os.Args[0])
			if err == nil {
				executable, err = filepath.Abs(path)
			}
			if err != nil {
				panic(err)
			}
			os.Exit(run())
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs("../../..")
			env.Setenv("ROOT", root)
			return err
		},
	})
}

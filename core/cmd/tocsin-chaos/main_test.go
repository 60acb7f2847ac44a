package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A short run, so that neither the program nor what it promises rots: `make chaos` has the long one.
func TestShortRun(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "tocsin")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../tocsin").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out bytes.Buffer
	clean, err := run(t.Context(), settings{
		binary: binary, incidents: 40, kills: 3, reloads: 2, outage: 5 * time.Second, span: 30 * time.Second, patience: 3 * time.Minute, seed: 1,
	}, &out)
	if err != nil || !clean {
		t.Errorf("%v\n%s", err, out.String())
	}
}

//go:build unix

package config

import (
	"syscall"
	"testing"
)

// makeFIFO makes a pipe: whoever opens it waits for ever.
func makeFIFO(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

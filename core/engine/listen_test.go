package engine

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A socket outlives an engine that is killed, and must not keep the next one from starting. Whatever else is there stays.
func TestSocketOfAKilledEngine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api")
	killed, err := listen(t.Context(), "unix:"+path)
	if err != nil {
		t.Fatal(err)
	}
	killed.(*net.UnixListener).SetUnlinkOnClose(false)
	if _, err := listen(t.Context(), "unix:"+path); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside an engine that runs: %v", err)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := listen(t.Context(), "unix:"+path)
	if err != nil {
		t.Fatalf("after one that was killed: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), "unix:"+path); err == nil {
		t.Error("listens at a file")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "data" {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

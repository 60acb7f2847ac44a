package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	dirPrefix  = "tocsin-"
	lockName   = "lock"
	socketRoom = 62 // bytes of a socket's path below the base: our directory, one for the start, go-plugin's two names
	socketMost = 107
)

// runtimeDir is the private directory of one host. A lock on a file in it tells that the host lives, so that the
// next host can sweep away what one that was killed left behind.
type runtimeDir struct {
	path string
	lock *os.File
}

// newRuntimeDir makes a directory below base, or below the usual places where base is "".
func newRuntimeDir(base string) (*runtimeDir, error) {
	base, err := runtimeBase(base)
	if err != nil {
		return nil, err
	}
	sweep(base)
	path, err := os.MkdirTemp(base, dirPrefix) // 0700
	if err != nil {
		return nil, fmt.Errorf("make a private directory for plugin sockets: %w", err)
	}
	lock, err := lockFile(filepath.Join(path, "."+lockName))
	if err == nil {
		err = os.Rename(lock.Name(), filepath.Join(path, lockName)) // it is locked before it can be seen
	}
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("lock the private directory for plugin sockets: %w", err)
	}
	return &runtimeDir{path: path, lock: lock}, nil
}

// runtimeBase chooses where our directory goes. Sockets need short paths.
func runtimeBase(base string) (string, error) {
	if base != "" {
		if base, err := filepath.Abs(base); err != nil || len(base)+socketRoom > socketMost {
			return "", fmt.Errorf("runtime directory %s: its path is too long for unix sockets (at most %d bytes)", base, socketMost-socketRoom)
		}
		return filepath.Abs(base)
	}
	systemd, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	for _, candidate := range []string{systemd, os.TempDir(), "/tmp"} {
		if filepath.IsAbs(candidate) && len(candidate)+socketRoom <= socketMost {
			return candidate, nil
		}
	}
	return "", errors.New("no directory with a path short enough for unix sockets: set RUNTIME_DIRECTORY")
}

// remove deletes the directory.
func (d *runtimeDir) remove() error {
	err := os.RemoveAll(d.path)
	_ = d.lock.Close()
	return err
}

// sweep removes the directories of hosts of this user that are gone. What it cannot remove it leaves.
func sweep(base string) {
	paths, _ := filepath.Glob(filepath.Join(base, dirPrefix+"*"))
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 || !ownedBy(info, os.Geteuid()) {
			continue
		}
		lock, err := lockFile(filepath.Join(path, lockName))
		switch {
		case err == nil:
			_ = os.RemoveAll(path)
			_ = lock.Close()
		case errors.Is(err, fs.ErrNotExist) && time.Since(info.ModTime()) > time.Hour:
			_ = os.Remove(path) // only if it is empty: perhaps it is not ours at all
		}
	}
}

// lockFile opens a file and locks it, or fails if somebody else has. Only a name that begins with a dot is made.
func lockFile(path string) (*os.File, error) {
	flags := os.O_RDWR | syscall.O_NOFOLLOW
	if strings.HasPrefix(filepath.Base(path), ".") {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func ownedBy(info fs.FileInfo, uid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}

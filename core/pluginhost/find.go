package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// ErrNotFound means that no directory has the plugin.
var ErrNotFound = errors.New("plugin not found")

var kindPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// Find looks for the program of a third-party plugin, tocsin-source-KIND or tocsin-notifier-KIND, in the directories.
// It refuses what somebody other than root or this user could have put there: directories and files that others own
// or can write to, and symbolic links.
func Find(dirs []string, what, kind string) (string, error) {
	if !kindPattern.MatchString(kind) {
		return "", fmt.Errorf("plugin kind %q: kinds are lower case letters, digits and -, a letter first, 41 at most", kind)
	}
	name := "tocsin-" + what + "-" + kind
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		info, err := os.Lstat(dir)
		if err != nil {
			return "", fmt.Errorf("plugin directory: %w", err)
		}
		if !info.IsDir() {
			return "", fmt.Errorf("plugin directory %s is a symbolic link or no directory: name the directory itself", dir)
		}
		if err := trusted(dir, info); err != nil {
			return "", fmt.Errorf("plugin directory: %w", err)
		}
		if info, err = os.Lstat(path); err != nil {
			return "", fmt.Errorf("plugin: %w", err)
		}
		if err := checkProgram(path, info); err != nil {
			return "", err
		}
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%s is in none of %s: %w", name, strings.Join(dirs, ", "), ErrNotFound)
}

func checkProgram(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("plugin %s is no regular file", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("plugin %s is not executable: chmod +x", path)
	}
	if err := trusted(path, info); err != nil {
		return fmt.Errorf("plugin: %w", err)
	}
	return nil
}

// trusted tells whether only root and this user can change what is there.
func trusted(path string, info fs.FileInfo) error {
	if !ownedBy(info, 0) && !ownedBy(info, os.Geteuid()) {
		return fmt.Errorf("%s belongs to another user: it must belong to root or to the user that runs Tocsin", path)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be written to by others (mode %v): chmod go-w", path, info.Mode().Perm())
	}
	return nil
}

// openVerified opens a program and checks its SHA-256. What is run later is this open file, so it does not matter
// what the path means by then.
func openVerified(path, sum string) (*os.File, error) {
	want, err := hex.DecodeString(sum)
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("the sha256 of plugin %s is no sum of 64 hexadecimal digits", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("verify the plugin: %w", err)
	}
	hash := sha256.New()
	info, err := f.Stat()
	if err == nil {
		err = checkProgram(path, info)
	}
	if err == nil {
		_, err = io.Copy(hash, f)
	}
	if got := hash.Sum(nil); err == nil && string(got) != string(want) {
		err = fmt.Errorf("plugin %s has the sha256 %x where the configuration says %x: it was replaced, or the configuration is out of date", path, got, want)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

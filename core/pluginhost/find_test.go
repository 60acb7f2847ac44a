package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	mkdir := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put := func(dir string, mode os.FileMode) string {
		path := filepath.Join(dir, "tocsin-source-sms")
		if err := errors.Join(os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, empty, open := mkdir("good", 0o755), mkdir("empty", 0o755), mkdir("open", 0o775)
	want := put(good, 0o755)
	put(open, 0o755)
	writable, noexec := mkdir("writable", 0o755), mkdir("noexec", 0o755)
	put(writable, 0o757)
	put(noexec, 0o644)
	linkDir, links := filepath.Join(dir, "link"), mkdir("links", 0o755)
	directory := mkdir("directory", 0o755)
	if err := errors.Join(os.Symlink(good, linkDir), os.Symlink(want, filepath.Join(links, "tocsin-source-sms")),
		os.Mkdir(filepath.Join(directory, "tocsin-source-sms"), 0o755)); err != nil {
		t.Fatal(err)
	}

	if got, err := Find([]string{empty, filepath.Join(dir, "no-such"), good, open}, "source", "sms"); err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	for text, c := range map[string]struct{ dir, kind string }{
		"is in none of":               {empty, "sms"},
		"kinds are lower case":        {good, "../sms"},
		`plugin kind "SMS"`:           {good, "SMS"},
		"can be written to by others": {open, "sms"},
		"chmod go-w":                  {writable, "sms"},
		"is not executable":           {noexec, "sms"},
		"is a symbolic link":          {linkDir, "sms"},
		"is no regular file":          {links, "sms"},
		"no regular file":             {directory, "sms"},
	} {
		_, err := Find([]string{c.dir}, "source", c.kind)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v", text, err)
		}
		if (text == "is in none of") != errors.Is(err, ErrNotFound) {
			t.Errorf("%s: ErrNotFound: %v", text, err)
		}
	}
	if _, err := Find([]string{good}, "notifier", "sms"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestChecksum(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	copyFile(t, self(), program)
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	right := sha256.Sum256(data)
	for sum, want := range map[string]string{
		hex.EncodeToString(right[:]): "",
		strings.Repeat("0", 64):      "it was replaced, or the configuration is out of date",
		"abc":                        "64 hexadecimal digits",
	} {
		h, _ := newHost(t, func(o *Options) {
			o.Command = func(what, _ string) (string, []string, error) { return program, []string{"plugin-serve", what}, nil }
			o.Checksum = func(string, string) string { return sum }
		})
		s, err := h.Source(t.Context(), "fake", "main", nil, quick)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		mustCollect(t, s, "")
	}
}

// What was verified is what runs, also if the path means something else by then.
func TestVerifiedBytesAreRun(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	copyFile(t, self(), program)
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	f, err := openVerified(program, hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, []byte("something else"), 0o755), os.Rename(other, program)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || len(got) != len(data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRuntimeDirectory(t *testing.T) {
	if _, err := newRuntimeDir("/" + strings.Repeat("x", 60)); err == nil || !strings.Contains(err.Error(), "too long for unix sockets") {
		t.Errorf("got %v", err)
	}
	if _, err := newRuntimeDir("/no/such"); err == nil {
		t.Error("a directory that is not there")
	}
	t.Setenv("RUNTIME_DIRECTORY", "/run/a:/run/b")
	if got, err := runtimeBase(""); got != "/run/a" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("TMPDIR", "/"+strings.Repeat("x", 60))
	if got, err := runtimeBase(""); got != "/tmp" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

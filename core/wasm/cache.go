package wasm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
)

// cache is a directory of native code. Whoever can write it can run code in this process, so it must be ours alone.
type cache struct {
	dir      string
	compiled wazero.CompilationCache
}

func openCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for compiled rule modules: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory for compiled rule modules: %w", err)
	}
	for _, e := range entries { // where wazero keeps the code, a directory for each of its versions
		if e.IsDir() {
			if err := private(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	compiled, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory for compiled rule modules %s: %w", dir, err)
	}
	return &cache{dir: dir, compiled: compiled}, nil
}

// private refuses a directory that others may write.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the directory for compiled rule modules: %w", err)
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("compiled rule modules are kept in %s, which is not a directory: remove it", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("compiled rule modules are kept in %s, which others may write (mode %04o): they could run code in this process; chmod 700 it", dir, info.Mode().Perm())
	case !ours(info):
		return fmt.Errorf("compiled rule modules are kept in %s, which belongs to another user: they could run code in this process; choose another directory", dir)
	}
	return nil
}

// broken tells whether a failure to compile comes from an entry of the cache rather than from the module.
func (c *cache) broken(err error) bool {
	return c != nil && err != nil && (strings.Contains(err.Error(), "compilationcache") || errors.Is(err, errCompilerPanic))
}

// empty removes all entries. The key of a single one is wazero's secret; the others are made again at the next start.
func (c *cache) empty() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("empty the directory for compiled rule modules: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub := filepath.Join(c.dir, e.Name())
		files, err := os.ReadDir(sub)
		if err != nil {
			return fmt.Errorf("empty the directory for compiled rule modules: %w", err)
		}
		for _, f := range files {
			if err := os.Remove(filepath.Join(sub, f.Name())); err != nil {
				return fmt.Errorf("empty the directory for compiled rule modules: %w", err)
			}
		}
	}
	return nil
}

package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/wasm"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

// modules finds the code of rule modules: a module block of the configuration first, then NAME.wasm in a module_dir,
// then what is built in.
type modules struct {
	blocks []config.Module
	dirs   []string
}

// code returns the module's bytes, checked against the sha256 that its block asks for.
func (m modules) code(name string) ([]byte, error) {
	path, err := m.find(name)
	if err != nil {
		return nil, err
	}
	var code []byte
	if path != "" {
		if code, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read rule module %s: %w", name, err)
		}
	} else if code, err = ruleswasm.Module(name); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("rule module %q: %w", name, config.ErrUnknown)
	} else if err != nil {
		return nil, err
	}
	return code, wasm.CheckHash(name, code, m.block(name).SHA256)
}

// find returns the file of a module, "" for one that is built in or nowhere.
func (m modules) find(name string) (path string, err error) {
	if path := m.block(name).Path; path != "" {
		return path, nil
	}
	for _, dir := range m.dirs {
		path := filepath.Join(dir, name+".wasm")
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read rule module %s: %w", name, err)
		}
	}
	return "", nil
}

// version changes when the code of a module or what it is granted may have changed. Of what is built in only the latter can.
func (m modules) version(name string) (string, error) {
	path, err := m.find(name)
	if err != nil || path == "" {
		return config.Version(m.block(name)), err
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read rule module %s: %w", name, err)
	}
	return config.Version(m.block(name), sha256.Sum256(code)), nil
}

func (m modules) block(name string) config.Module {
	for _, b := range m.blocks {
		if b.Name == name {
			return b
		}
	}
	return config.Module{}
}

// names lists every module that can be named in a rule.
func (m modules) names() []string {
	names := ruleswasm.Names()
	for _, b := range m.blocks {
		names = append(names, b.Name)
	}
	for _, dir := range m.dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.wasm"))
		for _, f := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".wasm"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

package engine

import (
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
	for _, b := range m.blocks {
		if b.Name != name {
			continue
		}
		if b.Path == "" {
			break // the block only sets limits
		}
		code, err := os.ReadFile(b.Path)
		if err != nil {
			return nil, fmt.Errorf("read rule module %s: %w", name, err)
		}
		return code, wasm.CheckHash(name, code, b.SHA256)
	}
	for _, dir := range m.dirs {
		code, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err == nil {
			return code, m.checkBlockSum(name, code)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read rule module %s: %w", name, err)
		}
	}
	code, err := ruleswasm.Module(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("rule module %q: %w", name, config.ErrUnknown)
	}
	if err != nil {
		return nil, err
	}
	return code, m.checkBlockSum(name, code)
}

func (m modules) checkBlockSum(name string, code []byte) error {
	for _, b := range m.blocks {
		if b.Name == name {
			return wasm.CheckHash(name, code, b.SHA256)
		}
	}
	return nil
}

// limits returns what a module block grants to the module, zero values where it is silent.
func (m modules) limits(name string) (memory int64, fuel uint64) {
	for _, b := range m.blocks {
		if b.Name == name {
			return b.Memory, b.Fuel
		}
	}
	return 0, 0
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

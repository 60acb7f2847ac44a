// Package ruleswasm carries the rule modules that come with Tocsin, as they were built by "make rules".
package ruleswasm

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Modules are embedded compressed: a Go guest has 3 MB, of which gzip leaves 0.9.
const suffix = ".wasm.gz"

//go:embed all:built
var built embed.FS

// Module returns the WebAssembly of a built-in module. The error for a name that is not one wraps [fs.ErrNotExist].
func Module(name string) ([]byte, error) {
	if strings.ContainsAny(name, "/\\.") || name == "" {
		return nil, fmt.Errorf("built-in rule module %q: %w", name, fs.ErrNotExist)
	}
	file, err := built.Open("built/" + name + suffix)
	if err != nil {
		if len(Names()) == 0 {
			return nil, fmt.Errorf("built-in rule module %q: no modules were built into this program, run \"make rules\" before building it: %w", name, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("built-in rule module %q: %w", name, fs.ErrNotExist)
	}
	defer func() { _ = file.Close() }()
	code, err := unpack(file)
	if err != nil {
		return nil, fmt.Errorf("built-in rule module %q: %w", name, err)
	}
	return code, nil
}

func unpack(r io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Names lists the built-in modules, sorted.
func Names() []string {
	entries, err := built.ReadDir("built")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok {
			names = append(names, name)
		}
	}
	return names
}

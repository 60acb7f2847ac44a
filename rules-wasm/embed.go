// Package ruleswasm carries the rule modules that come with Tocsin, as they were built by "make rules".
package ruleswasm

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed all:built
var built embed.FS

// Module returns the WebAssembly of a built-in module. The error for a name that is not one wraps [fs.ErrNotExist].
func Module(name string) ([]byte, error) {
	if strings.ContainsAny(name, "/\\.") || name == "" {
		return nil, fmt.Errorf("built-in rule module %q: %w", name, fs.ErrNotExist)
	}
	code, err := built.ReadFile("built/" + name + ".wasm")
	if err != nil {
		if len(Names()) == 0 {
			return nil, fmt.Errorf("built-in rule module %q: no modules were built into this program, run \"make rules\" before building it: %w", name, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("built-in rule module %q: %w", name, fs.ErrNotExist)
	}
	return code, nil
}

// Names lists the built-in modules, sorted.
func Names() []string {
	entries, err := built.ReadDir("built")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".wasm"); ok {
			names = append(names, name)
		}
	}
	return names
}

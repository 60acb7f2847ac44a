package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// file is one file that was read.
type file struct {
	name   string
	dir    string // what relative paths and file() in it refer to
	src    []byte
	body   hcl.Body                // nil if it was not parsed
	block  func(offset int) string // the header of the top-level block around an offset, "" if there is none
	broken bool                    // has syntax errors
}

// readFiles reads and parses what the paths stand for. Files of variable values (*.tocsinvars) are returned.
func (l *loader) readFiles(paths []string) (vars []*file) {
	total := 0
	for _, name := range l.findFiles(paths) {
		if l.files[name] != nil {
			continue // named twice
		}
		f := l.readFile(name)
		if f == nil {
			l.partial = true
			continue
		}
		l.files[name] = f
		l.order = append(l.order, name)
		if total += len(f.src); total > maxTotalBytes {
			l.syntax = append(l.syntax, refusal("Configuration too big", wholeFile(name), "All files together may have 16 MiB."))
			l.partial, l.order = true, nil
			return nil
		}
	}
	for _, name := range l.order {
		f := l.files[name]
		l.parse(f)
		if strings.HasSuffix(name, varsSuffix) {
			vars = append(vars, f)
		}
	}
	return vars
}

const varsSuffix = ".tocsinvars"

// findFiles lists the files that the paths stand for.
func (l *loader) findFiles(paths []string) (names []string) {
	if len(paths) == 0 {
		l.errorf(hcl.Range{}, "No configuration", "Name a configuration file or a directory.")
	}
	for _, path := range paths {
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		if err != nil {
			l.errorf(hcl.Range{}, "Cannot read configuration", "%s", sentence(err.Error()))
			continue
		}
		if !info.IsDir() {
			names = append(names, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			l.errorf(hcl.Range{}, "Cannot read configuration", "%s", sentence(err.Error()))
			continue
		}
		found := len(names)
		for _, e := range entries {
			if !e.IsDir() && isConfigFile(e.Name()) {
				names = append(names, filepath.Join(path, e.Name()))
			}
		}
		if found == len(names) {
			l.errorf(hcl.Range{}, "No configuration", "There is no *.hcl file in %s.", path)
		}
	}
	return names
}

// isConfigFile tells whether a file of a directory belongs to its configuration.
func isConfigFile(name string) bool {
	switch {
	case strings.HasPrefix(name, "."), strings.HasSuffix(name, ".test.hcl"), strings.HasSuffix(name, ".lock.hcl"):
		return false
	}
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json") || strings.HasSuffix(name, varsSuffix)
}

// readFile reads one file, of which no more than the limit. Anything but a regular file is refused: reading a pipe could wait for ever.
func (l *loader) readFile(name string) *file {
	src, err := readRegular(name)
	if err != nil {
		l.errorf(hcl.Range{}, "Cannot read configuration", "%s", sentence(err.Error()))
		return nil
	}
	return &file{name: name, dir: filepath.Dir(name), src: src, block: func(int) string { return "" }}
}

func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// parse fills in the body, unless the guard refuses the source.
func (l *loader) parse(f *file) {
	if d := guard(f.src, f.name); d != nil {
		if len(f.src) > maxFileBytes {
			f.src = nil // no snippets
		}
		l.syntax = append(l.syntax, d)
		f.broken, l.partial = true, true
		return
	}
	parsed, diags := parseSource(f.src, f.name)
	l.syntax = append(l.syntax, diags...)
	f.broken = diags.HasErrors()
	l.partial = l.partial || f.broken
	if parsed == nil || f.broken && isJSON(f.name) || strings.HasSuffix(f.name, varsSuffix) && f.broken {
		return
	}
	f.body = parsed.Body
	if f.broken {
		return // the headers of its blocks may be anything, also a secret
	}
	if nav, ok := parsed.Nav.(interface{ ContextString(offset int) string }); ok {
		f.block = nav.ContextString
	}
}

// parseSource parses what the guard let through.
func parseSource(src []byte, name string) (parsed *hcl.File, diags hcl.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			parsed, diags = nil, hcl.Diagnostics{refusal("Cannot parse", wholeFile(name), "The parser gave up: %v.", p)}
		}
	}()
	if isJSON(name) {
		return hcljson.Parse(src, name)
	}
	return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
}

// readInside reads a file for file(): below dir whatever the name says, a regular file, of at most 1 MiB.
func readInside(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", name, outside(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("file %q is not a regular file", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", name, outside(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", name, err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("file %q is bigger than 1 MiB", name)
	}
	return data, nil
}

// outside keeps the reason of an error of [os.Root] without the path, which the caller names.
func outside(err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err
	}
	if strings.Contains(err.Error(), "escapes") {
		return errors.New("only files inside the directory of the configuration can be read")
	}
	return err
}

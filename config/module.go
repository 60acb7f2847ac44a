package config

import (
	"regexp"
	"strconv"
	"strings"
)

// Module is a module block: where a rule module is, or what it may use.
type Module struct {
	Name   string
	Path   string // of the .wasm file, joined with the directory of the configuration; "": found by name
	SHA256 string // 64 lower case hexadecimal digits, "": not checked
	Memory int64  // bytes that the module's memory may grow to, 0: the default
	Fuel   uint64 // of one evaluation, 0: the default
	Range  Range  `json:"-"`
}

// Bounds of what a module may be given.
const (
	leastMemory = 1 << 20
	mostMemory  = 4 << 30
	mostFuel    = 1 << 50
)

func (l *loader) moduleBlocks() (all []Module) {
	for _, block := range l.blocks["module"] {
		if !l.isFirst(block, block.Labels[0]) {
			continue
		}
		b := l.open(block, []string{"path", "sha256", "memory", "fuel"})
		m := Module{
			Name: block.Labels[0], Range: rangeOf(headerRange(block)),
			SHA256: l.sha256(b),
			Memory: l.byteSize(b, "memory"),
			Fuel:   uint64(b.integer("fuel", 0, 1, mostFuel)),
		}
		if path := b.text("path", ""); path != "" {
			m.Path = under(l.files[block.DefRange.Filename].dir, path)
		} else if b.has("path") {
			l.emptyText(b, "path")
		}
		all = append(all, m)
	}
	return all
}

// emptyText complains about an empty string where the value was evaluated without a complaint.
func (l *loader) emptyText(b body, name string) {
	if i, ok := b.itemOf(name); ok && i.text == "" {
		l.errorf(b.at(name), "Empty value", "%s is empty: remove it or give it a value.", name)
	}
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (l *loader) sha256(b body) string {
	i, ok := b.itemOf("sha256")
	if !ok {
		return ""
	}
	if !hexSHA256.MatchString(i.text) {
		l.errorf(b.at("sha256"), "Invalid checksum", "sha256 must be 64 hexadecimal digits, as sha256sum prints them.")
		return ""
	}
	return strings.ToLower(i.text)
}

var byteSize = regexp.MustCompile(`^([0-9]{1,9})\s*(B|KiB|MiB|GiB)$`)

// byteSize is an attribute such as "32MiB".
func (l *loader) byteSize(b body, name string) int64 {
	i, ok := b.itemOf(name)
	if !ok {
		return 0
	}
	m := byteSize.FindStringSubmatch(i.text)
	if m == nil {
		l.errorf(b.at(name), "Invalid size", "%s must be a size such as \"32MiB\".", name)
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	n <<= map[string]int{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[m[2]]
	if n < leastMemory || n > mostMemory {
		l.errorf(b.at(name), "Value out of range", "%s must be from 1MiB to 4GiB.", name)
		return 0
	}
	return n
}

// Package wat assembles WebAssembly modules from their text, for tests: the part of the text format that hostile
// modules are written in. Instructions may be folded or not. Vector instructions, type definitions and f32 constants
// are not known. For what is custom in a module the annotation (@custom "name" "content") stands, as in the proposal.
package wat

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// Assemble returns the binary of a module.
func Assemble(text string) (module []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("line %d: %s", e.line, e.text)
		}
	}()
	p := &parser{src: text, line: 1}
	root, ok := p.node()
	if p.space(); !ok || root.head() != "module" || p.at < len(p.src) {
		fail(p.line, "one (module …) is expected")
	}
	a := &assembler{names: map[string]map[string]int{}, counts: map[string]int{}}
	fields := root.list[1:]
	if len(fields) > 0 && fields[0].atom != "" { // the module's name
		fields = fields[1:]
	}
	for i := range fields { // all names, since what comes first may name what comes last
		a.declare(&fields[i])
	}
	for i := range fields {
		a.field(&fields[i])
	}
	return a.binary(), nil
}

type funcType struct{ params, results string }

// assembler collects the entries of each section.
type assembler struct {
	names  map[string]map[string]int // kind, name: index
	counts map[string]int            // kind: how many were declared
	types  []funcType

	imports, functions, tables, memories, globals, exports, elements, bodies, datas [][]byte

	start  []byte // nil: none
	custom []byte // whole sections
	passes int    // how many functions were imported or defined so far
}

// kindOf is what a field of a module defines.
func kindOf(field *node) string {
	switch head := field.head(); head {
	case "import":
		if len(field.list) != 4 {
			fail(field.line, "(import module name (kind …)) is expected")
		}
		return field.list[3].head()
	default:
		return head
	}
}

func (a *assembler) declare(field *node) {
	kind := kindOf(field)
	named := field
	if field.head() == "import" {
		named = &field.list[3]
	}
	if len(named.list) > 1 && len(named.list[1].atom) > 0 && named.list[1].atom[0] == '$' && kind != "export" && kind != "start" {
		if a.names[kind] == nil {
			a.names[kind] = map[string]int{}
		}
		a.names[kind][named.list[1].atom] = a.counts[kind]
	}
	a.counts[kind]++
}

// index finds what an atom names: $name or a number.
func (a *assembler) index(kind string, n *node) []byte {
	if i, ok := a.names[kind][n.atom]; ok {
		return uleb(uint64(i))
	}
	i, err := strconv.ParseUint(n.atom, 0, 32)
	if err != nil {
		fail(n.line, "%s %s is not known", kind, n.atom)
	}
	return uleb(i)
}

func (a *assembler) typeIndex(t funcType) []byte {
	i := slices.Index(a.types, t)
	if i < 0 {
		i = len(a.types)
		a.types = append(a.types, t)
	}
	return uleb(uint64(i))
}

var kinds = map[string]byte{"func": 0, "table": 1, "memory": 2, "global": 3}

// field assembles one field of the module.
func (a *assembler) field(n *node) {
	head := n.head()
	items := n.list[min(1, len(n.list)):]
	if len(items) > 0 && len(items[0].atom) > 0 && items[0].atom[0] == '$' && head != "export" && head != "start" {
		items = items[1:]
	}
	index := 0
	switch head {
	case "memory":
		index = len(a.memories)
	case "table":
		index = len(a.tables)
	case "global":
		index = len(a.globals)
	case "func":
		index = a.passes
	}
	for len(items) > 0 && items[0].head() == "export" {
		a.exports = append(a.exports, slices.Concat(str(items[0].list[1].text), []byte{kinds[head]}, uleb(uint64(index))))
		items = items[1:]
	}
	switch head {
	case "import":
		a.importField(n)
	case "memory":
		a.memories = append(a.memories, limits(items))
	case "table":
		a.tables = append(a.tables, tableType(n.line, items))
	case "global":
		a.globals = append(a.globals, append(globalType(&items[0]), a.expression(items[1:])...))
	case "func":
		a.passes++
		a.function(n.line, items)
	case "export":
		what := &n.list[2]
		a.exports = append(a.exports, slices.Concat(str(n.list[1].text), []byte{kinds[what.head()]}, a.index(what.head(), &what.list[1])))
	case "start":
		a.start = a.index("func", &n.list[1])
	case "elem":
		a.element(n, items)
	case "data":
		a.data(items)
	case "@custom":
		a.custom = append(a.custom, section(0, append(str(items[0].text), items[1].text...))...)
	default:
		fail(n.line, "field %q of a module is not known", head)
	}
}

func (a *assembler) importField(n *node) {
	what := &n.list[3]
	items := what.list[1:]
	if len(items) > 0 && len(items[0].atom) > 0 && items[0].atom[0] == '$' {
		items = items[1:]
	}
	entry := slices.Concat(str(n.list[1].text), str(n.list[2].text), []byte{kinds[what.head()]})
	switch what.head() {
	case "func":
		a.passes++
		t, _, _ := signature(items)
		entry = append(entry, a.typeIndex(t)...)
	case "memory":
		entry = append(entry, limits(items)...)
	case "table":
		entry = append(entry, tableType(n.line, items)...)
	case "global":
		entry = append(entry, globalType(&items[0])...)
	default:
		fail(n.line, "import of a %s", what.head())
	}
	a.imports = append(a.imports, entry)
}

// signature reads (param …) and (result …); rest is what follows, and names the parameters that have one.
func signature(items []node) (t funcType, names map[string]int, rest []node) {
	names = map[string]int{}
	for ; len(items) > 0; items = items[1:] {
		switch items[0].head() {
		case "param":
			t.params += typed(&items[0], names, len(t.params))
		case "result":
			t.results += typed(&items[0], nil, 0)
		default:
			return t, names, items
		}
	}
	return t, names, nil
}

// typed reads the value types of a (param …), (result …) or (local …), the first of which may have a name.
func typed(n *node, names map[string]int, at int) (types string) {
	for _, item := range n.list[1:] {
		if names != nil && item.atom[0] == '$' {
			names[item.atom] = at
			continue
		}
		types += string([]byte{valueType(&item)})
	}
	return types
}

func valueType(n *node) byte {
	t, ok := valueTypes[n.atom]
	if !ok {
		fail(n.line, "type %q is not known", n.atom)
	}
	return t
}

func globalType(n *node) []byte {
	if n.head() == "mut" {
		return []byte{valueType(&n.list[1]), 1}
	}
	return []byte{valueType(n), 0}
}

// limits reads a minimum and perhaps a maximum.
func limits(items []node) []byte {
	var numbers []byte
	for _, n := range items {
		v, err := strconv.ParseUint(n.atom, 0, 32)
		if err != nil {
			fail(n.line, "%q is no size", n.atom)
		}
		numbers = append(numbers, uleb(v)...)
	}
	return append([]byte{byte(len(items) - 1)}, numbers...)
}

func tableType(line int, items []node) []byte {
	if len(items) < 2 {
		fail(line, "a table needs a size and a type")
	}
	last := len(items) - 1
	return append([]byte{valueType(&items[last])}, limits(items[:last])...)
}

// element assembles (elem (offset) func …), (elem declare func …) and (elem func …): functions of table 0.
func (a *assembler) element(n *node, items []node) {
	entry := []byte{1, 0} // passive
	switch {
	case items[0].isList():
		entry = append([]byte{0}, a.expression(items[:1])...)
		items = items[1:]
	case items[0].atom == "declare":
		entry = []byte{3, 0}
		items = items[1:]
	}
	if len(items) == 0 || items[0].atom != "func" {
		fail(n.line, "elements are functions")
	}
	items = items[1:]
	entry = append(entry, uleb(uint64(len(items)))...)
	for i := range items {
		entry = append(entry, a.index("func", &items[i])...)
	}
	a.elements = append(a.elements, entry)
}

func (a *assembler) data(items []node) {
	entry := []byte{1} // passive
	if items[0].isList() {
		entry = append([]byte{0}, a.expression(items[:1])...)
		items = items[1:]
	}
	var text []byte
	for _, item := range items {
		text = append(text, item.text...)
	}
	a.datas = append(a.datas, append(entry, str(string(text))...))
}

// binary puts the sections together.
func (a *assembler) binary() []byte {
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	types := make([][]byte, len(a.types))
	for i, t := range a.types {
		types[i] = slices.Concat([]byte{0x60}, str(t.params), str(t.results))
	}
	for _, s := range []struct {
		id      byte
		entries [][]byte
	}{
		{1, types},
		{2, a.imports},
		{3, a.functions},
		{4, a.tables},
		{5, a.memories},
		{6, a.globals},
		{7, a.exports},
		{8, nil},
		{9, a.elements},
		{12, nil},
		{10, a.bodies},
		{11, a.datas},
	} {
		switch {
		case s.id == 8 && a.start != nil:
			out = append(out, section(8, a.start)...)
		case s.id == 12 && len(a.datas) > 0:
			out = append(out, section(12, uleb(uint64(len(a.datas))))...)
		case len(s.entries) > 0:
			out = append(out, section(s.id, append(uleb(uint64(len(s.entries))), slices.Concat(s.entries...)...))...)
		}
	}
	return append(out, a.custom...)
}

func section(id byte, body []byte) []byte {
	return append(append([]byte{id}, uleb(uint64(len(body)))...), body...)
}

func str(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func uleb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) (b []byte) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

package wat

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
)

// body assembles the code of one function.
type body struct {
	*assembler
	locals map[string]int
	labels []string // of the blocks that are open, the innermost last
	out    []byte
}

func (a *assembler) function(line int, items []node) {
	t, names, items := signature(items)
	f := &body{assembler: a, locals: names}
	var locals []byte
	for len(items) > 0 && items[0].head() == "local" {
		locals = append(locals, typed(&items[0], names, len(t.params)+len(locals))...)
		items = items[1:]
	}
	f.instructions(items)
	if len(f.labels) > 0 {
		fail(line, "a block is not ended")
	}
	a.functions = append(a.functions, a.typeIndex(t))
	code := slices.Concat(runs(locals), f.out, []byte{0x0b})
	a.bodies = append(a.bodies, append(uleb(uint64(len(code))), code...))
}

// runs spells the types of locals: how many of the same type follow each other.
func runs(types []byte) []byte {
	count, out := uint64(0), []byte(nil)
	for len(types) > 0 {
		n := 1
		for n < len(types) && types[n] == types[0] {
			n++
		}
		out = append(append(out, uleb(uint64(n))...), types[0])
		types = types[n:]
		count++
	}
	return append(uleb(count), out...)
}

// expression assembles an initializer, which is given as one folded instruction.
func (a *assembler) expression(items []node) []byte {
	f := &body{assembler: a}
	f.instructions(items)
	return append(f.out, 0x0b)
}

// instructions assembles instructions that follow each other.
func (f *body) instructions(items []node) {
	for len(items) > 0 {
		if items[0].isList() {
			f.folded(&items[0])
			items = items[1:]
			continue
		}
		items = f.plain(items)
	}
}

// folded assembles (instruction immediates… operands…).
func (f *body) folded(n *node) {
	switch head := n.head(); head {
	case "block", "loop":
		rest := f.open(n.list)
		f.instructions(rest)
		f.close()
	case "if":
		f.folding(n)
	case "":
		fail(n.line, "an instruction is expected")
	default:
		// Immediates are atoms, operands lists; the signature of call_indirect and the type of ref.null are immediates.
		operands := slices.IndexFunc(n.list, func(item node) bool {
			return item.isList() && item.head() != "param" && item.head() != "result"
		})
		if operands < 0 {
			operands = len(n.list)
		}
		f.instructions(n.list[operands:])
		if rest := f.plain(n.list[:operands]); len(rest) > 0 {
			fail(n.line, "%s does not take %q", head, rest[0].atom)
		}
	}
}

// folding assembles (if label? type? condition… (then …) (else …)?).
func (f *body) folding(n *node) {
	items := n.list[1:]
	arms := slices.IndexFunc(items, func(item node) bool { return item.head() == "then" })
	if arms < 0 {
		fail(n.line, "(then …) is expected")
	}
	condition := 0
	for condition < arms && (!items[condition].isList() || items[condition].head() == "result" || items[condition].head() == "param") {
		condition++
	}
	f.instructions(items[condition:arms])
	f.open(n.list[:1+condition])
	f.instructions(items[arms].list[1:])
	if arms+1 < len(items) {
		f.out = append(f.out, 0x05)
		f.instructions(items[arms+1].list[1:])
	}
	f.close()
}

// open begins a block: name, label?, type?. It returns what follows.
func (f *body) open(items []node) []node {
	f.out = append(f.out, map[string]byte{"block": 0x02, "loop": 0x03, "if": 0x04}[items[0].atom])
	items = items[1:]
	label := ""
	if len(items) > 0 && strings.HasPrefix(items[0].atom, "$") {
		label = items[0].atom
		items = items[1:]
	}
	f.labels = append(f.labels, label)
	t, _, items := signature(items)
	switch {
	case t == funcType{}:
		f.out = append(f.out, 0x40)
	case t.params == "" && len(t.results) == 1:
		f.out = append(f.out, t.results[0])
	default:
		f.out = append(f.out, f.typeIndex(t)...) // small numbers are spelled alike with and without sign
	}
	return items
}

func (f *body) close() {
	f.out = append(f.out, 0x0b)
	f.labels = f.labels[:len(f.labels)-1]
}

// plain assembles the first of items, an atom, with its immediates, and returns what follows.
func (f *body) plain(items []node) []node {
	n := &items[0]
	switch n.atom {
	case "block", "loop", "if":
		return f.open(items)
	case "else":
		f.out = append(f.out, 0x05)
		return items[1:]
	case "end":
		if len(f.labels) == 0 {
			fail(n.line, "end without a block")
		}
		f.close()
		return items[1:]
	}
	op, ok := opcodes[n.atom]
	if !ok {
		fail(n.line, "instruction %q is not known", n.atom)
	}
	f.out = append(f.out, op.code...)
	return f.immediates(n, op.shape, items[1:])
}

// immediates assembles what follows the opcode of n.
func (f *body) immediates(n *node, shape shape, items []node) []node {
	next := func() *node {
		if len(items) == 0 || items[0].isList() {
			fail(n.line, "%s needs an immediate", n.atom)
		}
		item := &items[0]
		items = items[1:]
		return item
	}
	raw := func(b ...byte) { f.out = append(f.out, b...) }
	switch shape {
	case none:
	case zero:
		raw(0)
	case zeroZero:
		raw(0, 0)
	case memarg:
		align, offset := alignment(n.atom), uint64(0)
		for len(items) > 0 && strings.Contains(items[0].atom, "=") {
			key, value, _ := strings.Cut(next().atom, "=")
			v, err := strconv.ParseUint(value, 0, 32)
			if err != nil || key != "offset" {
				fail(n.line, "%s=%s is not known", key, value)
			}
			offset = v
		}
		raw(append([]byte{align}, uleb(offset)...)...)
	case local:
		item := next()
		if i, ok := f.locals[item.atom]; ok {
			raw(uleb(uint64(i))...)
		} else {
			raw(f.index("local", item)...)
		}
	case global:
		raw(f.index("global", next())...)
	case function:
		raw(f.index("func", next())...)
	case dataIndex:
		raw(f.index("data", next())...)
	case elemIndex:
		raw(f.index("elem", next())...)
	case initMemory:
		raw(append(f.index("data", next()), 0)...)
	case initTable:
		raw(append(f.index("elem", next()), 0)...)
	case table, copyTable:
		for i := 0; i == 0 || i == 1 && shape == copyTable; i++ {
			if len(items) > 0 && isIndex(&items[0]) {
				raw(f.index("table", next())...)
			} else {
				raw(0)
			}
		}
	case label:
		raw(f.label(next())...)
	case labels:
		var targets []byte
		count := 0
		for len(items) > 0 && isIndex(&items[0]) {
			targets = append(targets, f.label(next())...)
			count++
		}
		raw(append(uleb(uint64(count-1)), targets...)...)
	case indirect:
		t, _, rest := signature(items)
		items = rest
		raw(append(f.typeIndex(t), 0)...)
	case reftype:
		raw(valueType(next()))
	case constI32:
		raw(sleb(int64(int32(integer(next(), 32))))...)
	case constI64:
		raw(sleb(integer(next(), 64))...)
	case constF64:
		item := next()
		v, err := strconv.ParseFloat(item.atom, 64)
		if err != nil {
			fail(item.line, "%q is no number", item.atom)
		}
		raw(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))...)
	}
	return items
}

func isIndex(n *node) bool {
	return n.atom != "" && (n.atom[0] == '$' || n.atom[0] >= '0' && n.atom[0] <= '9')
}

// label finds the block that an atom names: $label or how many blocks out.
func (f *body) label(n *node) []byte {
	for i := range f.labels {
		if depth := len(f.labels) - 1 - i; f.labels[depth] == n.atom {
			return uleb(uint64(i))
		}
	}
	return f.index("label", n)
}

// integer reads a number, which may be given with a sign or without.
func integer(n *node, bits int) int64 {
	text := strings.ReplaceAll(n.atom, "_", "")
	if v, err := strconv.ParseInt(text, 0, bits); err == nil {
		return v
	}
	v, err := strconv.ParseUint(text, 0, bits)
	if err != nil {
		fail(n.line, "%q is no number of %d bits", n.atom, bits)
	}
	return int64(v)
}

// alignment is the natural one of a load or store, as a power of two.
func alignment(name string) byte {
	kind, op, _ := strings.Cut(name, ".")
	switch {
	case strings.Contains(op, "8"):
		return 0
	case strings.Contains(op, "16"):
		return 1
	case strings.Contains(op, "32"), kind == "i32", kind == "f32":
		return 2
	}
	return 3
}

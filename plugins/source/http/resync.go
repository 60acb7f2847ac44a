package httpsource

import (
	"bytes"
	"hash/maphash"
	"strings"
)

// resync reads the rest of a page that differs from the one before: line i is not what stands at the clean position
// pos, raw has the values of the lines before.
//
// It goes line by line. A line whose series is written as in a known line is taken for that one, if the TYPE
// declaration in force is the same; from there on the page may be as before again. All other lines are collected and
// given to Prometheus' parser, behind a declaration that puts it into the state that it would have there. If it
// accepts them to their end, the position after them is clean. False means: give the parser the whole page.
func (p *page) resync(text []byte, pos, i int, raw *row) (row, bool) {
	if p.dropped || len(p.ends) == 0 || len(p.metas) > 2*len(p.lines)+1000 {
		return row{}, false
	}
	known := *raw
	r := resyncer{page: p, text: text, draft: p.newDraft(p.format), near: i}
	r.draft.row, r.draft.metas = known, p.metas
	r.draft.expect(len(p.fixed)+len(p.fixed)/16, len(p.lines)+len(p.lines)/16)
	r.take(0, i)
	if !r.rest(pos) {
		return row{}, false
	}
	return p.settle(r.draft), true
}

// resyncer compares a page with the one before that it differs from.
type resyncer struct {
	page  *page
	draft *draft
	text  []byte

	held    int  // where the lines collected for the parser begin; they end at the position reached
	near    int  // the line of the page before that is next if nothing differs
	missed  int  // lines looked for in vain since the last that was found
	whole   bool // the end of the page is that of the page before
	index   []int32
	scratch []byte
}

// rest reads from the clean position pos to the end of the page.
func (r *resyncer) rest(pos int) bool {
	r.held = pos
	for pos < len(r.text) {
		u := r.unitAt(pos)
		j := r.find(pos, u)
		if j < 0 {
			if r.missed > 100+len(r.page.lines)/4 {
				return false // another page altogether
			}
			pos = u.next
			continue
		}
		if !r.parse(pos) {
			return false
		}
		next, ok := r.same(pos, u, j)
		if !ok {
			pos = u.next
			continue
		}
		pos = r.follow(next, j+1)
		r.held = pos
	}
	if r.held == pos && !r.whole && r.page.format == openMetrics {
		return false // there is no end of file
	}
	return r.parse(pos)
}

// take takes over lines from to to of the page before, as they are.
func (r *resyncer) take(from, to int) {
	if from == to {
		return
	}
	p, d := r.page, r.draft
	begin := 0
	if from > 0 {
		begin = int(p.ends[from-1])
	}
	shift := uint32(len(d.fixed) - begin) // may wrap around, and back in the sum
	d.fixed = append(d.fixed, p.fixed[begin:p.ends[to-1]]...)
	for _, end := range p.ends[from:to] {
		d.ends = append(d.ends, end+shift)
	}
	d.lines = append(d.lines, p.lines[from:to]...)
	d.meta = p.lines[to-1].meta
}

// follow reads on from line i of the page before.
func (r *resyncer) follow(pos, i int) int {
	pos, r.near = r.page.run(r.text, pos, i, &r.draft.row)
	r.take(i, r.near)
	if r.near == len(r.page.ends) && bytes.Equal(r.text[pos:], r.page.tail()) {
		r.draft.fixed = append(r.draft.fixed, r.page.tail()...)
		r.whole = true
		return len(r.text)
	}
	return pos
}

// same takes the unit at pos for line j of the page before, if it has the same effect, and returns where the next
// line begins.
func (r *resyncer) same(pos int, u unit, j int) (next int, ok bool) {
	p, d := r.page, r.draft
	l := p.lines[j]
	declared := l.bits&declares != 0 && bytes.Equal(r.text[pos:u.value], p.before(j))
	if !declared && !d.skeleton.same(d.meta, l.meta) {
		return 0, false
	}
	value, end, ok := number(r.text, u.value)
	if !ok {
		return 0, false
	}
	stamp, next, ok := p.format.rest(r.text, end)
	if !ok {
		return 0, false
	}
	l.head = uint32(len(d.fixed) - d.end() + u.series - pos)
	if !declared {
		l.bits &^= declares
	}
	d.meta = l.meta
	d.fixed = append(d.fixed, r.text[pos:u.value]...)
	d.add(l, value, p.counts(stamp))
	return next, true
}

// parse gives the lines collected before position to to Prometheus' parser.
func (r *resyncer) parse(to int) bool {
	if r.held == to {
		return true
	}
	d := r.draft
	part := r.text[r.held:to]
	if len(part) == len(r.text) || bytes.IndexByte(part, 0) >= 0 {
		return false
	}
	r.scratch = appendDeclaration(r.scratch[:0], d.metas[d.meta], d.format)
	from := len(r.scratch)
	r.scratch = append(r.scratch, part...)
	end := len(r.scratch)
	if d.format == openMetrics && to < len(r.text) {
		r.scratch = append(r.scratch, "# EOF\n"...)
	}
	r.held = to
	return d.learn(r.scratch, from, end) == nil && !d.odd
}

// appendDeclaration writes a TYPE declaration as it was read.
func appendDeclaration(b []byte, m meta, f format) []byte {
	if m.kind == "" {
		return b
	}
	b = append(b, `# TYPE "`...)
	b = append(b, m.family...)
	b = append(b, `" `...)
	if f == promText && m.kind == "unknown" {
		b = append(b, "untyped"...)
	} else {
		b = append(b, m.kind...)
	}
	return append(b, '\n')
}

// unit is a sample's line with the comments and metadata before it, as far as can be seen without parsing. Nothing
// depends on it being right: it is compared with what is known, or parsed.
type unit struct {
	series int // where the sample's line begins
	value  int // where the value begins; -1: there is no sample in the rest of the page
	next   int // where the next line begins
}

func (r *resyncer) unitAt(pos int) unit {
	text := r.text
	rest := unit{value: -1, next: len(text)}
	i := pos
	for i < len(text) && (text[i] == '#' || text[i] == '\n') {
		i += bytes.IndexByte(text[i:], '\n') + 1
	}
	u := unit{series: i}
	for i < len(text) && strings.IndexByte("{ \t\n", text[i]) < 0 {
		i++
	}
	if i < len(text) && text[i] == '{' {
		for quoted := false; i < len(text) && (quoted || text[i] != '}'); i++ {
			switch text[i] {
			case '"':
				quoted = !quoted
			case '\\':
				i++
			}
		}
		i++
	}
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	if i >= len(text) {
		return rest
	}
	u.value = i
	u.next = i + bytes.IndexByte(text[i:], '\n') + 1
	return u
}

// find looks for a line of the page before that has the same series as the unit at pos; where the unit has comments
// or metadata they must be the same too. It returns -1 if there is none.
func (r *resyncer) find(pos int, u unit) int {
	if u.value < 0 {
		return -1
	}
	for j := r.near; j < min(r.near+8, len(r.page.lines)); j++ {
		if r.matches(pos, u, j) {
			r.missed = 0
			return j
		}
	}
	if r.missed++; r.missed <= 4 && r.index == nil {
		return -1 // few lines differ: to parse them is cheaper than an index
	}
	if r.index == nil {
		r.buildIndex()
	}
	mask := uint64(len(r.index) - 1)
	for at := maphash.Bytes(seed, r.text[u.series:u.value]) & mask; r.index[at] != 0; at = (at + 1) & mask {
		if j := int(r.index[at] - 1); r.matches(pos, u, j) {
			r.missed = 0
			return j
		}
	}
	return -1
}

func (r *resyncer) matches(pos int, u unit, j int) bool {
	before := r.page.before(j)
	if u.series > pos {
		return bytes.Equal(r.text[pos:u.value], before)
	}
	return bytes.Equal(r.text[pos:u.value], before[r.page.lines[j].head:])
}

// buildIndex makes an open hash table of line + 1 by the series as it is written.
func (r *resyncer) buildIndex() {
	size := 64
	for size < 2*len(r.page.lines) {
		size *= 2
	}
	r.index = make([]int32, size)
	mask := uint64(size - 1)
	for j := range r.page.lines {
		at := maphash.Bytes(seed, r.page.before(j)[r.page.lines[j].head:]) & mask
		for r.index[at] != 0 {
			at = (at + 1) & mask
		}
		r.index[at] = int32(j + 1)
	}
}

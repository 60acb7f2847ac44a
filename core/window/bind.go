package window

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// massAppearance is how many series a page must gain at once, and at least double by, for them not to count as born.
const massAppearance = 64

// bind brings the slab to a layout and a demand, before a row of that layout is appended: all work that depends on
// labels happens here. It returns the selectors that newly match something.
func (s *slab) bind(layout *frame.Layout, d *demand) []*selector {
	if layout == s.layout && d == s.demand {
		return nil
	}
	b := binder{slab: s, added: make(map[*selector][]uint32)}
	if d != s.demand {
		s.demand = d
		b.redemand()
	}
	if layout != s.layout {
		b.relayout(layout, len(layout.Series))
		b.before = nil
	}
	return b.finish()
}

// rebind is bind to a layout that lists only what is read of a page of size series.
func (s *slab) rebind(layout *frame.Layout, size int) {
	if layout != s.layout {
		b := binder{slab: s, added: make(map[*selector][]uint32)}
		b.relayout(layout, size)
		b.finish()
	}
}

// finish carries out what was bound. It returns the selectors that newly match something.
func (b *binder) finish() []*selector {
	b.settle()
	matched := b.publish()
	b.plan()
	return matched
}

// binder collects what one bind changes.
type binder struct {
	*slab
	added map[*selector][]uint32 // slots, to be published
	moves []move
	found []*selector // scratch
}

// move is a series that needs a ring in a band. It waits until all are known, so that one block takes them all.
type move struct {
	slot uint32
	to   *band
	new  bool // has no ring yet
}

// redemand matches every series anew. Those that nobody reads any more go, those that are read from now on begin with
// the next row.
func (b *binder) redemand() {
	var gone []uint32
	clear(b.bound)
	for id := range b.slots {
		slot := &b.slots[id]
		if !slot.live {
			continue
		}
		window := b.match(uint32(id))
		switch {
		case window == 0:
			gone = append(gone, uint32(id))
		case slot.own != nil:
			slot.own.rows, slot.own.window = rowsFor(window, b.interval), window
		default:
			if to := b.bandFor(window); to != b.blocks[slot.block].band {
				b.moves = append(b.moves, move{slot: uint32(id), to: to})
			}
		}
	}
	b.drop(gone)
	for col, id := range b.columns {
		if id != none && b.slots[id].live {
			continue
		}
		series := b.layout.Series[col]
		hash := series.Labels.Hash()
		if b.lookup(hash, series.Labels) != none { // the same series twice on the page
			b.columns[col] = none
			continue
		}
		b.columns[col] = b.create(series, hash, never)
	}
}

// relayout finds the slot of every column. Series that are not on the new page end, new ones are born.
func (b *binder) relayout(layout *frame.Layout, size int) {
	old, oldColumns := b.layout, b.columns
	proof := b.birth(size)
	grids := grids{before: old}
	columns := make([]uint32, len(layout.Series))
	seen := make([]bool, len(b.slots), len(b.slots)+len(layout.Series))
	twice := false
	cursor := 0 // into the old layout: most pages only gain or lose a few lines
	for col, series := range layout.Series {
		columns[col] = none
		id := uint32(none)
		if at := nearby(old, cursor, series.Labels); at >= 0 {
			cursor = at + 1
			id = oldColumns[at]
			if id == none && !b.twice {
				continue // nobody reads it
			}
		}
		bornAt := proof
		if id == none {
			if grids.changed(series.Labels) {
				bornAt = never
			}
			hash := series.Labels.Hash()
			if id = b.lookup(hash, series.Labels); id == none {
				id = b.create(series, hash, bornAt)
				seen = append(seen, make([]bool, len(b.slots)-len(seen))...)
			}
		}
		if id == none {
			continue
		}
		if seen[id] {
			b.duplicates++
			twice = true
			continue
		}
		seen[id] = true
		b.series[id] = series // lets the old layout go
		b.slots[id].counts = counts(series)
		b.revive(id, bornAt)
		columns[col] = id
	}
	for _, id := range oldColumns {
		if id != none && !seen[id] {
			b.slots[id].end = b.rows
			b.ended[id] = b.last
		}
	}
	b.layout, b.size, b.columns, b.twice = layout, size, columns, twice
}

// settle gives their rings to the series that wait for one.
func (b *binder) settle() {
	want := make(map[*band]int)
	for _, m := range b.moves {
		want[m.to]++
	}
	for _, m := range b.moves {
		slot := &b.slots[m.slot]
		if m.new {
			slot.place = b.alloc(m.to, want[m.to])
		} else {
			b.move(slot, m.to, want[m.to])
		}
		want[m.to]--
	}
	b.dropEmptyBands()
}

// nearby looks for a series at or a little behind a column of a layout.
func nearby(layout *frame.Layout, column int, ls frame.Labels) int {
	if layout == nil {
		return -1
	}
	for at := column; at < min(column+4, len(layout.Series)); at++ {
		if layout.Series[at].Labels.Equal(ls) {
			return at
		}
	}
	return -1
}

// birth is the time of the row that proves that series which only a new page of size series has did not exist, never
// without proof.
func (b *binder) birth(size int) int64 {
	if b.rows == 0 || b.layout == nil {
		return never
	}
	if gained := size - b.size; gained >= massAppearance && gained > b.size {
		return never
	}
	return b.last
}

// lookup finds the slot of a series.
func (s *slab) lookup(hash uint64, ls frame.Labels) uint32 {
	id, ok := s.byHash[hash]
	if !ok {
		return none
	}
	for id != none && !s.series[id].Labels.Equal(ls) {
		id = s.slots[id].next
	}
	return id
}

// create makes a slot for a series if somebody reads it. Its samples begin with the next row.
func (b *binder) create(series frame.Series, hash uint64, bornAt int64) uint32 {
	id, window := b.enter(series, hash)
	if id == none {
		return none
	}
	if !b.before.would(b.found) {
		bornAt = never // it may have been on the page before the restart
	}
	b.bear(id, bornAt, b.grave(hash))
	b.moves = append(b.moves, move{slot: id, to: b.bandFor(window), new: true})
	return id
}

// enter makes a slot without a ring for a series if somebody reads it, and tells the longest window that does.
func (b *binder) enter(series frame.Series, hash uint64) (id uint32, window int64) {
	b.found, window = b.demand.match(series.Labels, b.found[:0])
	if window == 0 {
		return none, 0
	}
	if n := len(b.freeSlots); n > 0 {
		id, b.freeSlots = b.freeSlots[n-1], b.freeSlots[:n-1]
	} else {
		id = uint32(len(b.slots))
		b.slots = append(b.slots, slot{})
		b.series = append(b.series, frame.Series{})
	}
	next, ok := b.byHash[hash]
	if !ok {
		next = none
	}
	b.byHash[hash] = id
	b.series[id] = series
	b.slots[id] = slot{
		first: b.rows, run: b.rows, end: present, next: next, hash: hash, live: true,
		counts: counts(series),
	}
	for _, sel := range b.found {
		b.added[sel] = append(b.added[sel], id)
	}
	return id, window
}

// revive lets a series that had ended go on, with a hole where it was absent.
func (b *binder) revive(id uint32, bornAt int64) {
	slot := &b.slots[id]
	if slot.end == present {
		return
	}
	defer delete(b.ended, id)
	if slot.end == b.rows { // the row without it was dropped
		slot.end = present
		return
	}
	before, ok := b.lastSample(id)
	if !ok {
		before.t = never
	}
	delete(b.marked, id)
	b.bear(id, bornAt, before)
	if slot.own == nil {
		ring := b.ringOf(slot)
		if int(b.rows)-int(slot.end) >= ring { // nothing of it is left
			slot.first = b.rows
		}
		values := b.blocks[slot.block].values[slot.off:]
		for row := max(slot.end, slot.first); row < b.rows; row++ {
			values[int(row)%ring] = hole
		}
		slot.run = b.rows
	}
	slot.end = present
}

// match adds an existing slot to the selectors that read it and returns the longest window.
func (b *binder) match(id uint32) int64 {
	var window int64
	b.found, window = b.demand.match(b.series[id].Labels, b.found[:0])
	for _, sel := range b.found {
		b.added[sel] = append(b.added[sel], id)
	}
	return window
}

// publish replaces the bindings that gained series.
func (b *binder) publish() []*selector {
	var matched []*selector
	for sel, ids := range b.added {
		if old := b.bound[sel]; old != nil {
			ids = append(slices.Clone(old.slots), ids...)
		} else {
			matched = append(matched, sel)
		}
		b.bound[sel] = &binding{slots: ids}
	}
	return matched
}

// plan turns the columns into stretches that lie alike in page and memory.
func (s *slab) plan() {
	s.plans, s.owned = s.plans[:0], s.owned[:0]
	for col, id := range s.columns {
		if id == none {
			continue
		}
		slot := &s.slots[id]
		if slot.own != nil {
			s.owned = append(s.owned, uint32(col))
			continue
		}
		if n := len(s.plans); n > 0 {
			last := &s.plans[n-1]
			stride := uint32(s.blocks[slot.block].band.rows)
			if last.block == slot.block && last.col+last.n == uint32(col) && last.off+last.n*stride == slot.off {
				last.n++
				continue
			}
		}
		s.plans = append(s.plans, run{place: slot.place, col: uint32(col), n: 1})
	}
	s.plans = slices.Clip(s.plans)
}

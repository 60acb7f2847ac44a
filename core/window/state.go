package window

import (
	"maps"
	"math"
	"slices"
)

// The whole state of a target is its labels, its latest answer, who reads it, and both slabs: their rows' times first,
// then what is known of each series, then the values, series by series.

// writeState writes down all that the windows of the target hold. The caller holds mu, and nobody appends.
func (t *Target) writeState(e *encoder) {
	t.writeHead(e, recordState)
	e.labels(t.labels)
	e.int(t.interval)
	e.bool(t.answer.ok)
	e.bool(t.answer.ever)
	t.page.demand.writeReaders(e, t)
	for _, s := range t.slabs() {
		s.writeRows(e)
		live := s.live()
		s.writeSeries(e, live)
		s.writeColumns(e, live)
		for _, id := range live {
			s.writeValues(e, &s.slots[id])
		}
	}
	t.scribe.page.restart(t.page)
	t.scribe.health.restart(t.health)
}

// writeReaders writes down which selectors read a target.
func (d *demand) writeReaders(e *encoder, t *Target) {
	var hashes []uint64
	if d != nil {
		for sel := range d.selectors() {
			if !sel.contradicts(t.labels) || t.page.bound[sel] != nil || t.health.bound[sel] != nil {
				hashes = append(hashes, sel.hash)
			}
		}
	}
	slices.Sort(hashes)
	e.uint(uint64(len(hashes)))
	for _, h := range hashes {
		e.fixed(h)
	}
}

// live lists the slots in use.
func (s *slab) live() []uint32 {
	var live []uint32
	for id := range s.slots {
		if s.slots[id].live {
			live = append(live, uint32(id))
		}
	}
	return live
}

// writeRows writes down what is not of one series.
func (s *slab) writeRows(e *encoder) {
	e.uint(uint64(s.rows))
	e.uint(uint64(s.oldest))
	var t, step int64
	for row := s.oldest; row < s.rows; row++ {
		d := s.time(row) - t
		e.int(d - step)
		t, step = t+d, d
	}
	e.bool(s.layout != nil)
	e.uint(uint64(s.size))
	e.uint(uint64(len(s.misses)))
	for _, m := range s.misses {
		e.uint(uint64(m.row))
		e.int(m.t)
	}
	e.uint(uint64(len(s.graves)))
	for _, hash := range slices.Sorted(maps.Keys(s.graves)) {
		e.fixed(hash)
		e.sample(s.graves[hash])
	}
	e.uint(uint64(len(s.bands)))
	for _, b := range s.bands {
		e.int(b.window)
		e.uint(uint64(b.rows))
		e.bool(b.capped)
	}
}

// What is unusual about a series.
const (
	seriesOwn    = 1 // brings its own times
	seriesEnded  = 2
	seriesBirths = 4
	seriesMarked = 8
	seriesCut    = 16 // own samples were let go that a window could see
	seriesPast   = 32 // has chunks
)

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// writeSeries writes down all about the series but their values.
func (s *slab) writeSeries(e *encoder, live []uint32) {
	e.uint(uint64(len(live)))
	for _, id := range live {
		slot := &s.slots[id]
		before, marked := s.marked[id]
		births := s.births[id]
		e.byte(flag(slot.own != nil, seriesOwn) | flag(slot.own != nil && slot.own.truncated, seriesCut) |
			flag(slot.end != present, seriesEnded) | flag(len(births) > 0, seriesBirths) | flag(marked, seriesMarked) | flag(slot.past != nil, seriesPast))
		e.series(s.series[id])
		e.uint(uint64(slot.first))
		e.uint(uint64(slot.run))
		if slot.end != present {
			e.uint(uint64(slot.end))
			e.int(s.ended[id])
		}
		if len(births) > 0 {
			e.uint(uint64(len(births)))
			for _, b := range births {
				e.uint(uint64(b.row))
				e.int(b.at)
				e.bool(b.proven)
				e.sample(b.before)
			}
		}
		if marked {
			e.sample(before)
		}
	}
}

// writeColumns writes down which series the columns that are read belong to.
func (s *slab) writeColumns(e *encoder, live []uint32) {
	place := make([]int64, len(s.slots))
	for n, id := range live {
		place[id] = int64(n)
	}
	_, slots := s.read()
	e.uint(uint64(len(slots)))
	next := int64(0)
	for _, id := range slots {
		e.int(place[id] - next)
		next = place[id] + 1
	}
}

// writeValues writes down the samples of a series.
func (s *slab) writeValues(e *encoder, slot *slot) {
	var same uint64
	var was float64
	add := func(v float64) {
		if math.Float64bits(v) == math.Float64bits(was) {
			same++
			return
		}
		if same > 0 {
			e.b = appendSame(e.b, same)
			same = 0
		}
		e.b = appendChange(e.b, was, v)
		was = v
	}
	if own := slot.own; own != nil {
		e.uint(uint64(len(own.values)))
		var t, step int64
		for _, at := range own.times {
			d := at - t
			e.int(d - step)
			t, step = t+d, d
		}
		for _, v := range own.values {
			add(v)
		}
	} else {
		blk := &s.blocks[slot.block]
		from, to := s.kept(slot, blk.band.rows)
		e.uint(uint64(from))
		if slot.past != nil {
			e.uint(uint64(slot.past.row))
		}
		ring := blk.values[slot.off : int(slot.off)+blk.band.rows]
		for row := from; row < to; row++ {
			add(ring[int(row)%blk.band.rows])
		}
	}
	if same > 0 {
		e.b = appendSame(e.b, same)
	}
	if p := slot.past; p != nil {
		e.bool(p.cut)
		e.uint(uint64(len(p.chunks)))
		for _, c := range p.chunks {
			e.uint(uint64(len(c.data)))
			e.b = append(e.b, c.data...)
		}
	}
}

// kept is which rows a ring of a number of rows has samples of. Nothing follows the end of a series into its ring.
func (s *slab) kept(slot *slot, rows int) (from, to uint32) {
	to = min(slot.end, s.rows)
	return min(max(slot.first, to-min(to, uint32(rows))), to), to
}

package window

import (
	"slices"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A long window has a ring for its newest rows only. What is older lies in chunks of Prometheus' XOR encoding, series by
// series: one or two bytes a sample instead of eight. After every chunk of rows, those that are not in chunks yet go
// there; the ring is long enough for them to stay in it as well for a while, so that short windows need no chunks.

const (
	defaultChunk = 120 // rows, as in Prometheus
	longRing     = 4   // chunks: a window that needs more rows is long
)

// past is the older samples of one series.
type past struct {
	row    uint32  // the first one that is not in chunks
	chunks []chunk // oldest first
	cut    bool    // chunks were let go that a window could see: rows come too fast
}

// chunk is some samples of a series, with a hole where the series was not there.
type chunk struct {
	from, to int64 // times of the first and of the last sample
	data     []byte
}

// ringFor is how many rows the ring of a window has, and whether the rest is in chunks.
func (s *slab) ringFor(window int64) (rows int, long bool) {
	if rows = rowsFor(window, s.interval); rows > longRing*s.chunk {
		return 2*s.chunk + 1 + slackRows, true
	}
	return rows, false
}

// seal brings the past of all series up to the newest row, if a chunk of rows is complete.
func (s *slab) seal() {
	if int(s.rows)%s.chunk > 0 || !s.long() {
		return
	}
	for id := range s.slots {
		slot := &s.slots[id]
		if !slot.live || slot.own != nil {
			continue
		}
		b := s.blocks[slot.block].band
		if b.long {
			s.retire(slot, s.rows)
		}
		if slot.past != nil {
			slot.past.trim(s, b.window)
		}
	}
}

// long tells whether some of the past may be in chunks.
func (s *slab) long() bool {
	return slices.ContainsFunc(s.bands, func(b *band) bool { return b.long }) ||
		slices.ContainsFunc(s.slots, func(slot slot) bool { return slot.past != nil })
}

// retire puts into chunks what the ring of a series has of the rows before one.
func (s *slab) retire(slot *slot, before uint32) {
	blk := &s.blocks[slot.block]
	rows := blk.band.rows
	p := slot.past
	if p == nil {
		p = &past{row: slot.first}
	}
	to := min(before, slot.end)
	from := max(p.row, slot.first, s.oldest, s.rows-min(s.rows, uint32(rows)))
	ring := blk.values[slot.off : int(slot.off)+rows]
	b := builder{slab: s, past: p}
	for row := from; row < to; row++ {
		b.add(s.time(row), ring[int(row)%rows])
	}
	p.row = max(p.row, to)
	if slot.end < before && p.row == slot.end && slot.end >= s.oldest {
		b.add(s.time(slot.end), hole)
		p.row++
	}
	b.flush()
	if len(p.chunks) > 0 {
		slot.past = p
	}
}

// retireWhole does so for all rows but those of the chunk that is not complete yet.
func (s *slab) retireWhole(slot *slot) { s.retire(slot, s.rows-s.rows%uint32(s.chunk)) }

// builder appends chunks to a past.
type builder struct {
	*slab
	past     *past
	appender chunkenc.Appender
	n        int
	from, to int64
	gap      bool // the latest one is a hole
}

func (b *builder) add(t int64, v float64) {
	if isHole(v) {
		if b.gap {
			return
		}
		b.gap = true
	} else {
		b.gap = false
	}
	if b.n == 0 {
		b.from = t
		b.scratch.Reset(append(b.scratch.Bytes()[:0], 0, 0)) // an empty chunk
		b.appender, _ = b.scratch.Appender()                 // which is never corrupt
	}
	b.appender.Append(0, t, v)
	b.to = t
	if b.n++; b.n == b.chunk {
		b.flush()
	}
}

func (b *builder) flush() {
	if b.n > 0 {
		b.past.chunks = append(b.past.chunks, chunk{b.from, b.to, slices.Clone(b.scratch.Bytes())})
		b.n = 0
	}
}

// trim lets chunks go that no window can see, not even for a baseline.
func (p *past) trim(s *slab, window int64) {
	drop := 0
	for drop+1 < len(p.chunks) && p.chunks[drop+1].from <= s.last-window-s.interval/2 {
		drop++
	}
	if limit := maxGrowth*rowsFor(window, s.interval)/s.chunk + 1; len(p.chunks)-drop > limit {
		drop, p.cut = len(p.chunks)-limit, true
	}
	if drop > 0 {
		p.chunks = slices.Delete(p.chunks, 0, drop)
	}
}

// last is the newest sample.
func (p *past) last() (sample, bool) {
	for _, c := range slices.Backward(p.chunks) {
		last, ok := sample{}, false
		var d dechunker
		_ = d.each(c.data, func(t int64, v float64) bool {
			if !isHole(v) {
				last, ok = sample{t, v}, true
			}
			return true
		})
		if ok {
			return last, true
		}
	}
	return sample{}, false
}

// at is the first chunk that ends after a time.
func (p *past) at(t int64) int {
	i, _ := slices.BinarySearchFunc(p.chunks, t, func(c chunk, t int64) int {
		if c.to <= t {
			return -1
		}
		return 1
	})
	return i
}

// dechunker reads chunks, one at a time.
type dechunker struct {
	chunk    chunkenc.XORChunk
	iterator chunkenc.Iterator
}

// each visits the samples of a chunk, holes included, until visit has enough.
func (d *dechunker) each(data []byte, visit func(t int64, v float64) bool) error {
	d.chunk.Reset(data)
	d.iterator = d.chunk.Iterator(d.iterator)
	for d.iterator.Next() == chunkenc.ValFloat {
		if !visit(d.iterator.At()) {
			return nil
		}
	}
	return d.iterator.Err()
}

// ringFrom is the first row that the ring of a series has samples of, and its time: what is older is in chunks.
func (s *slab) ringFrom(slot *slot) (from uint32, t int64) {
	from = max(slot.first, s.oldest, s.rows-min(s.rows, uint32(s.blocks[slot.block].band.rows)))
	if from >= min(slot.end, s.rows) {
		return from, 1<<63 - 1
	}
	return from, s.time(from)
}

// gatherPast collects the samples of a window that are older than the ring, and a baseline before them. It returns the
// time of the last sample before the window, never without one, and whether they end with a hole.
func (r *reader) gatherPast(slot *slot) (before int64, ended bool) {
	c, m, p := &r.cut, &r.samples, slot.past
	_, until := c.slab.ringFrom(slot)
	before = never
	take := func(t int64, v float64) bool {
		if t >= until || t > r.end {
			return false
		}
		switch ended = isHole(v); {
		case ended:
		case t > r.start:
			r.times, r.values = append(r.times, t), append(r.values, v)
		default:
			before, m.base, m.baseTime, m.hasBase = t, v, t, t > c.oldest
		}
		return true
	}
	first := p.at(r.start)
	for i := first; i < len(p.chunks) && p.chunks[i].from <= r.end; i++ {
		_ = r.chunks.each(p.chunks[i].data, take) // they were made here, or checked when they were read
	}
	atEnd := ended
	for i := min(first, len(p.chunks)) - 1; i >= 0 && before == never; i-- {
		_ = r.chunks.each(p.chunks[i].data, take)
	}
	m.ever = m.ever || before != never
	return before, atEnd
}

package window

import "slices"

// A band is a group of series whose rings have the same number of rows, because the longest window that reads them is
// the same. The sample of row r lies at position r mod rows of each ring.
type band struct {
	window int64 // milliseconds
	rows   int
	pos    int // of the row being written
	capped bool
	long   bool // older rows are in chunks

	free []place
}

// place is where a ring begins.
type place struct {
	block uint32
	off   uint32
}

// block is the memory of some rings of one band, one behind the other, so that adding series never moves old ones.
type block struct {
	values []float64
	band   *band
	used   int // rings
}

const (
	slackRows = 2  // rows beyond window and baseline: jitter, and readers that come a moment late
	maxGrowth = 16 // times the rows that window and interval ask for: bounds what a too fast source can take
)

// rowsFor is how many rows a window needs: those inside, the baseline, slack.
func rowsFor(window, interval int64) int {
	return int((window+interval-1)/interval) + 1 + slackRows
}

// bandFor finds or makes the band of a window.
func (s *slab) bandFor(window int64) *band {
	for _, b := range s.bands {
		if b.window == window {
			return b
		}
	}
	b := &band{window: window}
	b.rows, b.long = s.ringFor(window)
	s.bands = append(s.bands, b)
	s.resizeTimes()
	return b
}

// alloc returns a ring of b; more is how many are going to be asked for in a row, this one included.
func (s *slab) alloc(b *band, more int) place {
	if len(b.free) == 0 {
		index := slices.IndexFunc(s.blocks, func(b block) bool { return b.band == nil })
		if index < 0 {
			index = len(s.blocks)
			s.blocks = append(s.blocks, block{})
		}
		s.blocks[index] = block{values: make([]float64, more*b.rows), band: b}
		for i := more - 1; i >= 0; i-- { // backwards: the list is used from its end
			b.free = append(b.free, place{uint32(index), uint32(i * b.rows)})
		}
	}
	p := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	s.blocks[p.block].used++
	return p
}

// release gives a ring back, and its block to the garbage collector when that was its last one.
func (s *slab) release(p place) {
	blk := &s.blocks[p.block]
	b := blk.band
	blk.used--
	if blk.used > 0 {
		b.free = append(b.free, p)
		return
	}
	b.free = slices.DeleteFunc(b.free, func(other place) bool { return other.block == p.block })
	*blk = block{}
}

// resize gives all rings of b another number of rows and keeps the newest samples.
func (s *slab) resize(b *band, rows int) {
	old := b.rows
	keep := uint32(min(old, rows, int(s.rows)))
	if b.long {
		for i := range s.slots {
			if slot := &s.slots[i]; slot.live && slot.own == nil && s.blocks[slot.block].band == b {
				s.retireWhole(slot)
			}
		}
	}
	for i := range s.blocks {
		blk := &s.blocks[i]
		if blk.band != b {
			continue
		}
		rings := len(blk.values) / old
		values := make([]float64, rings*rows)
		for r := range rings {
			from, to := blk.values[r*old:(r+1)*old], values[r*rows:(r+1)*rows]
			for row := s.rows - keep; row < s.rows; row++ {
				to[int(row)%rows] = from[int(row)%old]
			}
		}
		blk.values = values
	}
	rescale := func(off uint32) uint32 { return off / uint32(old) * uint32(rows) }
	for i := range b.free {
		b.free[i].off = rescale(b.free[i].off)
	}
	for i := range s.slots {
		slot := &s.slots[i]
		if slot.live && slot.own == nil && s.blocks[slot.block].band == b {
			slot.off = rescale(slot.off)
			slot.forget(s.rows - keep)
		}
	}
	b.rows = rows
	s.resizeTimes()
	s.plan()
}

// move puts a series into another band and keeps the newest samples.
func (s *slab) move(slot *slot, to *band, more int) {
	from := s.blocks[slot.block].band
	keep := uint32(min(from.rows, to.rows, int(s.rows)))
	if to.long {
		s.retireWhole(slot)
	}
	p := s.alloc(to, more)
	src := s.blocks[slot.block].values[slot.off:]
	dst := s.blocks[p.block].values[p.off:]
	for row := s.rows - keep; row < s.rows; row++ {
		dst[int(row)%to.rows] = src[int(row)%from.rows]
	}
	s.release(slot.place)
	slot.place = p
	slot.forget(s.rows - keep)
}

// resizeTimes makes the timestamps reach as far back as the longest ring, and drops bands without series.
func (s *slab) resizeTimes() {
	rows := 1
	for _, b := range s.bands {
		rows = max(rows, b.rows)
	}
	if rows == len(s.times) {
		return
	}
	times := make([]int64, rows)
	keep := uint32(min(rows, len(s.times), int(s.rows)))
	for row := s.rows - keep; row < s.rows; row++ {
		times[int(row)%rows] = s.times[int(row)%len(s.times)]
	}
	s.times = times
	s.oldest = max(s.oldest, s.rows-keep)
}

// dropEmptyBands forgets the bands that no block belongs to, so that rings of a bygone demand do not keep timestamps.
func (s *slab) dropEmptyBands() {
	s.bands = slices.DeleteFunc(s.bands, func(b *band) bool {
		return !slices.ContainsFunc(s.blocks, func(blk block) bool { return blk.band == b })
	})
	s.resizeTimes()
}

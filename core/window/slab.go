package window

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

const (
	none    = math.MaxUint32 // no slot
	present = math.MaxUint32 // the end of a series that has not ended
)

// slab is the series of one target that come in common rows. It is guarded by its target.
type slab struct {
	interval int64       // milliseconds
	chunk    int         // rows of a chunk, see past
	gone     atomic.Bool // its target is closed

	// rows
	rows   uint32  // appended so far; the newest row is rows-1
	times  []int64 // Unix milliseconds, a ring of rows
	oldest uint32  // row whose time is still known
	last   int64   // time of the newest row
	misses []miss  // failed collections between rows, oldest first

	// series
	slots     []slot
	series    []frame.Series // of each slot
	byHash    map[uint64]uint32
	freeSlots []uint32
	ended     map[uint32]int64   // slots of series that ended, with the time of the last row that had them
	graves    map[uint64]sample  // the last samples of series that were given up, by hash
	births    map[uint32][]birth // of the slots that are newborn, oldest first
	marked    map[uint32]sample  // slots whose last row on the page is a hole, with the sample before it

	// memory
	bands   []*band
	blocks  []block
	scratch chunkenc.XORChunk // being built

	// what is bound
	layout  *frame.Layout
	size    int // of the page, in series
	demand  *demand
	columns []uint32 // slot of each column, none where nobody reads it
	twice   bool     // the layout has a series twice
	before  readers  // who read the page before a restart; nil if there was none, or a page since
	plans   []run    // how a row goes into the rings
	owned   []uint32 // columns of series that bring their own times
	bound   map[*selector]*binding

	outOfOrder, duplicates uint64
}

// slot is one series that is kept.
type slot struct {
	place
	first   uint32 // row of its first sample that is kept
	run     uint32 // row since which it has had a sample in every row
	end     uint32 // row after its last sample, present while it has not ended
	next    uint32 // slot of the same hash
	hash    uint64
	own     *ownRun // set for series that bring their own times
	past    *past   // what is older than the ring, for long windows
	live    bool
	newborn bool // has births
	counts  bool // exposed as a counter
}

// forget raises the first row that is kept.
func (s *slot) forget(before uint32) {
	if s.first < before {
		s.first = before
		s.run = max(s.run, before)
	}
}

// run is a stretch of columns whose rings follow each other in a block.
type run struct {
	place
	col, n uint32
}

// sample is a value and its time in Unix milliseconds.
type sample struct {
	t int64
	v float64
}

// binding is the series of a slab that a selector matches. It is never changed; a change makes a new one.
type binding struct{ slots []uint32 }

func newSlab(interval int64, chunk int) *slab {
	return &slab{
		interval: interval, chunk: chunk, times: make([]int64, 1), byHash: make(map[uint64]uint32),
		graves: make(map[uint64]sample), ended: make(map[uint32]int64), bound: make(map[*selector]*binding), births: make(map[uint32][]birth), marked: make(map[uint32]sample), last: math.MinInt64,
	}
}

// setInterval sizes the rings anew.
func (s *slab) setInterval(interval int64) {
	if s.interval == interval {
		return
	}
	s.interval = interval
	for _, b := range s.bands {
		rows, long := s.ringFor(b.window)
		if b.long = long; rows != b.rows {
			s.resize(b, rows)
		}
	}
}

// append adds a row. The layout is already bound.
func (s *slab) append(f frame.Frame) error {
	if f.Time <= s.last {
		s.outOfOrder += uint64(len(f.Values))
		return fmt.Errorf("%w: %d after %d", ErrOutOfOrder, f.Time, s.last)
	}
	s.makeRoom(f.Time)
	row := s.rows
	s.rows++
	s.times[int(row)%len(s.times)] = f.Time
	s.oldest = max(s.oldest, uint32(max(0, int(s.rows)-len(s.times))))
	s.last = f.Time
	for _, b := range s.bands {
		b.pos = int(row) % b.rows
	}
	if f.Times != nil {
		s.separate(f)
	}
	for i := range s.plans {
		s.write(&s.plans[i], f.Values, row)
	}
	s.comeBack(row)
	s.writeOwn(f)
	if row%8 == 0 {
		s.sweep()
		s.growUp()
	}
	s.seal()
	return nil
}

// write puts the values of a stretch of columns into their rings: the hot loop of all ingestion.
func (s *slab) write(r *run, row []float64, number uint32) {
	blk := &s.blocks[r.block]
	values, stride := blk.values, blk.band.rows
	at := int(r.off) + blk.band.pos
	for i, v := range row[r.col : r.col+r.n] {
		values[at] = v
		at += stride
		if v != v && isHole(v) {
			s.mark(s.columns[int(r.col)+i], number)
		}
	}
}

// holeAt tells whether a series has a hole in a row, as far as its ring reaches back.
func (s *slab) holeAt(slot *slot, row uint32) bool {
	blk := &s.blocks[slot.block]
	rows := blk.band.rows
	return int(s.rows-row) <= rows && isHole(blk.values[int(slot.off)+int(row)%rows])
}

// makeRoom grows rings from which the next row would push samples that a window still needs: rows come faster than the
// interval says. Growth is bounded; beyond, windows are marked as truncated.
func (s *slab) makeRoom(now int64) {
	for _, b := range s.bands {
		if int(s.rows) < b.rows || b.capped || b.long {
			continue
		}
		second := s.rows - uint32(b.rows) + 1 // becomes the oldest, and has to serve as the baseline
		if second >= s.rows || s.time(second) <= now-b.window-s.interval/2 {
			continue
		}
		limit := maxGrowth * rowsFor(b.window, s.interval)
		if b.rows >= limit {
			b.capped = true
			continue
		}
		s.resize(b, min(b.rows+b.rows/2+1, limit))
	}
}

// time is that of a row that is not older than s.oldest.
func (s *slab) time(row uint32) int64 { return s.times[int(row)%len(s.times)] }

// sweep forgets series that ended so long ago that no ring has a sample of theirs.
func (s *slab) sweep() {
	var gone []uint32
	for id := range s.ended {
		slot := &s.slots[id]
		if int(s.rows)-int(slot.end) >= s.ringOf(slot) && (slot.past == nil || s.ended[id] < s.last-s.windowOf(slot)) {
			gone = append(gone, id)
		}
	}
	slices.Sort(gone)
	s.drop(gone)
}

// ringOf is how many rows of a series are kept.
func (s *slab) ringOf(slot *slot) int {
	if slot.own != nil {
		return slot.own.rows
	}
	return s.blocks[slot.block].band.rows
}

// windowOf is the longest window that reads a series.
func (s *slab) windowOf(slot *slot) int64 {
	if slot.own != nil {
		return slot.own.window
	}
	return s.blocks[slot.block].band.window
}

// drop gives up slots and takes them out of the bindings.
func (s *slab) drop(gone []uint32) {
	if len(gone) == 0 {
		return
	}
	for _, id := range gone {
		s.bury(id)
	}
	for sel, b := range s.bound {
		if !slices.ContainsFunc(b.slots, func(id uint32) bool { return !s.slots[id].live }) {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(b.slots), func(id uint32) bool { return !s.slots[id].live })
		if len(kept) == 0 {
			delete(s.bound, sel)
			continue
		}
		s.bound[sel] = &binding{slots: kept}
	}
}

// bury frees one slot and remembers the sample that its series left with.
func (s *slab) bury(id uint32) {
	dying := &s.slots[id]
	if last, ok := s.lastSample(id); ok {
		if len(s.graves) >= 1024+2*len(s.slots) {
			clear(s.graves) // churn without end; at worst a series that comes back counts as born
		}
		s.graves[dying.hash] = last
	}
	if s.byHash[dying.hash] == id {
		if dying.next == none {
			delete(s.byHash, dying.hash)
		} else {
			s.byHash[dying.hash] = dying.next
		}
	} else {
		before := s.byHash[dying.hash]
		for s.slots[before].next != id {
			before = s.slots[before].next
		}
		s.slots[before].next = dying.next
	}
	if dying.own == nil {
		s.release(dying.place)
	}
	s.slots[id] = slot{}
	delete(s.births, id)
	delete(s.marked, id)
	delete(s.ended, id)
	s.series[id] = frame.Series{}
	s.freeSlots = append(s.freeSlots, id)
}

// lastSample is the newest sample of a series, as far back as its ring goes.
func (s *slab) lastSample(id uint32) (sample, bool) {
	slot := &s.slots[id]
	if before, ok := s.marked[id]; ok {
		return before, before.t != never
	}
	if slot.own != nil {
		return slot.own.last()
	}
	b := s.blocks[slot.block].band
	ring := s.blocks[slot.block].values[slot.off:]
	end := min(slot.end, s.rows)
	first := uint32(max(int(slot.first), int(end)-b.rows, 0))
	for row := end; row > first; row-- {
		v := ring[int(row-1)%b.rows]
		switch {
		case isHole(v):
			continue
		case row-1 >= s.oldest:
			return sample{s.time(row - 1), v}, true
		default:
			return sample{s.ended[id], v}, true
		}
	}
	if slot.past != nil {
		return slot.past.last()
	}
	return sample{}, false
}

func (s *slab) addTo(sum *Stats) {
	sum.OutOfOrder += s.outOfOrder
	sum.Duplicates += s.duplicates
	sum.Series += len(s.slots) - len(s.freeSlots)
	for i := range s.blocks {
		sum.Samples += len(s.blocks[i].values)
	}
	for i := range s.slots {
		if own := s.slots[i].own; own != nil {
			sum.Samples += 2 * cap(own.values)
		}
		if p := s.slots[i].past; p != nil {
			for _, c := range p.chunks {
				sum.Compressed += cap(c.data)
			}
		}
	}
	sum.Bytes = sum.Samples*8 + sum.Compressed
}

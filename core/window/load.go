package window

import (
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// loader makes a slab of what [slab.writeRows] and those after it wrote. Of the series, those stay that somebody reads
// now, in rings as long as they are read now.
type loader struct {
	*slab
	d       *decoder
	bands   []loadedBand
	series  []loadedSeries
	layout  bool // the slab had one
	binder  binder
	columns []uint32 // places in series

	whole     []int64 // times of all rows that were read, a ring of rows
	wholeFrom uint32  // the oldest of them
}

// loadedBand is a band as it was.
type loadedBand struct {
	window int64
	rows   int
	capped bool
}

// loadedSeries is a series as it was.
type loadedSeries struct {
	frame.Series
	slot uint32 // none where nobody reads it any more
	to   uint32 // row after its last one
	own  bool
	cut  bool
	past bool
}

// loadSlab reads a slab into an empty one and returns the layout of what was read.
func loadSlab(d *decoder, s *slab, demand *demand) *frame.Layout {
	l := loader{slab: s, d: d}
	s.demand = demand
	l.binder = binder{slab: s, added: make(map[*selector][]uint32)}
	l.readRows()
	l.readSeries()
	l.readColumns()
	if d.err != nil {
		return nil
	}
	l.resizeBands()
	l.binder.settle()
	for i := range l.series {
		if d.err == nil {
			l.readValues(&l.series[i])
		}
	}
	if d.err != nil {
		return nil
	}
	layout := l.bind()
	l.binder.publish()
	s.plan()
	return layout
}

func (l *loader) readRows() {
	d := l.d
	l.rows = d.number(math.MaxUint32 - 1)
	l.oldest = d.number(l.rows)
	n := int(l.rows - l.oldest)
	if n > len(d.b) {
		d.fail("it has no room for %d rows", n)
		return
	}
	l.times = make([]int64, max(n, 1))
	var t, step int64
	for row := l.oldest; row < l.rows; row++ {
		was := t
		step += d.int()
		t += step
		if row > l.oldest && t <= was {
			d.fail("its rows are in disorder")
			return
		}
		l.times[int(row)%len(l.times)], l.last = t, t
	}
	if n == 0 && l.rows > 0 {
		d.fail("it has rows without times")
		return
	}
	l.whole, l.wholeFrom = slices.Clone(l.times), l.oldest
	l.layout = d.bool()
	l.size = int(d.number(math.MaxInt32))
	for range d.count() {
		l.misses = append(l.misses, miss{row: d.number(l.rows), t: d.int()})
	}
	for range d.count() {
		hash := d.fixed()
		l.graves[hash] = d.sample()
	}
	for range d.count() {
		l.bands = append(l.bands, loadedBand{window: d.int(), rows: int(d.number(math.MaxInt32)), capped: d.bool()})
	}
}

func (l *loader) readSeries() {
	d := l.d
	for range d.count() {
		if d.err != nil {
			return
		}
		flags := d.byte()
		s := loadedSeries{Series: d.series(), own: flags&seriesOwn != 0, cut: flags&seriesCut != 0, past: flags&seriesPast != 0}
		hash := s.Labels.Hash()
		if l.lookup(hash, s.Labels) != none {
			d.fail("it has a series twice")
			return
		}
		var window int64
		s.slot, window = l.binder.enter(s.Series, hash)
		var unread slot // what is read of it then goes nowhere
		slot := &unread
		if s.slot != none {
			slot = &l.slots[s.slot]
			if s.own {
				slot.own = &ownRun{rows: rowsFor(window, l.interval), window: window, truncated: s.cut}
			} else {
				l.binder.moves = append(l.binder.moves, move{slot: s.slot, to: l.bandFor(window), new: true})
			}
		}
		slot.first, slot.run = d.number(l.rows), d.number(l.rows)
		slot.run = max(slot.run, slot.first)
		if s.to = l.rows; flags&seriesEnded != 0 {
			s.to = d.number(l.rows)
			slot.end = s.to
			l.ended[s.slot] = d.int()
		}
		if flags&seriesBirths != 0 {
			for range d.count() {
				l.births[s.slot] = append(l.births[s.slot], birth{row: d.number(l.rows), at: d.int(), proven: d.bool(), before: d.sample()})
			}
			slot.newborn = true
		}
		if flags&seriesMarked != 0 {
			l.marked[s.slot] = d.sample()
		}
		l.series = append(l.series, s)
	}
	delete(l.ended, none)
	delete(l.births, none)
	delete(l.marked, none)
}

func (l *loader) readColumns() {
	next := int64(0)
	for range l.d.count() {
		place := next + l.d.int()
		if place < 0 || place >= int64(len(l.series)) {
			l.d.fail("it has no series %d", place)
			return
		}
		l.columns = append(l.columns, uint32(place))
		next = place + 1
	}
}

// resizeBands lets rings that had to grow be as long again, where they serve the same window.
func (l *loader) resizeBands() {
	for _, was := range l.bands {
		for _, b := range l.slab.bands {
			if b.window == was.window {
				if b.long {
					continue
				}
				b.rows, b.capped = min(max(b.rows, was.rows), maxGrowth*rowsFor(b.window, l.interval)), was.capped
			}
		}
	}
	l.resizeTimes()
}

// timeOf is that of a row, also of one that no ring reaches back to.
func (l *loader) timeOf(row uint32) int64 { return l.whole[int(row)%len(l.whole)] }

// readValues reads the samples of a series.
func (l *loader) readValues(s *loadedSeries) {
	if s.own {
		l.readOwn(s)
		return
	}
	d := l.d
	from := d.number(s.to)
	n := int(s.to - from)
	var inChunks uint32 // rows before it are
	if s.past {
		inChunks = d.number(l.rows + 1)
	}
	var ring []float64
	skip := n // of the oldest rows, for which there is no room
	if s.slot != none {
		slot := &l.slots[s.slot]
		blk := &l.blocks[slot.block]
		ring = blk.values[slot.off : int(slot.off)+blk.band.rows]
		skip = max(0, n-len(ring))
		slot.forget(from + uint32(skip))
	}
	old := l.older(s, inChunks, from+uint32(skip))
	var was float64
	for i := 0; i < n; {
		v, same := d.next(was)
		if d.err != nil || same > uint64(n-i) {
			d.fail("a series has more values than rows")
			return
		}
		old.take(from+uint32(i), same, v)
		for end := i + int(same); i < end; {
			if i = max(i, min(skip, end)); i < end {
				ring[(int(from)+i)%len(ring)] = v
				i++
			}
		}
		was = v
	}
	var chunks *past
	if s.past {
		chunks = l.readPast(inChunks)
	}
	if s.slot != none && d.err == nil {
		l.slots[s.slot].past = old.behind(chunks)
	}
}

// older collects the rows of a series, from one on, that belong into chunks: because its ring has no room for them, as
// when a longer window reads it since the restart, or because the chunk is complete.
type older struct {
	*loader
	builder  builder
	from, to uint32
	end      uint32 // of the series
	wanted   bool
}

func (l *loader) older(s *loadedSeries, from, inRing uint32) *older {
	o := &older{loader: l, from: max(from, l.wholeFrom), end: s.to, builder: builder{slab: l.slab, past: &past{}}}
	o.to = max(inRing, l.rows-l.rows%uint32(l.chunk))
	o.wanted = s.slot != none && l.blocks[l.slots[s.slot].block].band.long
	return o
}

func (o *older) take(row uint32, n uint64, v float64) {
	if !o.wanted {
		return
	}
	end := min(uint64(row)+n, uint64(o.to))
	for row := max(row, o.from); uint64(row) < end; row++ {
		o.builder.add(o.timeOf(row), v)
	}
}

// behind is the past of the series: the chunks that it had, and what was collected behind them.
func (o *older) behind(chunks *past) *past {
	to := min(o.to, o.end)
	if o.wanted && o.end < o.to && o.end >= o.from {
		o.builder.add(o.timeOf(o.end), hole)
		to++
	}
	o.builder.flush()
	collected := o.builder.past
	switch {
	case len(collected.chunks) == 0:
		return chunks
	case chunks == nil:
		chunks = &past{}
	case chunks.chunks[len(chunks.chunks)-1].to >= collected.chunks[0].from:
		return chunks // no store wrote that
	}
	chunks.row, chunks.chunks = to, append(chunks.chunks, collected.chunks...)
	return chunks
}

// readPast reads the chunks of a series.
func (l *loader) readPast(row uint32) *past {
	d := l.d
	p := &past{row: row, cut: d.bool()}
	latest := int64(never)
	var dechunk dechunker
	for range d.count() {
		size := d.count()
		if d.err != nil || size < 3 {
			d.fail("it has an empty chunk")
			return nil
		}
		c := chunk{from: math.MaxInt64, data: slices.Clone(d.b[:size])}
		d.b = d.b[size:]
		err := dechunk.each(c.data, func(t int64, _ float64) bool {
			if t <= latest {
				d.fail("the samples of a chunk are in disorder")
				return false
			}
			c.from, c.to, latest = min(c.from, t), t, t
			return true
		})
		if err != nil || c.from == math.MaxInt64 {
			d.fail("it has a chunk that cannot be read")
		}
		if d.err != nil {
			return nil
		}
		p.chunks = append(p.chunks, c)
	}
	if len(p.chunks) == 0 {
		return nil
	}
	return p
}

// readOwn reads the samples of a series with times of its own.
func (l *loader) readOwn(s *loadedSeries) {
	d := l.d
	n := d.count()
	times, values := make([]int64, n), make([]float64, n)
	var t, step int64
	for i := range times {
		step += d.int()
		t += step
		if i > 0 && t <= times[i-1] {
			d.fail("the samples of a series are in disorder")
			return
		}
		times[i] = t
	}
	d.column(values)
	if s.slot == none || d.err != nil {
		return
	}
	own := l.slots[s.slot].own
	own.times, own.values = times, values
	own.trim(l.interval)
}

// column reads values that follow each other in time.
func (d *decoder) column(values []float64) {
	var was float64
	for i := 0; i < len(values); {
		v, same := d.next(was)
		if d.err != nil || same > uint64(len(values)-i) {
			d.fail("a series has more values than times")
			return
		}
		for range same {
			values[i] = v
			i++
		}
		was = v
	}
}

// bind sets the layout of what was read, and the columns of those series that are read now.
func (l *loader) bind() *frame.Layout {
	if !l.layout {
		return nil
	}
	layout := &frame.Layout{Series: make([]frame.Series, 0, len(l.columns))}
	for _, place := range l.columns {
		s := &l.series[place]
		layout.Series = append(layout.Series, s.Series)
		l.slab.columns = append(l.slab.columns, s.slot)
	}
	l.slab.layout = layout
	l.slab.columns = slices.Clip(l.slab.columns)
	return layout
}

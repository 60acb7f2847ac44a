package window

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Log keeps records from which a store can be rebuilt, see [Store.Restore].
type Log interface {
	// Append takes the next record. It copies the bytes and does not wait for a disk.
	Append(record []byte)
}

// A record tells of one target: its number, what kind of record it is, and the record's number. The numbers of a target
// have no gaps, so that who reads them notices a record that is missing; whole states make them start anew.
const (
	recordState      = 1 // all that the windows of the target hold
	recordCollection = 2 // a good collection
	recordMiss       = 3 // a failed one
)

// What a row in a record brings along.
const (
	partRow    = 1 // nothing follows without it
	partLayout = 2 // its columns are not those of the row before
	partTimes  = 4 // some of its series bring their own times
	partFresh  = 8 // it is written as if all values before it had been 0
)

// RecordTo hands records of everything that follows to a log. It is called before the first target is opened.
func (s *Store) RecordTo(l Log) { s.log = l }

// Snapshot hands over a record of the whole state of each target that has one. Together they take the place of all
// records before. Collections wait while their target is read, but not while put runs.
func (s *Store) Snapshot(put func(record []byte)) {
	s.mu.Lock()
	s.forgetClosed()
	targets := slices.Concat(s.mu.closed, s.mu.targets)
	s.mu.Unlock()
	var e encoder
	for _, t := range targets {
		e.reset()
		t.mu.RLock()
		ok := t.page != nil
		if ok {
			t.writeState(&e)
		}
		t.mu.RUnlock()
		if ok {
			put(e.b)
		}
	}
}

// scribe knows what the log knows of a target. It is used by whoever appends to the target, or reads its whole state.
type scribe struct {
	id           uint64
	seq          uint64 // of the latest record
	page, health written
	encoder      encoder
}

// written is what the log knows of a slab.
type written struct {
	demand  *demand       // as of the latest row; the log knows nothing of a slab whose demand changed
	layout  *frame.Layout // of the latest row
	columns []uint32      // of layout, that are read
	slots   []uint32      // of columns
	before  []float64     // the values of the latest row
	time    int64         // of it
	size    int           // of the page, in series
	fresh   bool          // the next row is the first after a whole state
}

// record writes down a collection; of the rows, those that the slabs took. The caller holds mu.
func (t *Target) record(kind byte, at int64, page, health *frame.Frame) {
	log := t.store.log
	if log == nil {
		return
	}
	sc, e := &t.scribe, &t.scribe.encoder
	sc.seq++
	if sc.page.demand != t.page.demand || sc.health.demand != t.health.demand {
		var all encoder // much longer than others, and rare
		t.writeState(&all)
		log.Append(all.b)
		return
	}
	e.reset()
	t.writeHead(e, kind)
	if kind == recordMiss {
		e.int(at)
	}
	sc.page.row(e, t.page, page)
	sc.health.row(e, t.health, health)
	log.Append(e.b)
	if len(e.symbols) > 100 { // many new series: much longer than other records, and rare
		*e = encoder{}
	}
}

func (t *Target) writeHead(e *encoder, kind byte) {
	e.uint(t.scribe.id)
	e.byte(kind)
	e.uint(t.scribe.seq)
}

// row writes a row of the slab, nil where it has none.
func (w *written) row(e *encoder, s *slab, f *frame.Frame) {
	if f == nil {
		e.byte(0)
		return
	}
	flags := byte(partRow)
	changed := w.layout != s.layout && w.changed(s)
	if changed {
		flags |= partLayout
	}
	if w.fresh {
		flags |= partFresh
	}
	if f.Times != nil && slices.ContainsFunc(w.columnsOf(s, changed), func(col uint32) bool { return f.Times[col] != 0 }) {
		flags |= partTimes
	}
	e.byte(flags)
	if changed {
		w.relayout(e, s)
	} else {
		w.layout = s.layout
	}
	e.int(f.Time - w.time)
	e.row(f.Values, w.columns, w.before)
	if flags&partTimes != 0 {
		for _, col := range w.columns {
			e.time(f.Times[col], f.Time)
		}
	}
	w.time, w.fresh = f.Time, false
}

// time writes the own time of a sample. To have that of the row is to have none.
func (e *encoder) time(t, row int64) {
	if t == 0 {
		t = row
	}
	e.int(t - row)
}

// columnsOf are the columns of a row.
func (w *written) columnsOf(s *slab, changed bool) []uint32 {
	if !changed {
		return w.columns
	}
	columns, _ := s.read()
	return columns
}

// read lists the columns that are read, with their slots.
func (s *slab) read() (columns, slots []uint32) {
	for col, id := range s.columns {
		if id != none {
			columns, slots = append(columns, uint32(col)), append(slots, id)
		}
	}
	return columns, slots
}

// changed tells whether the slab reads other columns than those that were written, or of a page of another size.
func (w *written) changed(s *slab) bool {
	if w.layout == nil || w.size != s.size {
		return true
	}
	n := 0
	for col, id := range s.columns {
		if id == none {
			continue
		}
		if n == len(w.columns) || w.columns[n] != uint32(col) || w.slots[n] != id || !w.same(n, s, uint32(col)) {
			return true
		}
		n++
	}
	return n < len(w.columns)
}

// same tells whether a column of the slab is the series of column n that was written.
func (w *written) same(n int, s *slab, col uint32) bool {
	was, is := w.layout.Series[w.columns[n]], s.layout.Series[col]
	return was.Kind == is.Kind && was.Labels.Equal(is.Labels)
}

// relayout writes the columns: stretches of those that were there before, and new ones.
func (w *written) relayout(e *encoder, s *slab) {
	columns, slots := s.read()
	place := make([]uint32, len(s.slots)) // of a slot among the columns before, from 1
	for n, id := range w.slots {
		if int(id) < len(place) {
			place[id] = uint32(n + 1)
		}
	}
	before := make([]float64, len(columns))
	e.uint(uint64(s.size))
	e.uint(uint64(len(columns)))
	for i := 0; i < len(columns); {
		from := place[slots[i]]
		if from == 0 || !w.same(int(from-1), s, columns[i]) {
			e.uint(0)
			e.series(s.layout.Series[columns[i]])
			i++
			continue
		}
		n := 0
		for i+n < len(columns) && place[slots[i+n]] == from+uint32(n) && w.same(int(from)-1+n, s, columns[i+n]) {
			before[i+n] = w.before[int(from)-1+n]
			n++
		}
		e.uint(uint64(from))
		e.uint(uint64(n))
		i += n
	}
	w.layout, w.columns, w.slots, w.before, w.size = s.layout, columns, slots, before, s.size
}

// restart notes that the log knows all of the slab.
func (w *written) restart(s *slab) {
	w.demand, w.layout, w.size = s.demand, s.layout, s.size
	w.columns, w.slots = s.read()
	w.before, w.time, w.fresh = make([]float64, len(w.columns)), 0, true
}

package window

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Restoration rebuilds the windows of a store from records that another one wrote, before the store's first target is
// opened and after the views are bound: what they do not read is not restored.
type Restoration struct {
	store   *Store
	streams map[uint64]*stream
}

// stream is one target as far as its records were read.
type stream struct {
	target       *Target
	seq          uint64
	broken       bool // a record is missing: only a whole state helps
	page, health known
}

// known is what the records said of a slab so far: the counterpart of written.
type known struct {
	layout *frame.Layout
	values []float64
	size   int
	time   int64
}

// part is a row of a slab as a record has it.
type part struct {
	known
	times []int64
	row   bool
}

// Restored says what windows hold after a restart.
type Restored struct {
	Targets, Series int
	Since           time.Time // of the oldest sample, zero without one
	Until           time.Time // of the latest collection, zero without one
}

// Restore begins to rebuild.
func (s *Store) Restore() *Restoration {
	return &Restoration{store: s, streams: make(map[uint64]*stream)}
}

// Apply takes the next record, in the order in which they were written. The error says why the windows of a target
// cannot be brought up to it; they stay as they were, until its whole state is read again.
func (r *Restoration) Apply(record []byte) error {
	d := &decoder{b: record}
	id, kind, seq := d.uint(), d.byte(), d.uint()
	if d.err != nil {
		return fmt.Errorf("read a record of the windows: %w", d.err)
	}
	st := r.streams[id]
	switch {
	case kind == recordState:
		if st != nil && !st.broken && seq < st.seq {
			return nil // a later state is known
		}
		fresh, err := r.load(d, seq)
		if err != nil {
			return fmt.Errorf("read the windows of target %d: %w", id, err)
		}
		fresh.target.scribe.id, fresh.target.scribe.seq = id, seq
		r.streams[id] = fresh
		return nil
	case st == nil || st.broken || seq <= st.seq:
		return nil // its whole state is still to come, or was read
	case seq != st.seq+1:
		st.broken = true
		return fmt.Errorf("read the windows of %s: %d collections are missing", st.target.labels, seq-st.seq-1)
	}
	if err := st.apply(d, kind); err != nil {
		st.broken = true
		return fmt.Errorf("read the windows of %s: %w", st.target.labels, err)
	}
	st.seq, st.target.scribe.seq = seq, seq
	return nil
}

// load makes a target of a whole state.
func (r *Restoration) load(d *decoder, seq uint64) (*stream, error) {
	t := &Target{store: r.store, labels: d.labels(), interval: max(d.int(), 1)}
	t.answer = answer{ok: d.bool(), ever: d.bool()}
	t.page, t.health = newSlab(t.interval, r.store.chunk), newSlab(t.interval, r.store.chunk)
	reads := make(readers)
	for range d.count() {
		reads[d.fixed()] = struct{}{}
	}
	if d.err != nil {
		return nil, d.err
	}
	st := &stream{target: t, seq: seq}
	demand := r.store.demand.Load()
	st.page.load(d, t.page, demand)
	st.health.load(d, t.health, demand)
	if d.err != nil {
		return nil, d.err
	}
	if len(d.b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes are left over", errRecord, len(d.b))
	}
	t.page.before, t.health.before = reads, reads
	return st, nil
}

// load reads a slab.
func (k *known) load(d *decoder, s *slab, demand *demand) {
	k.layout = loadSlab(d, s, demand)
	k.values, k.size = make([]float64, len(k.series())), s.size
}

// apply takes a collection, or a failed one.
func (st *stream) apply(d *decoder, kind byte) error {
	var missed int64
	switch kind {
	case recordCollection:
	case recordMiss:
		missed = d.int()
	default:
		return fmt.Errorf("%w: it is of the unknown kind %d", errRecord, kind)
	}
	page, health := st.page.read(d), st.health.read(d)
	if d.err != nil {
		return d.err
	}
	if len(d.b) > 0 {
		return fmt.Errorf("%w: %d bytes are left over", errRecord, len(d.b))
	}
	t := st.target
	if kind == recordMiss {
		t.answer.ok = false
		t.page.missed(missed)
	} else {
		t.answer = answer{ok: true, ever: true}
	}
	err := errors.Join(page.append(t.page), health.append(t.health))
	st.page, st.health = page.known, health.known
	return err
}

// read reads a row.
func (k *known) read(d *decoder) part {
	p := part{known: *k}
	flags := d.byte()
	if p.row = flags&partRow != 0; !p.row {
		return p
	}
	if k.layout == nil && flags&partLayout == 0 {
		d.fail("it has a row without a layout")
		return p
	}
	if flags&partFresh != 0 {
		p.values, p.time = make([]float64, len(p.series())), 0
	}
	if flags&partLayout != 0 {
		p.relayout(d)
	}
	p.time += d.int()
	d.row(p.values)
	if flags&partTimes != 0 && d.err == nil {
		p.times = make([]int64, len(p.values))
		for i := range p.times {
			if p.times[i] = p.time + d.int(); p.times[i] == p.time {
				p.times[i] = 0
			}
		}
	}
	return p
}

func (k *known) series() []frame.Series {
	if k.layout == nil {
		return nil
	}
	return k.layout.Series
}

// relayout reads the columns that relayout of written wrote.
func (k *known) relayout(d *decoder) {
	old, before := k.series(), k.values
	k.size = int(d.number(1 << 31))
	n, left := d.uint(), uint64(len(old))
	var series []frame.Series
	var values []float64
	for d.err == nil && uint64(len(series)) < n {
		from := d.uint()
		if from == 0 {
			series, values = append(series, d.series()), append(values, 0)
			continue
		}
		count := d.uint()
		if from > uint64(len(old)) || count == 0 || count > min(left, uint64(len(old))-from+1) {
			d.fail("it has no such columns")
			return
		}
		left -= count
		series, values = append(series, old[from-1:from-1+count]...), append(values, before[from-1:from-1+count]...)
	}
	k.layout, k.values = &frame.Layout{Series: series}, values
}

// append puts the row into a slab.
func (p *part) append(s *slab) error {
	if !p.row {
		return nil
	}
	s.rebind(p.layout, p.size)
	return s.append(frame.Frame{Layout: p.layout, Time: p.time, Values: p.values, Times: p.times})
}

// End makes what was read the windows of the targets that are opened with the same labels from now on, as if the
// collections that were due since had failed. What no such target asks for goes, as that of closed targets does. Rows
// that lie ahead of now are of a clock that was wrong: their targets begin anew.
func (r *Restoration) End(now time.Time) Restored {
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum Restored
	ids := slices.SortedFunc(maps.Keys(r.streams), cmp.Compare)
	for _, id := range ids {
		t := r.streams[id].target
		s.mu.latest = max(s.mu.latest, id)
		if latest := max(t.page.last, t.health.last); latest > now.UnixMilli()+t.interval {
			s.logger.Warn().Stringer("target", t.labels).Time("latest", time.UnixMilli(latest)).Msg("windows of the future are dropped: the clock was set back")
			continue
		}
		t.closedAt, t.closed, t.resumed = time.Now(), true, true
		t.interrupt(now.UnixMilli())
		s.mu.closed = append(s.mu.closed, t)
		sum.add(t)
	}
	return sum
}

func (r *Restored) add(t *Target) {
	r.Targets++
	for _, s := range t.slabs() {
		s.gone.Store(true)
		r.Series += len(s.slots) - len(s.freeSlots)
		if s.rows == 0 {
			continue
		}
		if oldest := time.UnixMilli(s.time(s.oldest)); r.Since.IsZero() || oldest.Before(r.Since) {
			r.Since = oldest
		}
		if latest := time.UnixMilli(s.last); latest.After(r.Until) {
			r.Until = latest
		}
	}
}

// resume notes what was missed between the restart and a collection. The caller holds mu.
func (t *Target) resume(at int64) {
	if t.resumed {
		t.interrupt(at)
		t.resumed = false
	}
}

// interrupt notes that the collections between the latest row and now failed, if one was due.
func (t *Target) interrupt(now int64) {
	latest := max(t.page.last, t.health.last)
	if latest == never || now-latest <= t.interval+t.interval/2 {
		return
	}
	t.answer.ok = false
	t.page.missed(latest + t.interval)
}

package window

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// pieces adds a series that is not whole: it began, ended or has holes inside the window, or brings its own times.
func (r *reader) pieces(index, id uint32, slot *slot, flags uint8) {
	c := &r.cut
	r.times, r.values = r.times[:0], r.values[:0]
	r.samples = samples{scratch: r.samples.scratch}
	var shared bool // the times are a stretch of the rows' times
	var first uint32
	var ended, marked bool
	if slot.own != nil {
		ended = r.gatherOwn(id, slot)
		if slot.own.truncated {
			flags |= abi.FlagTruncated
		}
	} else {
		first, shared, ended = r.gather(id, slot)
		marked = c.hi > slot.first && c.slab.holeAt(slot, c.hi-1)
		if slot.past != nil && slot.past.cut && slot.past.chunks[0].from > r.start {
			flags |= abi.FlagTruncated
		}
		if b := c.slab.blocks[slot.block].band; b.capped && c.lo <= c.slab.rows-min(c.slab.rows, uint32(b.rows)) {
			flags |= abi.FlagTruncated
		}
	}
	m := &r.samples
	m.a = r.values
	if m.n() == 0 && (c.fresh || slot.end < c.hi || marked || !m.ever) {
		return
	}
	if ended {
		flags |= abi.FlagEnded
	}
	if m.born {
		flags |= abi.FlagBorn
	}
	if r.out.Reduce != abi.Raw {
		ref := uint32(len(r.out.Times))
		if m.n() > 0 {
			r.out.Times = append(r.out.Times, m.lastTime)
		} else {
			ref = 0
		}
		r.reduced(index, flags, ref)
		return
	}
	if slot.counts && m.fell() {
		flags |= abi.FlagReset
	}
	ref := c.ref + first - c.lo
	if !shared {
		ref = uint32(len(r.out.Times))
		r.out.Times = append(r.out.Times, r.times...)
	}
	start := uint32(len(r.out.Values))
	r.out.Values = append(r.out.Values, r.values...)
	r.add(index, abi.Span{Start: start, Count: uint32(len(r.values))}, ref, flags)
}

// gather collects the samples of a series that shares the times of its slab. It returns the row of the first, whether
// there is no hole after it, and whether the series had ended at the end of the window.
func (r *reader) gather(id uint32, slot *slot) (first uint32, shared, ended bool) {
	c, m, s := &r.cut, &r.samples, r.cut.slab
	blk := &s.blocks[slot.block]
	rows := blk.band.rows
	ring := blk.values[slot.off : int(slot.off)+rows]
	from := max(slot.first, s.oldest, s.rows-min(s.rows, uint32(rows)))
	to := min(slot.end, s.rows)

	before := int64(never)
	if slot.past != nil {
		before, ended = r.gatherPast(slot)
	}
	shared = len(r.values) == 0
	last := uint32(none)
	for row := max(from, c.lo); row < min(to, c.hi); row++ {
		v := ring[int(row)%rows]
		if isHole(v) {
			continue
		}
		if last == none {
			first = row
		} else if last+1 != row {
			shared = false
		}
		r.values, r.times = append(r.values, v), append(r.times, s.time(row))
		last = row
	}
	if slot.past == nil || c.hi > c.lo {
		ended = c.hi > 0 && c.hi <= s.rows && last != c.hi-1 && c.hi > c.lo
	}
	for row := min(c.lo, to); row > from; row-- {
		v := ring[int(row-1)%rows]
		if isHole(v) {
			continue
		}
		m.ever = true
		before = s.time(row - 1)
		if before > c.oldest {
			m.base, m.baseTime, m.hasBase = v, before, true
		}
		break
	}
	if len(r.values) > 0 {
		b, ok := s.birthAt(id, first)
		if slot.past != nil {
			b, ok = s.birthBetween(id, max(before, never+1), r.times[0], false)
		}
		if ok {
			m.begin(b, c.oldest, r.values[0])
		}
	}
	r.finish()
	return first, shared, ended
}

// gatherOwn collects the samples of a series with times of its own, and tells whether it had ended.
func (r *reader) gatherOwn(id uint32, slot *slot) bool {
	c, m, own := &r.cut, &r.samples, slot.own
	lo, _ := slices.BinarySearch(own.times, r.start+1)
	hi, _ := slices.BinarySearch(own.times, r.end+1)
	r.times, r.values = append(r.times, own.times[lo:hi]...), append(r.values, own.values[lo:hi]...)
	if lo > 0 {
		m.ever = true
		if t := own.times[lo-1]; t > c.oldest {
			m.base, m.baseTime, m.hasBase = own.values[lo-1], t, true
		}
	}
	if hi > lo && (lo > 0 || !own.truncated) {
		since := int64(never) + 1
		if lo > 0 {
			since = own.times[lo-1]
		}
		if b, ok := c.slab.birthBetween(id, since, own.times[lo], true); ok {
			m.begin(b, c.oldest, own.values[lo])
		}
	}
	r.finish()
	return slot.end < c.hi
}

// begin is for samples that begin with a birth. What the series had left with is the baseline, if that is young enough.
// Otherwise the row before the birth is evidence of 0, if that one is, and nothing suggests that the series went on
// unseen.
func (m *samples) begin(b birth, oldest int64, first float64) {
	switch {
	case m.hasBase:
	case b.before.t > oldest:
		m.base, m.baseTime, m.hasBase = b.before.v, b.before.t, true
	case b.proven && b.at > oldest && (b.before.t == never || first < b.before.v):
		m.born, m.bornAt = true, b.at
	}
}

// finish completes the samples.
func (r *reader) finish() {
	m := &r.samples
	if n := len(r.values); n > 0 {
		m.firstTime, m.lastTime, m.ever = r.times[0], r.times[n-1], true
	}
}

package window

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// miss is a collection that failed: the series of the page were not seen at time t, between the rows before row and
// row itself.
type miss struct {
	row uint32
	t   int64
}

// missed notes a failed collection. Of those that follow each other without a row between, the first is enough: it
// says since when the series are not seen.
func (s *slab) missed(t int64) {
	n := len(s.misses)
	if s.rows == 0 || t <= s.last || n > 0 && s.misses[n-1].row == s.rows {
		return
	}
	longest := int64(0)
	for _, b := range s.bands {
		longest = max(longest, b.window)
	}
	s.misses = slices.DeleteFunc(s.misses, func(m miss) bool { return m.row <= s.oldest && m.t < s.last-longest })
	s.misses = append(s.misses, miss{row: s.rows, t: t})
}

// interrupted tells whether a collection failed after the first row of the window.
func (r *reader) interrupted() bool {
	return slices.ContainsFunc(r.cut.slab.misses, func(m miss) bool {
		return m.row > r.cut.lo && m.row <= r.cut.hi && m.t <= r.end
	})
}

// marked adds a series that is not whole, with a stale marker after each stretch of its samples.
func (r *reader) marked(index uint32, slot *slot, flags uint8) {
	r.times, r.values = r.times[:0], r.values[:0]
	r.gatherMarked(slot)
	if len(r.values) == 0 {
		return
	}
	if isHole(r.values[len(r.values)-1]) {
		flags |= abi.FlagEnded
	}
	ref, start := uint32(len(r.out.Times)), uint32(len(r.out.Values))
	r.out.Times = append(r.out.Times, r.times...)
	r.out.Values = append(r.out.Values, r.values...)
	r.add(index, abi.Span{Start: start, Count: uint32(len(r.values))}, ref, flags)
}

// gatherMarked collects samples and markers: one at the first row without the series, one where a collection failed.
func (r *reader) gatherMarked(slot *slot) {
	c, s := &r.cut, r.cut.slab
	blk := &s.blocks[slot.block]
	rows := blk.band.rows
	ring := blk.values[slot.off : int(slot.off)+rows]
	misses := s.misses
	missesUntil := func(row uint32) {
		for len(misses) > 0 && misses[0].row <= row {
			if misses[0].t <= r.end {
				r.mark(misses[0].t)
			}
			misses = misses[1:]
		}
	}
	if slot.past != nil {
		misses = r.gatherMarkedPast(slot, misses)
	}
	for row := max(slot.first, s.oldest, s.rows-min(s.rows, uint32(rows)), c.lo); row < min(slot.end, c.hi); row++ {
		missesUntil(row)
		if v := ring[int(row)%rows]; isHole(v) {
			r.mark(s.time(row))
		} else {
			r.times, r.values = append(r.times, s.time(row)), append(r.values, v)
		}
	}
	missesUntil(min(slot.end, c.hi))
	if slot.end < c.hi && c.hi > c.lo { // else it is older than the rows, and has a marker in a chunk
		r.mark(s.time(max(slot.end, c.lo)))
	}
}

// mark adds a stale marker if a sample is before it.
func (r *reader) mark(t int64) {
	if n := len(r.values); n > 0 && !isHole(r.values[n-1]) {
		r.times, r.values = append(r.times, t), append(r.values, hole)
	}
}

// gatherMarkedPast collects what is older than the ring, and returns the misses behind it.
func (r *reader) gatherMarkedPast(slot *slot, misses []miss) []miss {
	p := slot.past
	_, until := r.cut.slab.ringFrom(slot)
	for i := p.at(r.start); i < len(p.chunks) && p.chunks[i].from <= r.end; i++ {
		_ = r.chunks.each(p.chunks[i].data, func(t int64, v float64) bool {
			if t >= until || t > r.end {
				return false
			}
			for len(misses) > 0 && misses[0].t < t {
				r.mark(misses[0].t)
				misses = misses[1:]
			}
			switch {
			case t <= r.start:
			case isHole(v):
				r.mark(t)
			default:
				r.times, r.values = append(r.times, t), append(r.values, v)
			}
			return true
		})
	}
	return misses
}

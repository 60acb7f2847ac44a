package window

import (
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// reader fills one input, slab by slab. It keeps scratch memory from read to read.
type reader struct {
	out    *abi.Input
	known  uint32 // series from this index on are new
	start  int64
	end    int64
	window int64
	stale  bool // with stale markers

	cut     cut
	samples samples
	times   []int64   // scratch: of a series with holes or times of its own
	values  []float64 // scratch
	chunks  dechunker
}

// cut is what a window sees of the rows of a slab.
type cut struct {
	slab    *slab
	lo, hi  uint32 // rows inside
	base    uint32 // row at or before start that may serve as a baseline
	hasBase bool
	oldest  int64  // a baseline must be younger
	ref     uint32 // of the rows' times (or, reduced, of the newest one) in out.Times
	fresh   bool   // its target answered
	gaps    bool   // a collection failed between the rows, and readers want to know

	band  *band // the fields below are for this band
	at    int   // position of row lo
	base0 int   // position of row base
}

func (r *reader) begin(in *input, out *abi.Input, at int64, known uint32) {
	r.out, r.known, r.window, r.stale = out, known, in.window, in.query.Stale
	r.start, r.end = at-in.window, at-in.query.Until.Milliseconds()
	out.Series, out.Spans, out.TimeRef = out.Series[:0], out.Spans[:0], out.TimeRef[:0]
	out.Flags, out.Times, out.Values = out.Flags[:0], out.Times[:0], out.Values[:0]
	out.Start, out.End = r.start, r.end
	out.TargetsExpected, out.TargetsAnswered = 0, 0
	out.Reduce, out.ReduceArg = in.query.Reduce, in.query.ReduceArg
}

// slab adds the series of a segment. Its target is locked.
func (r *reader) slab(seg *segment, fresh bool) {
	r.slice(seg.slab, fresh)
	r.grow(len(seg.index))
	for i, id := range seg.binding.slots {
		if index := seg.index[i]; index != none {
			r.series(index, id, &seg.slab.slots[id])
		}
	}
}

// slice finds the rows of the window and lists their times.
func (r *reader) slice(s *slab, fresh bool) {
	c := cut{slab: s, fresh: fresh, oldest: r.start - lookback(r.window, s.interval)}
	c.lo, c.hi = s.after(r.start), s.after(r.end)
	if c.lo > s.oldest && s.time(c.lo-1) > c.oldest {
		c.base, c.hasBase = c.lo-1, true
	}
	c.ref = uint32(len(r.out.Times))
	from := c.lo
	if r.out.Reduce != abi.Raw && c.hi > c.lo {
		from = c.hi - 1
	}
	for row := from; row < c.hi; row++ {
		r.out.Times = append(r.out.Times, s.time(row))
	}
	r.cut = c
	r.cut.gaps = r.stale && r.interrupted()
}

// lookback is how old a baseline may be at the start of a window.
func lookback(window, interval int64) int64 { return max(window, 3*interval) }

// after is the first row later than a time.
func (s *slab) after(t int64) uint32 {
	lo, hi := s.oldest, s.rows
	for lo < hi {
		if mid := lo + (hi-lo)/2; s.time(mid) > t {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// grow makes room for n series, so that adding one never allocates.
func (r *reader) grow(n int) {
	o := r.out
	o.Series, o.Spans = slices.Grow(o.Series, n), slices.Grow(o.Spans, n)
	o.TimeRef, o.Flags = slices.Grow(o.TimeRef, n), slices.Grow(o.Flags, n)
	if o.Reduce == abi.Raw {
		n *= int(r.cut.hi - r.cut.lo)
	}
	o.Values = slices.Grow(o.Values, n)
}

// series adds one series.
func (r *reader) series(index, id uint32, slot *slot) {
	var flags uint8
	if index >= r.known {
		flags |= abi.FlagNew
	}
	if slot.counts {
		flags |= abi.FlagCounter
	}
	if !r.cut.fresh {
		flags |= abi.FlagMissing | abi.FlagEnded
	}
	if !r.whole(slot) {
		if r.stale && slot.own == nil {
			r.marked(index, slot, flags)
			return
		}
		r.pieces(index, id, slot, flags)
		return
	}
	if r.out.Reduce != abi.Raw {
		r.reduced(index, flags, r.cut.ref)
		return
	}
	m := &r.samples
	if slot.counts && m.fell() {
		flags |= abi.FlagReset
	}
	start := uint32(len(r.out.Values))
	r.out.Values = append(append(r.out.Values, m.a...), m.b...)
	r.add(index, abi.Span{Start: start, Count: uint32(m.n())}, r.cut.ref, flags)
}

// whole takes the samples of a series that has one in every row of the window and in the baseline, which is nearly
// every series nearly always; it tells whether the series is so.
func (r *reader) whole(slot *slot) bool {
	c := &r.cut
	if slot.own != nil || c.lo == c.hi || slot.end < c.hi || c.gaps {
		return false
	}
	from := c.lo
	if c.hasBase {
		from = c.base
	} else if slot.newborn || slot.past != nil {
		return false
	}
	blk := &c.slab.blocks[slot.block]
	rows := blk.band.rows
	if slot.run > from || int(c.slab.rows-from) > rows || blk.band.capped {
		return false
	}
	if blk.band != c.band {
		c.band, c.at, c.base0 = blk.band, int(c.lo)%rows, int(c.base)%rows
	}
	ring := blk.values[slot.off : int(slot.off)+rows]
	m := &r.samples
	if n := int(c.hi - c.lo); c.at+n <= rows {
		m.a, m.b = ring[c.at:c.at+n], nil
	} else {
		m.a, m.b = ring[c.at:], ring[:c.at+n-rows]
	}
	m.hasBase, m.born = c.hasBase, false
	if c.hasBase {
		m.base = ring[c.base0]
	}
	if r.out.Reduce == abi.Rate {
		m.firstTime, m.lastTime = c.slab.time(c.lo), c.slab.time(c.hi-1)
		if c.hasBase {
			m.baseTime = c.slab.time(c.base)
		}
	}
	return true
}

// reduced adds one value for the samples at hand, or none.
func (r *reader) reduced(index uint32, flags uint8, ref uint32) {
	m := &r.samples
	v, ok, fell := m.reduce(r.out.Reduce, r.out.ReduceArg)
	if fell || m.n() > 0 && flags&abi.FlagCounter != 0 && !fallsItself(r.out.Reduce) && m.fell() {
		flags |= abi.FlagReset
	}
	span := abi.Span{Start: uint32(len(r.out.Values))}
	if ok {
		r.out.Values = append(r.out.Values, v)
		span.Count = 1
	}
	r.add(index, span, ref, flags)
}

func (r *reader) add(index uint32, span abi.Span, ref uint32, flags uint8) {
	o := r.out
	o.Series, o.Spans = append(o.Series, index), append(o.Spans, span)
	o.TimeRef, o.Flags = append(o.TimeRef, ref), append(o.Flags, flags)
}

// counts tells whether a series was exposed as a counter, or is the counting part of a histogram or summary. All parts of
// a native histogram count.
func counts(s frame.Series) bool {
	switch s.Kind {
	case frame.Counter:
		return true
	case frame.Histogram:
		name := s.Labels.Get(frame.MetricName)
		return strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum") || s.Labels.Get(frame.PartLabel) != ""
	case frame.Summary:
		name := s.Labels.Get(frame.MetricName)
		return strings.HasSuffix(name, "_count") || strings.HasSuffix(name, "_sum")
	default:
		return false
	}
}

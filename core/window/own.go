package window

import (
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// maxAhead is how far ahead of the row a series' own time may lie, in milliseconds. A sample of the year 9999 would
// otherwise make all that follow out of order.
const maxAhead = 10 * 60 * 1000

// ownRun holds a series that brings its own times.
type ownRun struct {
	times     []int64
	values    []float64
	rows      int   // that the demand asks for
	window    int64 // milliseconds
	truncated bool
}

func (o *ownRun) last() (sample, bool) {
	n := len(o.values)
	if n == 0 {
		return sample{}, false
	}
	return sample{o.times[n-1], o.values[n-1]}, true
}

// separate gives a run of their own to the series of a row that have another time than the row. They keep it.
func (s *slab) separate(f frame.Frame) {
	changed := false
	for col, id := range s.columns {
		if t := f.Times[col]; id == none || t == 0 || t == f.Time || s.slots[id].own != nil {
			continue
		}
		slot := &s.slots[id]
		b := s.blocks[slot.block].band
		own := &ownRun{rows: max(b.rows, rowsFor(b.window, s.interval)), window: b.window}
		ring := s.blocks[slot.block].values[slot.off:]
		row := s.rows - 1 // just begun, its values are not there yet
		from := max(slot.first, s.oldest, uint32(max(0, int(s.rows)-b.rows)))
		if slot.past != nil {
			own.takePast(slot.past, s.time(from))
		}
		for r := from; r < row; r++ {
			if v := ring[int(r)%b.rows]; !isHole(v) {
				own.times, own.values = append(own.times, s.time(r)), append(own.values, v)
			}
		}
		earliest := f.Time
		if len(own.times) > 0 {
			earliest = own.times[0]
		}
		if before := s.leftWith(id, earliest); before.t != never {
			own.times, own.values = slices.Insert(own.times, 0, before.t), slices.Insert(own.values, 0, before.v)
		}
		s.release(slot.place)
		slot.place, slot.own, slot.past = place{}, own, nil
		changed = true
	}
	if changed {
		s.plan()
	}
}

// takePast takes the samples of chunks that are older than a time.
func (o *ownRun) takePast(p *past, until int64) {
	var d dechunker
	for _, c := range p.chunks {
		_ = d.each(c.data, func(t int64, v float64) bool {
			if t < until && !isHole(v) {
				o.times, o.values = append(o.times, t), append(o.values, v)
			}
			return t < until
		})
	}
}

// writeOwn appends to the series with times of their own.
func (s *slab) writeOwn(f frame.Frame) {
	for _, col := range s.owned {
		slot := &s.slots[s.columns[col]]
		t, v := f.Time, f.Values[col]
		if f.Times != nil && f.Times[col] != 0 {
			t = f.Times[col]
		}
		if isHole(v) {
			continue
		}
		own := slot.own
		if n := len(own.times); n > 0 && t <= own.times[n-1] {
			// The same sample again says only that there is nothing newer.
			if t != own.times[n-1] || math.Float64bits(v) != math.Float64bits(own.values[n-1]) {
				s.outOfOrder++
			}
			continue
		}
		if t > f.Time+maxAhead {
			s.outOfOrder++
			continue
		}
		own.times, own.values = append(own.times, t), append(own.values, v)
		own.trim(s.interval)
		if id := s.columns[col]; slot.newborn { // it was there before a row that did not have it: that is no birth
			s.births[id] = slices.DeleteFunc(s.births[id], func(b birth) bool { return b.proven && b.at >= t })
		}
	}
}

// trim lets go what no window can see, now and then.
func (o *ownRun) trim(interval int64) {
	n := len(o.times)
	if n < 2*o.rows {
		return
	}
	last := o.times[n-1]
	keep, _ := slices.BinarySearch(o.times, last-o.window-2*interval)
	keep = max(keep-1, 0) // the baseline
	if limit := maxGrowth * o.rows; n-keep > limit {
		keep, o.truncated = n-limit, true
	}
	o.times = append(o.times[:0], o.times[keep:]...)
	o.values = append(o.values[:0], o.values[keep:]...)
}

package window

import (
	"math"
	"slices"
)

// birth is the beginning of a series, or its return: a row with it after one without it.
type birth struct {
	row    uint32
	at     int64  // time of the row before, which did not have it
	proven bool   // it cannot have been there unseen
	before sample // what it had left with, of time never if it was not there before
}

// never is before all times.
const never = math.MinInt64

// bear notes that a series begins with the next row. That it was not there before is proven by a row of time at, if that
// is not never.
func (s *slab) bear(id uint32, at int64, before sample) {
	if at != never || before.t != never || len(s.births[id]) > 0 { // where nothing is known, the births before do not count
		s.births[id] = append(s.births[id], birth{row: s.rows, at: s.last, proven: at != never, before: before})
		s.slots[id].newborn = true
	}
}

// mark notes a hole of a series that is on the page: its source says by a stale marker that it is not there.
func (s *slab) mark(id, row uint32) {
	s.slots[id].run = row + 1
	if _, marked := s.marked[id]; marked {
		return
	}
	before, ok := s.lastSample(id)
	if !ok {
		before.t = never
		if b, ok := s.birthAt(id, row); ok { // it came, or came back, with a marker
			before = b.before
		}
	}
	s.marked[id] = before
}

// comeBack lets series begin with a row, which has been written, that had a marker in the row before it.
func (s *slab) comeBack(row uint32) {
	for id, before := range s.marked {
		slot := &s.slots[id]
		if slot.end != present || slot.run > row {
			continue
		}
		delete(s.marked, id)
		s.births[id] = append(s.births[id], birth{row: row, at: s.time(row - 1), proven: true, before: before})
		slot.newborn = true
	}
}

// leftWith is the last sample before a time that a series had left with before it came back, which its ring may not have
// any more; of time never if there is none.
func (s *slab) leftWith(id uint32, until int64) sample {
	if before, ok := s.marked[id]; ok && before.t < until {
		return before
	}
	for _, b := range slices.Backward(s.births[id]) {
		if b.before.t != never && b.before.t < until {
			return b.before
		}
	}
	return sample{t: never}
}

// growUp forgets the births that no ring reaches back to.
func (s *slab) growUp() {
	for id, list := range s.births {
		slot := &s.slots[id]
		rows := s.ringOf(slot)
		oldest := int64(math.MaxInt64)
		if window := s.windowOf(slot); slot.past != nil {
			oldest = s.last - window - lookback(window, s.interval)
		}
		list = slices.DeleteFunc(list, func(b birth) bool { return int(s.rows)-int(b.row) > rows && b.at < oldest })
		if len(list) == 0 {
			delete(s.births, id)
			slot.newborn = false
			continue
		}
		s.births[id] = list
	}
}

// birthAt is the birth with a row.
func (s *slab) birthAt(id, row uint32) (birth, bool) {
	for _, b := range s.births[id] {
		if b.row == row {
			return b, true
		}
	}
	return birth{}, false
}

// birthBetween is the newest birth, or proven birth, in (from, to].
func (s *slab) birthBetween(id uint32, from, to int64, proven bool) (birth, bool) {
	for _, b := range slices.Backward(s.births[id]) {
		if b.at >= from && b.at < to && (b.proven || !proven) {
			return b, true
		}
	}
	return birth{}, false
}

// grave is what a series left with when it was given up, of time never for one that was not here.
func (s *slab) grave(hash uint64) sample {
	last, ok := s.graves[hash]
	if !ok {
		return sample{t: never}
	}
	delete(s.graves, hash)
	return last
}

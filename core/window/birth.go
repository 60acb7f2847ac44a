package window

import (
	"math"
	"slices"
)

// birth is the beginning of a series, or its return: a row with it after one without it.
type birth struct {
	row    uint32
	at     int64  // time of the row before, which did not have it; never where it may have been there unseen
	before sample // what it had left with, of time never if it was not there before
}

// never is before all times.
const never = math.MinInt64

// bear notes that a series begins with the next row.
func (s *slab) bear(id uint32, at int64, before sample) {
	if at != never || before.t != never {
		s.births[id] = append(s.births[id], birth{row: s.rows, at: at, before: before})
		s.slots[id].newborn = true
	}
}

// growUp forgets the births that no ring reaches back to.
func (s *slab) growUp() {
	for id, list := range s.births {
		slot := &s.slots[id]
		rows := s.ringOf(slot)
		list = slices.DeleteFunc(list, func(b birth) bool { return int(s.rows)-int(b.row) > rows })
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

// birthBetween is the newest birth in (from, to].
func (s *slab) birthBetween(id uint32, from, to int64) (birth, bool) {
	for _, b := range slices.Backward(s.births[id]) {
		if b.at >= from && b.at < to {
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

package window

import "slices"

// birth is the beginning of a series, or its return: a row with it after one without it.
type birth struct {
	row   uint32
	at    int64   // time of the row before, which did not have it
	floor float64 // what it left with; one that comes back with as much did not begin anew
}

// bear notes that a series begins with the next row. At is the time of the row that did not have it, 0 where that is
// not known: then it may be as old as it likes.
func (s *slab) bear(id uint32, at int64, floor float64) {
	if at != 0 {
		s.births[id] = append(s.births[id], birth{row: s.rows, at: at, floor: floor})
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

// birthBefore is the newest birth whose first sample can be of time t.
func (s *slab) birthBefore(id uint32, t int64) (birth, bool) {
	list := s.births[id]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].at < t {
			return list[i], true
		}
	}
	return birth{}, false
}

// floor is what a series left with when it was forgotten, infinity for one that was never here.
func (s *slab) floor(hash uint64) float64 {
	v, ok := s.graves[hash]
	if !ok {
		return infinity
	}
	delete(s.graves, hash)
	return v
}

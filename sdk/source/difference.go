package source

import "github.com/tocsinhq/tocsin/sdk/frame"

// absent is the place of a column that the layout before does not have.
const absent = -1

const (
	nearby   = 8  // columns that are looked at before the others: most layouts only gain or lose a few
	mostLost = 16 // columns that may be taken for new ones, one after the other, before an index is made
)

// placesIn tells for each column of a layout which column of the layout before it is. Not all are found: a column that
// was there before may be told to be absent.
func placesIn(before, layout *frame.Layout) []int {
	places := make([]int, len(layout.Series))
	var old []frame.Series
	if before != nil {
		old = before.Series
	}
	var index map[uint64]int // by hash of the labels; of two with the same one the last
	next, lost := 0, 0
	for i := range layout.Series {
		s := &layout.Series[i]
		place := absent
		for at := next; at < min(next+nearby, len(old)) && place == absent; at++ {
			if sameSeries(&old[at], s) {
				place = at
			}
		}
		if lost == mostLost && place == absent && index == nil {
			index = make(map[uint64]int, len(old))
			for at := range old {
				index[old[at].Labels.Hash()] = at
			}
		}
		if place == absent && index != nil {
			if at, ok := index[s.Labels.Hash()]; ok && sameSeries(&old[at], s) {
				place = at
			}
		}
		if places[i] = place; place == absent {
			lost++
		} else {
			next, lost = place+1, 0
		}
	}
	return places
}

// sameSeries compares two columns. Layouts that follow each other mostly share their label sets.
func sameSeries(a, b *frame.Series) bool {
	switch {
	case a.Kind != b.Kind || len(a.Labels) != len(b.Labels):
		return false
	case len(a.Labels) == 0 || &a.Labels[0] == &b.Labels[0]:
		return true
	default:
		return a.Labels.Equal(b.Labels)
	}
}

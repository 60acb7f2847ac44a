package window

import (
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// grids knows the native histograms of a layout. A histogram that changes its grid, the bounds of its buckets, has other
// columns from then on, with all that it ever counted: they were not born.
type grids struct {
	before *frame.Layout
	known  map[uint64]bool // hashes of histograms, and of histograms with a grid; nil until it is needed
}

// changed tells whether a column is part of a native histogram that was there before, but in another grid.
func (g *grids) changed(ls frame.Labels) bool {
	if g.before == nil {
		return false
	}
	histogram, gridded, ok := gridOf(ls)
	if !ok {
		return false
	}
	if g.known == nil {
		g.known = make(map[uint64]bool)
		for _, s := range g.before.Series {
			if histogram, gridded, ok := gridOf(s.Labels); ok {
				g.known[histogram], g.known[gridded] = true, true
			}
		}
	}
	return g.known[histogram] && !g.known[gridded]
}

// gridOf hashes the labels of the native histogram that a column is part of, and those with its grid.
func gridOf(ls frame.Labels) (histogram, gridded uint64, ok bool) {
	part := ls.Get(frame.PartLabel)
	if part == "" {
		return 0, 0, false
	}
	grid, _, _ := strings.Cut(part, " ")
	name := frame.Label{Name: frame.PartLabel}
	histogram = ls.With(name).Hash()
	name.Value = grid
	return histogram, ls.With(name).Hash(), true
}

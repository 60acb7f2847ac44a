package query

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// assembly puts native histograms together again, whose numbers are series of their own in the windows: see
// [frame.PartLabel].
type assembly struct {
	natives []native
	index   map[string]int // of natives, by their labels
	key     []byte         // scratch
}

// native is a histogram with all its grids.
type native struct {
	labels labels.Labels
	grids  []*grid
}

// grid is a native histogram as long as its buckets have the same bounds.
type grid struct {
	frame.Grid
	gauge                      bool
	count, sum, zero           column
	positive, negative, custom []column // in ascending order once they are joined
	bounds                     []float64
}

// column is one number of a histogram.
type column struct {
	index  int32
	upper  float64
	times  []int64
	values []float64
}

func (a *assembly) add(p part, s series) {
	a.key = s.labels.Bytes(a.key)
	i, ok := a.index[string(a.key)]
	if !ok {
		if a.index == nil {
			a.index = make(map[string]int)
		}
		i = len(a.natives)
		a.index[string(a.key)] = i
		a.natives = append(a.natives, native{labels: s.labels})
	}
	g := a.natives[i].grid(p.Grid)
	g.gauge = p.gauge
	g.add(p.Part, column{index: p.Index, upper: p.Upper, times: s.times, values: s.values})
}

func (n *native) grid(is frame.Grid) *grid {
	for _, g := range n.grids {
		if g.Grid == is {
			return g
		}
	}
	g := &grid{Grid: is}
	n.grids = append(n.grids, g)
	return g
}

func (g *grid) add(p frame.Part, c column) {
	switch p.Piece {
	case frame.Observations:
		g.count = c
	case frame.Sum:
		g.sum = c
	case frame.Zero:
		g.zero = c
	case frame.Positive:
		g.positive = append(g.positive, c)
	case frame.Negative:
		g.negative = append(g.negative, c)
	case frame.Custom:
		g.custom = append(g.custom, c)
	}
}

// join appends the histograms to all, which has the series of plain samples. A series that has been both is one.
func (a *assembly) join(all []series) []series {
	if len(a.natives) == 0 {
		return all
	}
	for i := range all {
		a.key = all[i].labels.Bytes(a.key)
		if k, ok := a.index[string(a.key)]; ok {
			all[i] = a.natives[k].series(all[i])
			a.natives[k].grids = nil
		}
	}
	for _, n := range a.natives {
		if n.grids != nil {
			all = append(all, n.series(series{}))
		}
	}
	return all
}

// series has a sample wherever one of the grids has a count, and those of floats. Where a histogram is stale in one grid
// but goes on in another one, or as a float, only the latter counts.
func (n *native) series(floats series) series {
	type sample struct {
		t    int64
		v    float64
		grid *grid
	}
	var samples []sample
	for i, t := range floats.times {
		samples = append(samples, sample{t: t, v: floats.values[i]})
	}
	for _, g := range n.grids {
		g.settle()
		for i, t := range g.count.times {
			if v := g.count.values[i]; value.IsStaleNaN(v) {
				samples = append(samples, sample{t: t, v: v})
			} else {
				samples = append(samples, sample{t: t, grid: g})
			}
		}
	}
	slices.SortStableFunc(samples, func(a, b sample) int { return cmp.Compare(a.t, b.t) })
	s := series{labels: n.labels}
	for _, is := range samples {
		last := len(s.times) - 1
		if last >= 0 && s.times[last] == is.t {
			if s.grids[last] == nil && value.IsStaleNaN(s.values[last]) {
				s.values[last], s.grids[last] = is.v, is.grid
			}
			continue
		}
		s.times, s.values, s.grids = append(s.times, is.t), append(s.values, is.v), append(s.grids, is.grid)
	}
	return s
}

// settle brings the buckets into the order in which they lie.
func (g *grid) settle() {
	byIndex := func(a, b column) int { return cmp.Compare(a.index, b.index) }
	slices.SortFunc(g.positive, byIndex)
	slices.SortFunc(g.negative, byIndex)
	slices.SortFunc(g.custom, func(a, b column) int { return cmp.Compare(a.upper, b.upper) })
	for i := range g.custom {
		g.custom[i].index = int32(i)
		if upper := g.custom[i].upper; !math.IsInf(upper, 1) {
			g.bounds = append(g.bounds, upper)
		}
	}
}

// at is the histogram at a time at which it has a count.
func (g *grid) at(t int64, reuse *histogram.FloatHistogram) *histogram.FloatHistogram {
	h := reuse
	if h == nil {
		h = new(histogram.FloatHistogram)
	}
	h.CounterResetHint = histogram.UnknownCounterReset
	if g.gauge {
		h.CounterResetHint = histogram.GaugeType
	}
	h.Schema, h.ZeroThreshold, h.CustomValues = g.Schema, g.Threshold, g.bounds
	row, _ := slices.BinarySearch(g.count.times, t)
	h.Count, h.Sum, h.ZeroCount = g.count.values[row], math.NaN(), 0
	if v, ok := g.sum.at(row, t); ok {
		h.Sum = v
	}
	if v, ok := g.zero.at(row, t); ok {
		h.ZeroCount = v
	}
	h.PositiveSpans, h.PositiveBuckets = bucketsAt(g.positive, row, t, h.PositiveSpans[:0], h.PositiveBuckets[:0])
	h.NegativeSpans, h.NegativeBuckets = bucketsAt(g.negative, row, t, h.NegativeSpans[:0], h.NegativeBuckets[:0])
	if g.Schema == frame.CustomSchema {
		h.PositiveSpans, h.PositiveBuckets = bucketsAt(g.custom, row, t, h.PositiveSpans, h.PositiveBuckets)
	}
	return h
}

// bucketsAt appends the buckets that are not empty.
func bucketsAt(columns []column, row int, t int64, spans []histogram.Span, counts []float64) ([]histogram.Span, []float64) {
	next := int32(0) // index after the last bucket
	for i := range columns {
		c := &columns[i]
		v, ok := c.at(row, t)
		if !ok || v == 0 {
			continue
		}
		if n := len(spans); n > 0 && c.index == next {
			spans[n-1].Length++
		} else {
			spans = append(spans, histogram.Span{Offset: c.index - next, Length: 1})
		}
		counts = append(counts, v)
		next = c.index + 1
	}
	return spans, counts
}

// at is the value at a time, false if there is none. Mostly the number stands in the same row as the count.
func (c *column) at(row int, t int64) (float64, bool) {
	if row >= len(c.times) || c.times[row] != t {
		var ok bool
		if row, ok = slices.BinarySearch(c.times, t); !ok {
			return 0, false
		}
	}
	v := c.values[row]
	return v, !value.IsStaleNaN(v)
}

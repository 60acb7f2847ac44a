package rule

import (
	"cmp"
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// scale is how observations are taken to lie in a bucket.
type scale uint8

const (
	linear      scale = iota // classic and custom buckets
	logarithmic              // those of native histograms, but for the one around zero
)

// natives tells what each series is of a native histogram, worked out at the first call; nil if none is part of one.
func (t *table) natives() []frame.Part {
	if t.parted {
		return t.parts
	}
	t.parted = true
	name, ok := t.series.Find(frame.PartLabel)
	if !ok {
		return nil
	}
	t.parts = make([]frame.Part, t.series.Len())
	t.column = t.series.Column(name, t.column)
	for i, value := range t.column {
		if p, ok := frame.ParsePart(t.textOf(value)); ok {
			t.parts[i] = p
		}
	}
	return t.parts
}

// cell is one number of a native histogram.
type cell struct {
	group int
	part  frame.Part
	value float64
}

// join adds up the native histograms of each group, over the cells of all.
func join(cells []cell, into []Histogram) {
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Compare(a.group, b.group) })
	for len(cells) > 0 {
		n := 1
		for n < len(cells) && cells[n].group == cells[0].group {
			n++
		}
		into[cells[0].group].join(cells[:n])
		cells = cells[n:]
	}
}

// join makes the buckets out of the cells of native histograms.
func (h *Histogram) join(cells []cell) {
	custom, exponential := false, false
	observations := 0.0
	for _, c := range cells {
		custom = custom || c.part.Grid.Schema == frame.CustomSchema
		exponential = exponential || c.part.Grid.Schema != frame.CustomSchema
		switch c.part.Piece {
		case frame.Observations:
			observations += c.value
		case frame.Sum:
			h.nan = h.nan || math.IsNaN(c.value)
		}
	}
	if h.Mixed = custom && exponential || len(h.Buckets) > 0; h.Mixed {
		h.Buckets = h.Buckets[:0]
		return
	}
	if custom {
		h.joinCustom(cells)
		return
	}
	h.scale = logarithmic
	h.joinExponential(cells)
	total := 0.0
	if n := len(h.Buckets); n > 0 {
		total = h.Buckets[n-1].Count
	}
	if h.nan { // they are in no bucket
		total = max(total, observations)
	}
	h.Buckets = append(h.Buckets, Bucket{math.Inf(1), total})
}

// joinCustom adds up custom buckets. Where histograms have different bounds, those count that all have.
func (h *Histogram) joinCustom(cells []cell) {
	slices.SortFunc(cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.part.Piece, b.part.Piece), cmp.Compare(a.part.Upper, b.part.Upper), cmp.Compare(a.part.Grid.Bounds, b.part.Grid.Bounds))
	})
	for len(cells) > 0 && cells[0].part.Piece != frame.Custom {
		cells = cells[1:]
	}
	// Each grid has a bucket for +Inf, so those that come last say how many grids there are.
	gridsAt := func(at int) (n, next int) {
		for next = at; next < len(cells) && cells[next].part.Upper == cells[at].part.Upper; next++ {
			if next == at || cells[next].part.Grid != cells[next-1].part.Grid {
				n++
			}
		}
		return n, next
	}
	all, last := 0, len(cells)
	for last > 0 && math.IsInf(cells[last-1].part.Upper, 1) {
		last--
	}
	if last < len(cells) {
		all, _ = gridsAt(last)
	}
	count := 0.0
	for at := 0; at < len(cells); {
		n, next := gridsAt(at)
		for _, c := range cells[at:next] {
			count += positive(c.value)
		}
		if n == all {
			h.Buckets = append(h.Buckets, Bucket{cells[at].part.Upper, count})
		}
		at = next
	}
}

// joinExponential adds up exponential buckets and the ones around zero.
func (h *Histogram) joinExponential(cells []cell) {
	schema := int32(8)
	for _, c := range cells {
		schema = min(schema, c.part.Grid.Schema)
	}
	threshold := zeroThreshold(cells)
	zero, below, above := 0.0, false, false
	kept := cells[:0]
	for _, c := range cells {
		p := &c.part
		v := positive(c.value)
		switch {
		case v == 0 || p.Piece == frame.Observations || p.Piece == frame.Sum:
		case p.Piece == frame.Zero, frame.Bound(p.Grid.Schema, p.Index) <= threshold:
			zero += v
		default:
			p.Index = frame.Coarser(p.Index, p.Grid.Schema, schema)
			below, above = below || p.Piece == frame.Negative, above || p.Piece == frame.Positive
			kept = append(kept, cell{part: *p, value: v})
		}
	}
	slices.SortFunc(kept, func(a, b cell) int { // from the lowest negative bucket to the highest positive one
		if a.part.Piece != b.part.Piece {
			return cmp.Compare(b.part.Piece, a.part.Piece)
		}
		if a.part.Piece == frame.Negative {
			return cmp.Compare(b.part.Index, a.part.Index)
		}
		return cmp.Compare(a.part.Index, b.part.Index)
	})
	at := 0
	for ; at < len(kept) && kept[at].part.Piece == frame.Negative; at++ {
		i := kept[at].part.Index
		h.add(-frame.Bound(schema, i), -max(frame.Bound(schema, i-1), threshold), kept[at].value)
	}
	if zero > 0 {
		low, high := -threshold, threshold
		if above && !below {
			low = 0
		}
		if below && !above {
			high = 0
		}
		h.add(low, high, zero)
	}
	for ; at < len(kept); at++ {
		i := kept[at].part.Index
		h.add(max(frame.Bound(schema, i-1), threshold), frame.Bound(schema, i), kept[at].value)
	}
}

// zeroThreshold is that of the sum: the widest zero bucket of all, and no populated bucket of the others lies across its
// end.
func zeroThreshold(cells []cell) float64 {
	threshold := 0.0
	for _, c := range cells {
		threshold = max(threshold, c.part.Grid.Threshold)
	}
	for changed := true; changed; {
		changed = false
		for _, c := range cells {
			p := &c.part
			if (p.Piece != frame.Positive && p.Piece != frame.Negative) || !(c.value > 0) || p.Grid.Threshold == threshold {
				continue
			}
			if upper := frame.Bound(p.Grid.Schema, p.Index); upper > threshold && frame.Bound(p.Grid.Schema, p.Index-1) < threshold {
				threshold, changed = upper, true
			}
		}
	}
	return threshold
}

// positive is a count, 0 for what is none.
func positive(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return v
}

// add appends what lies in (low, high], which is above all that was added, or in the bucket that was added last.
func (h *Histogram) add(low, high, count float64) {
	n := len(h.Buckets)
	if n > 1 && h.Buckets[n-1].Upper == high && h.Buckets[n-2].Upper == low {
		h.Buckets[n-1].Count += count
		return
	}
	total := 0.0
	if n > 0 {
		total = h.Buckets[n-1].Count
	}
	if n == 0 || h.Buckets[n-1].Upper != low {
		h.Buckets = append(h.Buckets, Bucket{low, total})
	}
	h.Buckets = append(h.Buckets, Bucket{high, total + count})
}

// nativeQuantile is histogram_quantile of a native histogram: from the lower half of the observations it counts upwards,
// in the upper half downwards, which matters where empty buckets lie at the quantile. 0 ≤ q ≤ 1, and there are
// observations.
func (h *Histogram) nativeQuantile(q float64) float64 {
	buckets := h.Buckets
	if h.scale == logarithmic {
		buckets = buckets[:len(buckets)-1] // the one for +Inf has what is no number
	}
	total := h.Count()
	below := func(at int) float64 {
		if at == 0 {
			return 0
		}
		return buckets[at-1].Count
	}
	at, fraction := -1, 0.0
	if h.nan || q < 0.5 {
		rank := q * total
		for i := range buckets {
			if count := buckets[i].Count - below(i); count > 0 && (at < 0 || buckets[at].Count < rank) {
				at, fraction = i, (rank-below(i))/count
			}
		}
		if at < 0 || buckets[at].Count < rank {
			return math.NaN()
		}
	} else {
		rank := (1 - q) * total
		for i := range slices.Backward(buckets) {
			if count := buckets[i].Count - below(i); count > 0 && (at < 0 || total-below(at) < rank) {
				at, fraction = i, (total-below(i)-rank)/count
			}
		}
	}
	low := math.Inf(-1)
	if at > 0 {
		low = buckets[at-1].Upper
	} else if buckets[0].Upper > 0 {
		low = 0
	}
	switch high := buckets[at].Upper; {
	case h.scale == linear && math.IsInf(high, 1):
		return low
	case math.IsInf(low, -1) && h.scale == linear:
		return high
	default:
		return h.scale.at(low, high, fraction)
	}
}

// at is the value that a share of the observations of the bucket (low, high] lies below.
func (s scale) at(low, high, share float64) float64 {
	switch {
	case s == linear || low <= 0 && high >= 0:
		return low + (high-low)*share
	case low > 0:
		return math.Exp2(math.Log2(low) + (math.Log2(high)-math.Log2(low))*share)
	}
	return -math.Exp2(math.Log2(-high) + (math.Log2(-low)-math.Log2(-high))*(1-share))
}

// share is which share of the observations of the bucket (low, high] lies below v, which is in it.
func (s scale) share(low, high, v float64) float64 {
	switch {
	case s == linear || low <= 0 && high >= 0:
		return (v - low) / (high - low)
	case low > 0:
		return math.Log2(v/low) / math.Log2(high/low)
	}
	return 1 - math.Log2(v/high)/math.Log2(low/high)
}

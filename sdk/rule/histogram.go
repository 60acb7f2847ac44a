package rule

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Bucket is one bucket of a histogram: how many observations were at most Upper.
type Bucket struct{ Upper, Count float64 }

// Histogram is a histogram: cumulative buckets in ascending order, the last one for +Inf. Those of a native histogram
// begin with the lower bound of the lowest bucket that is not empty, and have one for +Inf too.
type Histogram struct {
	Buckets []Bucket
	Listed  bool // the input lists at least one of its series, with or without a value: others of the group are gone
	Missing bool // the target of one of its series did not answer: what it would add is not known
	Native  bool // it is a native histogram: Quantile and Share interpolate as is right for those
	Mixed   bool // its series cannot be added up: classic and native ones, or custom and exponential buckets. There are no buckets

	scale scale
	nan   bool // there were observations that are no number
}

// Histograms adds up the series of each group to a histogram. The input selects series like
// http_request_duration_seconds_bucket, or native histograms by their name, http_request_duration_seconds; usually with
// reduce:"increase", so that a histogram says what happened during the window. The label "le" is the upper bound of a
// classic bucket, [frame.PartLabel] says what a series is of its native histogram; neither must be one of the labels of
// the groups. Series with neither, or without a value, are left out. It reuses the memory of into.
//
// Buckets with the same bound are added up, as sum by (le) does, and made to ascend, as histogram_quantile does:
// scrapes are not atomic, and a bucket that has less than the one below it gets as much. Native histograms are added up
// as sum does: in the coarsest of their schemas, with the widest of their zero buckets.
func (in *Input) Histograms(g Groups, into []Histogram) []Histogram {
	if cap(into) < g.Len() {
		into = append(into[:cap(into)], make([]Histogram, g.Len()-cap(into))...)
	}
	into = into[:g.Len()]
	for i := range into {
		into[i] = Histogram{Buckets: into[i].Buckets[:0]}
	}
	bounds, parts := in.table.bounds(), in.table.natives()
	cells := in.table.cells[:0]
	for i := range in.Len() {
		group, series := g.Of(i), in.in.Series[i]
		h := &into[group]
		h.Listed = true
		h.Missing = h.Missing || in.in.Flags[i]&abi.FlagMissing != 0
		v, ok := in.Value(i)
		switch {
		case !ok:
		case parts != nil && parts[series].Piece != 0:
			h.Native = true
			cells = append(cells, cell{group, parts[series], v})
		case !math.IsNaN(bounds[series]) && !math.IsNaN(v):
			h.Buckets = append(h.Buckets, Bucket{bounds[series], v})
		}
	}
	in.table.cells = cells
	for i := range into {
		if !into[i].Native {
			into[i].repair()
		}
	}
	join(cells, into)
	return into
}

// NewHistogram makes a histogram of buckets in any order, which it sorts, adds up and makes to ascend in place.
func NewHistogram(buckets []Bucket) Histogram {
	h := Histogram{Buckets: buckets}
	h.repair()
	return h
}

// repair sorts the buckets, adds up those with the same bound and makes the counts ascend.
func (h *Histogram) repair() {
	slices.SortFunc(h.Buckets, func(a, b Bucket) int { return cmp.Compare(a.Upper, b.Upper) })
	kept := h.Buckets[:0]
	for _, b := range h.Buckets {
		if n := len(kept); n > 0 && kept[n-1].Upper == b.Upper {
			kept[n-1].Count += b.Count
		} else {
			kept = append(kept, b)
		}
	}
	// A difference of a few bits is none: rates of the same counter come out slightly different.
	const tolerance = 1e-12
	for i := range kept[:max(0, len(kept)-1)] {
		below, count := kept[i].Count, &kept[i+1].Count
		if !(*count-below > tolerance*(math.Abs(*count)+math.Abs(below))) {
			*count = below
		}
	}
	h.Buckets = kept
}

// Count is the number of observations, NaN without a bucket for +Inf.
func (h Histogram) Count() float64 {
	n := len(h.Buckets)
	if n == 0 || !math.IsInf(h.Buckets[n-1].Upper, 1) {
		return math.NaN()
	}
	return h.Buckets[n-1].Count
}

// Quantile estimates below which value the share q of the observations lies, as histogram_quantile of PromQL does
// (https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile): linear inside the bucket that
// holds it, from 0 in the lowest one if its bound is positive. In the bucket for +Inf it is the bound below, in a lowest
// bucket that is not positive its bound. It is NaN for a q that is NaN, without observations, without a bucket for +Inf
// or with no other, -Inf for q < 0 and +Inf for q > 1.
//
// In a native histogram it is on a logarithmic scale inside the bucket, and NaN if it is among observations that are NaN.
func (h Histogram) Quantile(q float64) float64 {
	switch {
	case math.IsNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(1)
	}
	observations, last := h.Count(), len(h.Buckets)-1
	if !(observations > 0) || last < 1 {
		return math.NaN()
	}
	if h.Native {
		return h.nativeQuantile(q)
	}
	rank := q * observations
	at := 0
	for at < last && h.Buckets[at].Count < rank {
		at++
	}
	low, below := h.floor(at)
	switch {
	case at == last:
		return h.Buckets[last-1].Upper
	case math.IsInf(low, -1):
		return h.Buckets[0].Upper
	}
	b := h.Buckets[at]
	return low + (b.Upper-low)*((rank-below)/(b.Count-below))
}

// floor is the lower bound of a bucket and how many observations lie below it.
func (h Histogram) floor(at int) (low, below float64) {
	switch {
	case at > 0:
		return h.Buckets[at-1].Upper, h.Buckets[at-1].Count
	case h.Buckets[0].Upper > 0 && h.scale == linear:
		return 0, 0
	}
	return math.Inf(-1), 0
}

// Share estimates which share of the observations is at most upper, the reverse of Quantile and the same as
// histogram_fraction(-Inf, upper, …) of PromQL: exact for the bound of a bucket, as in Quantile between. Observations above the
// highest bound are never at most a finite value. NaN without observations, or without a bucket for +Inf.
func (h Histogram) Share(upper float64) float64 {
	observations := h.Count()
	if !(observations > 0) || math.IsNaN(upper) {
		return math.NaN()
	}
	for at, b := range h.Buckets {
		low, below := h.floor(at)
		switch {
		case upper >= b.Upper:
			continue
		case upper <= low:
			return below / observations
		case math.IsInf(low, -1):
			return b.Count / observations
		case math.IsInf(b.Upper, 1):
			return below / observations
		}
		return (below + (b.Count-below)*h.scale.share(low, b.Upper, upper)) / observations
	}
	return 1
}

// bounds are the upper bounds of the series as buckets, NaN where they are not, worked out at the first call.
func (t *table) bounds() []float64 {
	if t.upper != nil || t.series.Len() == 0 {
		return t.upper
	}
	t.upper = make([]float64, t.series.Len())
	name, ok := t.series.Find("le")
	if !ok {
		name = abi.NoIndex
	}
	read := make([]float64, t.series.Strings())
	known := make([]bool, t.series.Strings())
	t.column = t.series.Column(name, t.column)
	for i, value := range t.column {
		if value == abi.NoIndex {
			t.upper[i] = math.NaN()
			continue
		}
		if !known[value] {
			known[value] = true
			v, err := strconv.ParseFloat(t.series.Text(value), 64)
			if err != nil {
				v = math.NaN()
			}
			read[value] = v
		}
		t.upper[i] = read[value]
	}
	return t.upper
}

package rehearsal

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// parts are the columns of a series of native histograms, nil where there is none, as a source exposes them: see
// [frame.PartLabel]. A bucket that is empty is not exposed.
func (e exposed) parts(natives []*histogram.FloatHistogram) (all []exposed) {
	index := make(map[frame.Part]int)
	for i, h := range natives {
		if h == nil {
			continue
		}
		kind := frame.Histogram
		if h.CounterResetHint == histogram.GaugeType {
			kind = frame.Gauge
		}
		for part, v := range partsOf(h) {
			at, ok := index[part]
			if !ok {
				at = len(all)
				index[part] = at
				labels := e.Labels.With(frame.Label{Name: frame.PartLabel, Value: part.String()})
				all = append(all, exposed{Series: frame.Series{Labels: labels, Kind: kind}, interval: e.interval, values: slices.Clone(e.values)})
				for k := range all[at].values {
					all[at].values[k] = math.Float64frombits(value.StaleNaN)
				}
			}
			all[at].values[i] = v
		}
	}
	return all
}

// partsOf ranges over the numbers of a histogram.
func partsOf(h *histogram.FloatHistogram) func(yield func(frame.Part, float64) bool) {
	grid := frame.Grid{Schema: h.Schema, Threshold: h.ZeroThreshold}
	if h.UsesCustomBuckets() {
		grid = frame.CustomGrid(h.CustomValues)
	}
	return func(yield func(frame.Part, float64) bool) {
		if !yield(frame.Part{Grid: grid, Piece: frame.Observations}, h.Count) || !yield(frame.Part{Grid: grid, Piece: frame.Sum}, h.Sum) {
			return
		}
		if h.UsesCustomBuckets() {
			counts := make([]float64, len(h.CustomValues)+1)
			for it := h.PositiveBucketIterator(); it.Next(); {
				counts[it.At().Index] = it.At().Count
			}
			for i, upper := range append(slices.Clone(h.CustomValues), math.Inf(1)) {
				if !yield(frame.Part{Grid: grid, Piece: frame.Custom, Upper: upper}, counts[i]) {
					return
				}
			}
			return
		}
		if !yield(frame.Part{Grid: grid, Piece: frame.Zero}, h.ZeroCount) {
			return
		}
		for it := h.PositiveBucketIterator(); it.Next(); {
			if b := it.At(); b.Count != 0 && !yield(frame.Part{Grid: grid, Piece: frame.Positive, Index: b.Index}, b.Count) {
				return
			}
		}
		for it := h.NegativeBucketIterator(); it.Next(); {
			if b := it.At(); b.Count != 0 && !yield(frame.Part{Grid: grid, Piece: frame.Negative, Index: b.Index}, b.Count) {
				return
			}
		}
	}
}

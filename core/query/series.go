package query

import (
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// seriesSet is the series of one input of a window. It implements [storage.SeriesSet] on the window's own memory.
type seriesSet struct {
	series []series
	at     int // of the current series, plus one
}

// newSeriesSet lists the series of an input that have samples; names are those of the dictionary.
func newSeriesSet(in *abi.Input, names *names, sorted bool) *seriesSet {
	set := &seriesSet{series: make([]series, 0, len(in.Series))}
	var natives assembly
	for i, index := range in.Series {
		span, ref := in.Spans[i], in.TimeRef[i]
		if span.Count == 0 {
			continue
		}
		s := series{
			labels: names.labels[index],
			times:  in.Times[ref : ref+span.Count],
			values: in.Values[span.Start : span.Start+span.Count],
		}
		if part, ok := names.part(index); ok {
			natives.add(part, s)
			continue
		}
		set.series = append(set.series, s)
	}
	set.series = natives.join(set.series)
	if sorted {
		slices.SortFunc(set.series, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
	}
	return set
}

// Next implements [storage.SeriesSet].
func (s *seriesSet) Next() bool {
	s.at++
	return s.at <= len(s.series)
}

// At implements [storage.SeriesSet].
func (s *seriesSet) At() storage.Series { return &s.series[s.at-1] }

// Err implements [storage.SeriesSet].
func (s *seriesSet) Err() error { return nil }

// Warnings implements [storage.SeriesSet].
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// series is one series with its samples. It implements [storage.Series].
type series struct {
	labels labels.Labels
	times  []int64 // Unix milliseconds
	values []float64
	grids  []*grid // which of its samples are native histograms, nil for others; nil if none is
}

// Labels implements [storage.Series].
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements [storage.Series]. It reuses the given one if it can.
func (s *series) Iterator(reuse chunkenc.Iterator) chunkenc.Iterator {
	it, ok := reuse.(*iterator)
	if !ok {
		it = new(iterator)
	}
	*it = iterator{series: s}
	return it
}

// millis is Unix milliseconds. It has a name because go vet takes a method Seek(int64) for a broken io.Seeker.
type millis = int64

// iterator walks the samples of a series. It implements [chunkenc.Iterator].
type iterator struct {
	*series
	next int // index after that of the current sample
}

// Next implements [chunkenc.Iterator].
func (it *iterator) Next() chunkenc.ValueType {
	if it.next >= len(it.times) {
		it.next = len(it.times) + 1
		return chunkenc.ValNone
	}
	it.next++
	return it.kind()
}

// kind is that of the current sample.
func (it *iterator) kind() chunkenc.ValueType {
	if it.grids != nil && it.grids[it.next-1] != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// Seek implements [chunkenc.Iterator].
func (it *iterator) Seek(t millis) chunkenc.ValueType {
	from := max(it.next-1, 0)
	if from >= len(it.times) {
		return chunkenc.ValNone
	}
	if it.next > 0 && it.times[from] >= t {
		return it.kind()
	}
	rest := it.times[from:]
	it.next = from + sort.Search(len(rest), func(i int) bool { return rest[i] >= t })
	return it.Next()
}

// At implements [chunkenc.Iterator].
func (it *iterator) At() (int64, float64) { return it.times[it.next-1], it.values[it.next-1] }

// AtT implements [chunkenc.Iterator].
func (it *iterator) AtT() int64 { return it.times[it.next-1] }

// AtST implements [chunkenc.Iterator]: start timestamps are not kept.
func (it *iterator) AtST() int64 { return 0 }

// AtHistogram implements [chunkenc.Iterator]: all histograms are float histograms.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) { return 0, nil }

// AtFloatHistogram implements [chunkenc.Iterator]. It reuses the memory of the given histogram.
func (it *iterator) AtFloatHistogram(reuse *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	t := it.AtT()
	return t, it.grids[it.next-1].at(t, reuse)
}

// Err implements [chunkenc.Iterator].
func (it *iterator) Err() error { return nil }

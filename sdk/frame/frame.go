// Package frame is the shape that samples have all the way from a scrape to a rule: a row of values whose columns
// are named by a layout.
//
// A [Layout] is sent, bound and relabelled once; a [Frame] is what changes every few seconds. Everything between
// a source and a rule works on layouts when they change and on plain float64 rows otherwise.
package frame

import (
	"errors"
	"slices"
	"strconv"
)

// Kind is what the exposition said about a series. It informs, nothing is computed from it.
type Kind uint8

// The kinds of the OpenMetrics and Prometheus formats. The parts of a classic histogram or summary
// (_bucket, _sum, _count) are series of their own and carry the kind of their family.
const (
	Untyped Kind = iota
	Counter
	Gauge
	Histogram
	Summary
	Info
	StateSet
)

// Series names one column.
type Series struct {
	Labels Labels
	Kind   Kind
}

// Layout names the columns of a row. It is immutable once published: a changed page gets a new layout.
type Layout struct {
	Series []Series
}

// Frame is one collection of one target.
type Frame struct {
	Layout *Layout
	Time   int64     // Unix milliseconds, shared by all values that have no time of their own
	Values []float64 // one for each series of the layout
	Times  []int64   // Unix milliseconds for each value; nil when all share Time
}

// Check tells whether the row fits its layout.
func (f *Frame) Check() error {
	switch {
	case f.Layout == nil:
		return errors.New("frame has no layout")
	case len(f.Values) != len(f.Layout.Series):
		return errors.New("frame has " + strconv.Itoa(len(f.Values)) + " values for " + strconv.Itoa(len(f.Layout.Series)) + " series")
	case f.Times != nil && len(f.Times) != len(f.Values):
		return errors.New("frame has " + strconv.Itoa(len(f.Times)) + " times for " + strconv.Itoa(len(f.Values)) + " values")
	}
	return nil
}

// Equal tells whether both layouts have the same columns in the same order.
func (l *Layout) Equal(other *Layout) bool {
	return l == other || l != nil && other != nil && slices.EqualFunc(l.Series, other.Series, func(a, b Series) bool {
		return a.Kind == b.Kind && a.Labels.Equal(b.Labels)
	})
}

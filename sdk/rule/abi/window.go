// Package abi is the byte layout that a rule module and the engine share, with codecs for both sides.
//
// Everything is little-endian, offsets are u32 relative to the start of a block, arrays are aligned to their element.
package abi

import "github.com/tocsinhq/tocsin/sdk/frame"

// Reduce says whether an input carries raw samples or one value a series, computed by the engine.
type Reduce uint16

// The reductions, with their numbers on the wire.
const (
	Raw Reduce = iota
	Last
	Increase
	Rate
	Delta
	Avg
	Min
	Max
	Sum
	Count
	Stddev
	Quantile
)

// Flags of one series in a window (bits of Input.Flags).
const (
	FlagNew       uint8 = 1  // was not in the previous window
	FlagEnded     uint8 = 2  // stale: a later scrape of its target did not have it, or failed
	FlagCounter   uint8 = 4  // exposed as a counter
	FlagReset     uint8 = 8  // fell inside the window
	FlagTruncated uint8 = 16 // samples were left out for a limit
	FlagMissing   uint8 = 32 // its target did not answer this round
	FlagBorn      uint8 = 64 // began inside the window while its target was being scraped: counts from 0
)

// Flags of a window (bits of Window.Flags).
const (
	WindowFirst         uint32 = 1 // the first after start
	WindowSeriesChanged uint32 = 2
	WindowReplay        uint32 = 4
	WindowMissing       uint32 = 8 // some targets did not answer
)

// Span locates the samples of one series in Input.Values.
type Span struct{ Start, Count uint32 }

// Input is one input of a window: columns, ordered by series. With a reduction each series has one value or none.
type Input struct {
	Series  []uint32  // index into the dictionary
	Spans   []Span    // where the values of each series lie
	TimeRef []uint32  // the timestamp of Values[Start+k] is Times[TimeRef+k]
	Flags   []uint8   // Flag bits of each series
	Times   []int64   // Unix milliseconds; runs shared by the series of one target
	Values  []float64 // never NaN because a sample is missing: a hole gives the series a run of its own

	Start, End      int64 // Unix milliseconds, (Start, End]
	TargetsExpected uint32
	TargetsAnswered uint32
	Reduce          Reduce
	ReduceArg       float64
}

// Window is what one evaluation sees.
type Window struct {
	Flags      uint32
	Sequence   uint64 // of evaluations of this rule
	Time       int64  // of the evaluation, Unix milliseconds
	Generation uint64 // of the dictionary
	IntervalMS uint32
	Inputs     []Input
}

// Dictionary names the series that windows of one generation refer to by index.
type Dictionary struct {
	Generation uint64
	Series     []frame.Series
}

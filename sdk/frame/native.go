package frame

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
)

// PartLabel tells the columns of a native histogram apart.
//
// A native histogram is no value, so it is not one column: it is as many as it has numbers, the count of its
// observations, their sum, and of each bucket that has observations how many fell into it, not added up. They have the
// labels of the histogram and, in this one, a [Part]:
//
//	{__name__="latency_seconds", __histogram__="3/1e-128 count"}  412
//	{__name__="latency_seconds", __histogram__="3/1e-128 sum"}    38.5
//	{__name__="latency_seconds", __histogram__="3/1e-128 zero"}   0
//	{__name__="latency_seconds", __histogram__="3/1e-128 p-10"}   399
//	{__name__="latency_seconds", __histogram__="3/1e-128 p2"}     13
//
// Why not one column of a richer type: this way all that works on columns works on histograms, and nothing that works
// on numbers gets slower. Why the buckets are not added up, as those of classic histograms are: a bucket that gets its
// first observation begins at 0 then, whatever lies below it.
//
// The columns of a histogram come together in a row, count first; a bucket without a column is empty. Their kind is
// [Histogram] if the histogram only grows, [Gauge] if it is a gauge. Histograms with custom buckets have a column for
// each bucket, empty ones too: those are where their bounds are.
const PartLabel = "__histogram__"

// CustomSchema is the schema of histograms whose buckets have bounds of their own, as in Prometheus.
const CustomSchema = -53

// Grid says where the buckets of a native histogram lie. Histograms of the same grid can be added bucket by bucket; one
// that changes its grid has other columns from then on.
type Grid struct {
	Schema    int32   // -4 to 8: bucket i is (2^((i-1)/2^Schema), 2^(i/2^Schema)]. Or CustomSchema
	Threshold float64 // the zero bucket is [-Threshold, Threshold]
	Bounds    uint32  // of CustomSchema: tells bounds from others
}

// CustomGrid is the grid of custom buckets with these upper bounds; that of the last bucket, +Inf, is not among them.
func CustomGrid(bounds []float64) Grid {
	h := fnv.New32a()
	for _, b := range bounds {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(b)))
	}
	return Grid{Schema: CustomSchema, Bounds: h.Sum32()}
}

// Piece is what a part holds of its histogram.
type Piece uint8

// The pieces of a native histogram.
const (
	Observations Piece = iota + 1 // how many there were, NaN among them
	Sum                           // of the observations
	Zero                          // how many fell into the zero bucket
	Positive                      // into bucket Index
	Negative                      // into the mirror of bucket Index
	Custom                        // into the custom bucket up to Upper
)

// Part is one number of a native histogram.
type Part struct {
	Grid  Grid
	Piece Piece
	Index int32   // of Positive and Negative
	Upper float64 // of Custom
}

// String is the value of [PartLabel].
func (p Part) String() string { return string(p.Append(nil)) }

// Append appends the value of [PartLabel].
func (p Part) Append(b []byte) []byte {
	if p.Grid.Schema == CustomSchema {
		b = append(b, "custom/"...)
		b = strconv.AppendUint(b, uint64(p.Grid.Bounds), 16)
	} else {
		b = strconv.AppendInt(b, int64(p.Grid.Schema), 10)
		b = append(b, '/')
		b = strconv.AppendFloat(b, p.Grid.Threshold, 'g', -1, 64)
	}
	b = append(b, ' ')
	switch p.Piece {
	case Observations:
		return append(b, "count"...)
	case Sum:
		return append(b, "sum"...)
	case Zero:
		return append(b, "zero"...)
	case Positive:
		return strconv.AppendInt(append(b, 'p'), int64(p.Index), 10)
	case Negative:
		return strconv.AppendInt(append(b, 'n'), int64(p.Index), 10)
	default:
		return strconv.AppendFloat(append(b, "le"...), p.Upper, 'g', -1, 64)
	}
}

// ParsePart reads the value of a [PartLabel], false if it is none.
func ParsePart(text string) (Part, bool) {
	grid, piece, ok := strings.Cut(text, " ")
	if !ok {
		return Part{}, false
	}
	var p Part
	if p.Grid, ok = parseGrid(grid); !ok {
		return Part{}, false
	}
	custom := p.Grid.Schema == CustomSchema
	switch piece {
	case "count":
		p.Piece = Observations
		return p, true
	case "sum":
		p.Piece = Sum
		return p, true
	case "zero":
		p.Piece = Zero
		return p, !custom
	}
	if bound, ok := strings.CutPrefix(piece, "le"); ok {
		upper, err := strconv.ParseFloat(bound, 64)
		p.Piece, p.Upper = Custom, upper
		return p, custom && err == nil && !math.IsNaN(upper)
	}
	if piece == "" || custom {
		return Part{}, false
	}
	index, err := strconv.ParseInt(piece[1:], 10, 32)
	p.Piece, p.Index = Positive, int32(index)
	if piece[0] == 'n' {
		p.Piece = Negative
	}
	return p, err == nil && (piece[0] == 'n' || piece[0] == 'p')
}

func parseGrid(text string) (Grid, bool) {
	schema, rest, ok := strings.Cut(text, "/")
	if !ok {
		return Grid{}, false
	}
	if schema == "custom" {
		bounds, err := strconv.ParseUint(rest, 16, 32)
		return Grid{Schema: CustomSchema, Bounds: uint32(bounds)}, err == nil
	}
	n, err := strconv.ParseInt(schema, 10, 8)
	if err != nil || n < -4 || n > 8 {
		return Grid{}, false
	}
	threshold, err := strconv.ParseFloat(rest, 64)
	return Grid{Schema: int32(n), Threshold: threshold}, err == nil && threshold >= 0 && !math.IsInf(threshold, 1)
}

// Bound is the upper bound of bucket i of a schema that is not custom, and the lower bound of bucket i+1.
//
// The bucket below that of +Inf ends with the greatest number that there is, as in Prometheus.
func Bound(schema, i int32) float64 {
	fraction, exponent := 0.0, int64(i)
	if schema > 0 {
		width := int64(1) << schema
		exponent = int64(i) >> schema
		fraction = float64(int64(i)-exponent*width) / float64(width)
	} else {
		exponent <<= -schema
	}
	if fraction == 0 && exponent == 1024 {
		return math.MaxFloat64
	}
	return math.Ldexp(math.Exp2(fraction), int(max(min(exponent, 2000), -2000)))
}

// Coarser is the bucket of a coarser schema that bucket i lies in.
func Coarser(i, schema, coarser int32) int32 { return int32((int64(i)-1)>>(schema-coarser) + 1) }

package capture

import (
	"encoding/binary"
	"math"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// appendText writes a text with its length. Longer ones than a reader takes are cut off: they are addresses and reasons,
// for labels see fits.
func appendText(b []byte, text string) []byte {
	text = text[:min(len(text), maxText)]
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// fits tells whether a reader will take a layout.
func fits(layout *frame.Layout) bool {
	size := 0
	for _, s := range layout.Series {
		size += 2 * binary.MaxVarintLen64 // its kind and value
		for _, l := range s.Labels {
			if len(l.Name) > maxText || len(l.Value) > maxText {
				return false
			}
			size += len(l.Name) + len(l.Value) + 2*binary.MaxVarintLen16
		}
	}
	return size <= maxBlock-blockSize && len(layout.Series) <= maxColumns
}

// appendLayout writes a layout as runs of columns of the old one and new columns between them. places says where in the
// old layout each column was, -1 for nowhere.
func appendLayout(b []byte, layout *frame.Layout, places []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(places)))
	for i := 0; i < len(places); {
		run := i + 1
		if places[i] >= 0 {
			for run < len(places) && places[run] == places[run-1]+1 {
				run++
			}
			b = binary.AppendUvarint(b, uint64(run-i)<<1)
			b = binary.AppendUvarint(b, uint64(places[i]))
			i = run
			continue
		}
		for run < len(places) && places[run] < 0 {
			run++
		}
		b = binary.AppendUvarint(b, uint64(run-i)<<1|1)
		for _, s := range layout.Series[i:run] {
			b = append(b, byte(s.Kind))
			b = binary.AppendUvarint(b, uint64(len(s.Labels)))
			for _, l := range s.Labels {
				b = appendText(appendText(b, l.Name), l.Value)
			}
		}
		i = run
	}
	return b
}

// placesIn finds the columns of a layout in an older one.
func placesIn(old, layout *frame.Layout) []int {
	places := make([]int, len(layout.Series))
	index := make(map[uint64]int, len(old.Series))
	for i := range old.Series {
		index[old.Series[i].Labels.Hash()] = i
	}
	for i := range layout.Series {
		places[i] = -1
		s := &layout.Series[i]
		next := 0 // most columns follow the one before
		if i > 0 && places[i-1] >= 0 {
			next = places[i-1] + 1
		}
		if next < len(old.Series) && same(s, &old.Series[next]) {
			places[i] = next
		} else if at, ok := index[s.Labels.Hash()]; ok && same(s, &old.Series[at]) {
			places[i] = at
		}
	}
	return places
}

func same(a, b *frame.Series) bool { return a.Kind == b.Kind && a.Labels.Equal(b.Labels) }

// moved are the values of before, where their columns are now; 0 for new columns.
func moved(before []float64, places []int) []float64 {
	values := make([]float64, len(places))
	for i, at := range places {
		if at >= 0 {
			values[i] = before[at]
		}
	}
	return values
}

// appendValues writes what differs between two rows: how many, and for each how many columns to step over, and the
// difference: of whole numbers their difference, of others the XOR of their bits.
func appendValues(b []byte, before, values []float64) []byte {
	count := 0
	for i, v := range values {
		if math.Float64bits(v) != math.Float64bits(before[i]) {
			count++
		}
	}
	b = binary.AppendUvarint(b, uint64(count))
	last := -1
	for i, v := range values {
		old := before[i]
		if math.Float64bits(v) == math.Float64bits(old) {
			continue
		}
		step := uint64(i-last-1) << 1
		last = i
		if isWhole(v) && isWhole(old) {
			b = binary.AppendVarint(binary.AppendUvarint(b, step), int64(v)-int64(old))
			continue
		}
		b = binary.LittleEndian.AppendUint64(binary.AppendUvarint(b, step|1), math.Float64bits(v)^math.Float64bits(old))
	}
	return b
}

// isWhole tells whether a value is a whole number that its integer stands for exactly.
func isWhole(v float64) bool {
	const most = 1 << 53
	return v > -most && v < most && math.Float64bits(float64(int64(v))) == math.Float64bits(v) // not -0
}

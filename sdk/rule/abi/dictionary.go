package abi

import (
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

const (
	dictionaryMagic  = 0x31445354 // "TSD1"
	dictionaryHeader = 80
)

// Pair is one label of a series: indexes into the strings of its dictionary.
type Pair struct{ Name, Value uint32 }

// SeriesTable is a dictionary block as a guest reads it, in place: no string is copied, none is hashed.
//
// Series i has the labels Pairs[SeriesPairs[i]:SeriesPairs[i+1]], sorted by name.
type SeriesTable struct {
	Generation, Previous uint64
	Flags                uint32
	Pairs                []uint32 // name, value, name, value, …
	SeriesPairs          []uint32 // counted in pairs
	UID                  []uint64 // hash of the label set, see frame.Labels.Hash
	Remap                []uint32 // index in the previous generation or NoIndex
	Kind                 []uint8  // frame.Kind

	offsets []uint32
	bytes   []byte
}

// Len is the number of series.
func (t *SeriesTable) Len() int { return len(t.UID) }

// Strings is the number of different strings.
func (t *SeriesTable) Strings() int { return max(0, len(t.offsets)-1) }

// Text is string i. It is a view into the block.
func (t *SeriesTable) Text(i uint32) string {
	s, _ := text(t.bytes, t.offsets[i], t.offsets[i+1]-t.offsets[i])
	return s
}

// Find returns the index of s among the strings.
func (t *SeriesTable) Find(s string) (uint32, bool) {
	for i := range t.Strings() {
		if t.Text(uint32(i)) == s {
			return uint32(i), true
		}
	}
	return 0, false
}

// Value returns the index of the value that series i has for the label whose name is string name.
func (t *SeriesTable) Value(i int, name uint32) (uint32, bool) {
	for p := t.SeriesPairs[i]; p < t.SeriesPairs[i+1]; p++ {
		if t.Pairs[2*p] == name {
			return t.Pairs[2*p+1], true
		}
	}
	return 0, false
}

// Column returns, for each series, the index of the value that it has for the label whose name is string name, or
// NoIndex. It reuses the memory of into.
func (t *SeriesTable) Column(name uint32, into []uint32) []uint32 {
	n := t.Len()
	if cap(into) < n {
		into = make([]uint32, n)
	}
	into = into[:n]
	pairs, ends := t.Pairs, t.SeriesPairs
	guess := uint32(0) // where the label stood in the series before: labels are sorted, series are alike
	for i := range into {
		start, end := ends[i], ends[i+1]
		if p := start + guess; p < end && pairs[2*p] == name {
			into[i] = pairs[2*p+1]
			continue
		}
		into[i] = NoIndex
		for p := start; p < end; p++ {
			if pairs[2*p] == name {
				into[i], guess = pairs[2*p+1], p-start
				break
			}
		}
	}
	return into
}

// Labels returns a copy of the labels of series i.
func (t *SeriesTable) Labels(i int) frame.Labels {
	labels := make(frame.Labels, 0, t.SeriesPairs[i+1]-t.SeriesPairs[i])
	for p := t.SeriesPairs[i]; p < t.SeriesPairs[i+1]; p++ {
		labels = append(labels, frame.Label{Name: t.Text(t.Pairs[2*p]), Value: t.Text(t.Pairs[2*p+1])})
	}
	return labels
}

// EncodeDictionary writes d as a block. previous is the dictionary that the same rule was sent before, nil for none:
// it decides the append-only flag and the way from old to new indexes.
func EncodeDictionary(d, previous *Dictionary) ([]byte, error) {
	remap, flags := indexesBefore(d, previous)
	strings := make(map[string]uint32)
	var list []string
	intern := func(s string) uint32 {
		i, ok := strings[s]
		if !ok {
			i = uint32(len(list))
			strings[s] = i
			list = append(list, s)
		}
		return i
	}
	seriesPairs := make([]uint32, 1, len(d.Series)+1)
	uid := make([]uint64, len(d.Series))
	kind := make([]uint8, len(d.Series))
	var pairs []uint32
	for i, s := range d.Series {
		for _, l := range s.Labels {
			pairs = append(pairs, intern(l.Name), intern(l.Value))
		}
		seriesPairs = append(seriesPairs, uint32(len(pairs)/2))
		uid[i], kind[i] = s.Labels.Hash(), uint8(s.Kind)
	}
	offsets := make([]uint32, 1, len(list)+1)
	total := uint64(0)
	for _, s := range list {
		total += uint64(len(s))
		offsets = append(offsets, uint32(total))
	}

	l := layout{next: dictionaryHeader}
	uidAt := l.place(len(uid), 8)
	offsetsAt, pairsAt, seriesAt := l.place(len(offsets), 4), l.place(len(pairs), 4), l.place(len(seriesPairs), 4)
	remapAt, kindAt, bytesAt := l.place(len(remap), 4), l.place(len(kind), 1), l.place(int(total), 1)
	l.place(0, 8)
	if l.next > 1<<31 {
		return nil, malformed("a dictionary of " + strconv.FormatUint(l.next, 10) + " bytes")
	}
	block := make([]byte, l.next)
	le.PutUint32(block[0:], dictionaryMagic)
	le.PutUint16(block[4:], Major)
	le.PutUint16(block[6:], dictionaryHeader)
	le.PutUint32(block[8:], uint32(l.next))
	le.PutUint32(block[12:], flags)
	le.PutUint64(block[16:], d.Generation)
	if previous != nil {
		le.PutUint64(block[24:], previous.Generation)
	}
	for i, v := range []uint64{
		uint64(len(d.Series)), uint64(len(list)), uint64(len(pairs) / 2),
		offsetsAt, bytesAt, pairsAt, seriesAt, uidAt, remapAt, kindAt, total,
	} {
		le.PutUint32(block[32+4*i:], uint32(v))
	}
	putArray(block[offsetsAt:], offsets)
	putArray(block[pairsAt:], pairs)
	putArray(block[seriesAt:], seriesPairs)
	putArray(block[uidAt:], uid)
	putArray(block[remapAt:], remap)
	putArray(block[kindAt:], kind)
	for i, s := range list {
		copy(block[bytesAt+uint64(offsets[i]):], s)
	}
	return block, nil
}

// indexesBefore finds where each series stood in the previous dictionary.
func indexesBefore(d, previous *Dictionary) (remap []uint32, flags uint32) {
	remap, flags = make([]uint32, len(d.Series)), DictionaryFull
	if previous == nil {
		for i := range remap {
			remap[i] = NoIndex
		}
		return remap, flags
	}
	same := 0
	for same < len(d.Series) && same < len(previous.Series) && d.Series[same].Labels.Equal(previous.Series[same].Labels) {
		remap[same] = uint32(same)
		same++
	}
	if same == len(previous.Series) {
		flags |= DictionaryAppendOnly
	}
	var before map[uint64][]uint32
	for i := same; i < len(remap); i++ {
		remap[i] = NoIndex
		if same == len(previous.Series) {
			continue
		}
		if before == nil {
			before = make(map[uint64][]uint32, len(previous.Series)-same)
			for k := same; k < len(previous.Series); k++ {
				h := previous.Series[k].Labels.Hash()
				before[h] = append(before[h], uint32(k))
			}
		}
		for _, k := range before[d.Series[i].Labels.Hash()] {
			if previous.Series[k].Labels.Equal(d.Series[i].Labels) {
				remap[i] = k
			}
		}
	}
	return remap, flags
}

// DecodeDictionary reads a block. The table is a view: it is valid as long as block is not written.
// All indexes are checked, so that the accessors of the table cannot panic.
func DecodeDictionary(block []byte) (*SeriesTable, error) {
	if len(block) < dictionaryHeader || le.Uint32(block) != dictionaryMagic {
		return nil, malformed("not a dictionary")
	}
	if v := le.Uint16(block[4:]); v != Major {
		return nil, malformed("dictionary of version " + strconv.Itoa(int(v)))
	}
	total := le.Uint32(block[8:])
	if uint64(total) > uint64(len(block)) || total < dictionaryHeader {
		return nil, malformed("dictionary is cut short")
	}
	block = block[:total]
	var f [11]uint32
	for i := range f {
		f[i] = le.Uint32(block[32+4*i:])
	}
	n, nStrings, nPairs, nBytes := f[0], f[1], f[2], f[10]
	if n >= 1<<30 || nStrings >= 1<<30 || nPairs >= 1<<30 {
		return nil, malformed("dictionary counts")
	}
	t := &SeriesTable{Flags: le.Uint32(block[12:]), Generation: le.Uint64(block[16:]), Previous: le.Uint64(block[24:])}
	var errs [7]error
	t.offsets, errs[0] = array[uint32](block, f[3], nStrings+1, "string offsets")
	t.bytes, errs[1] = array[uint8](block, f[4], nBytes, "string bytes")
	t.Pairs, errs[2] = array[uint32](block, f[5], 2*nPairs, "pairs")
	t.SeriesPairs, errs[3] = array[uint32](block, f[6], n+1, "series")
	t.UID, errs[4] = array[uint64](block, f[7], n, "fingerprints")
	t.Remap, errs[5] = array[uint32](block, f[8], n, "remap")
	t.Kind, errs[6] = array[uint8](block, f[9], n, "kinds")
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	switch {
	case !ascends(t.offsets, nBytes):
		return nil, malformed("string offsets")
	case !ascends(t.SeriesPairs, nPairs):
		return nil, malformed("series")
	case len(t.Pairs) > 0 && slices.Max(t.Pairs) >= nStrings:
		return nil, malformed("pairs name strings that are not there")
	}
	return t, nil
}

// ascends tells whether offsets never fall and never pass end.
func ascends(offsets []uint32, end uint32) bool {
	last := uint32(0)
	for _, o := range offsets {
		if o < last || o > end {
			return false
		}
		last = o
	}
	return true
}

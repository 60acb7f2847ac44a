package window

import (
	"slices"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// book is the dictionary of a view as it grows. Indexes stay what they are until it is tidied.
type book struct {
	series    []frame.Series
	index     map[uint64]uint32 // by hash
	next      []uint32          // series of the same hash
	home      []*slab           // whose series it is: two targets may expose the same one
	contested bool              // a series was left out because another slab has it
}

func newBook() book { return book{index: make(map[uint64]uint32)} }

func (b *book) size() int { return len(b.series) }

// enter returns the index of a series, none if another slab has it already.
func (b *book) enter(hash uint64, series frame.Series, from *slab) uint32 {
	head, ok := b.index[hash]
	if !ok {
		head = none
	}
	for i := head; i != none; i = b.next[i] {
		if !b.series[i].Labels.Equal(series.Labels) {
			continue
		}
		if home := b.home[i]; home != from && !home.gone.Load() {
			b.contested = true
			return none
		}
		b.home[i] = from
		return i
	}
	return b.add(hash, series, head, from)
}

func (b *book) add(hash uint64, series frame.Series, next uint32, from *slab) uint32 {
	i := uint32(len(b.series))
	b.series = append(b.series, series)
	b.next = append(b.next, next)
	b.home = append(b.home, from)
	b.index[hash] = i
	return i
}

// tidy renumbers the series if most are gone, or if one that is gone could be kept from view. It tells whether it did.
func (b *book) tidy(inputs []*input, outs []abi.Input) bool {
	live := make([]bool, len(b.series))
	count := 0
	for _, in := range inputs {
		for _, seg := range in.segments {
			for _, i := range seg.index {
				if i != none && !live[i] {
					live[i] = true
					count++
				}
			}
		}
	}
	if len(b.series) <= 2*count+64 && (!b.contested || count == len(b.series)) {
		return false
	}
	renumber := b.compact(live)
	for k, in := range inputs {
		for s := range in.segments {
			seg := &in.segments[s]
			if slices.Contains(seg.index, none) {
				seg.binding = nil // to be entered again at the next read
			}
			renumberAll(seg.index, renumber)
		}
		renumberAll(outs[k].Series, renumber)
	}
	return true
}

// compact keeps the live series and returns their new indexes.
func (b *book) compact(live []bool) []uint32 {
	old := *b
	*b = newBook()
	renumber := make([]uint32, len(old.series))
	for i, series := range old.series {
		if !live[i] {
			continue
		}
		hash := series.Labels.Hash()
		head, ok := b.index[hash]
		if !ok {
			head = none
		}
		renumber[i] = b.add(hash, series, head, old.home[i])
	}
	return renumber
}

// renumberAll changes index in place. A segment that occurs in two inputs has an index of its own in each.
func renumberAll(index, renumber []uint32) {
	for i, old := range index {
		if old != none {
			index[i] = renumber[old]
		}
	}
}

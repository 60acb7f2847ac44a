package rule

import (
	"unsafe"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Sum is what the series of one group add up to.
type Sum struct {
	All     float64 // of all series
	Matched float64 // of those that the matcher selects
	Series  int     // how many have a value
	Listed  bool    // the input lists at least one, with or without a value: others of the group are gone
	Missing bool    // the target of one did not answer: what it would add is not known
}

// Sums adds up, for each group, the values of the series in it, and of those that m selects: in one pass that is the
// fastest there is. It reuses the memory of into, whose content does not matter.
func (in *Input) Sums(g Groups, m Matches, into []Sum) []Sum {
	if cap(into) < g.Len() {
		into = make([]Sum, g.Len())
	}
	into = into[:g.Len()]
	clear(into)
	if in.Len() > 0 {
		in.table.sum(g.grouping, m.yes, in.in, into)
	}
	for i := range into {
		into[i].Listed = into[i].Series > 0
	}
	for i, s := range in.in.Spans {
		if s.Count == 0 {
			into[g.Of(i)].Listed = true
		}
	}
	if !in.Complete() {
		for i, flags := range in.in.Flags {
			if flags&abi.FlagMissing != 0 {
				into[g.Of(i)].Missing = true
			}
		}
	}
	return into
}

// slots says for each series where its value goes: twice the group, plus one where it is selected.
type slots struct {
	of  *grouping
	yes *bool // start of the selection
	at  []uint32
}

func (t *table) slotsOf(g *grouping, yes []bool) []uint32 {
	for _, s := range t.slots {
		if s.of == g && s.yes == &yes[0] {
			return s.at
		}
	}
	at := make([]uint32, len(g.of))
	for i, group := range g.of {
		at[i] = group << 1
		if yes[i] {
			at[i]++
		}
	}
	t.slots = append(t.slots, slots{g, &yes[0], at})
	return at
}

// sum is written without bounds checks: compiled to WebAssembly each of them costs as much as the addition. What makes
// it safe: the columns of an input have one length, spans lie inside the values and series inside the dictionary, all
// of which the host has laid out and Series has checked.
func (t *table) sum(g *grouping, yes []bool, in *abi.Input, into []Sum) {
	at := t.slotsOf(g, yes)
	n := uintptr(len(in.Series))
	series, spans, slot := unsafe.Pointer(&in.Series[0]), unsafe.Pointer(&in.Spans[0]), unsafe.Pointer(&at[0])
	values, sums := unsafe.Pointer(unsafe.SliceData(in.Values)), unsafe.Pointer(&into[0])
	for i := range n {
		span := *(*abi.Span)(unsafe.Add(spans, i*8))
		if span.Count == 0 {
			continue
		}
		value := *(*float64)(unsafe.Add(values, uintptr(span.Start+span.Count-1)*8))
		place := *(*uint32)(unsafe.Add(slot, uintptr(*(*uint32)(unsafe.Add(series, i*4)))*4))
		sum := (*Sum)(unsafe.Add(sums, uintptr(place>>1)*unsafe.Sizeof(Sum{})))
		sum.All += value
		sum.Series++
		if place&1 != 0 {
			sum.Matched += value
		}
	}
}

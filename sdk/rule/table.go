package rule

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// table is the series of one generation with what was worked out about them, by index of the dictionary.
type table struct {
	series     *abi.SeriesTable
	groupings  []*grouping
	matches    []matching
	slots      []slots
	upper      []float64    // bounds of histogram buckets, see bounds
	parts      []frame.Part // what series are of native histograms, see natives; nil if none is
	parted     bool         // parts are worked out
	cells      []cell       // scratch
	copies     []string     // of strings, see keep
	column     []uint32     // scratch
	aggregates []aggregate  // scratch
}

type grouping struct {
	labels    []string
	without   bool // grouped by all labels but these
	table     *table
	names     []uint32   // of the labels, in the dictionary
	of        []uint32   // the group of each series
	first     []uint32   // series of each group
	instances []Instance // of each group, made when it is asked for: see at
}

type matching struct {
	by  Matcher
	yes []bool
}

// group returns the groups by labels, or by all labels but these, made at the first call.
func (t *table) group(labels []string, without bool) *grouping {
	for _, g := range t.groupings {
		if g.without == without && slices.Equal(g.labels, labels) {
			return g
		}
	}
	g := &grouping{labels: slices.Clone(labels), without: without, table: t, of: make([]uint32, t.series.Len())}
	t.groupings = append(t.groupings, g)
	names := t.find(labels)
	if without {
		names = t.namesWithout(names)
	}
	// Label by label: what agreed so far and agrees in this label too stays together.
	groups := uint32(1)
	for _, name := range names {
		groups = t.split(g.of, name)
	}
	slices.SortFunc(names, func(a, b uint32) int { return cmp.Compare(t.textOf(a), t.textOf(b)) })
	g.names, g.first = slices.Compact(names), make([]uint32, 0, groups)
	for i, group := range g.of { // groups are numbered in the order of their first series
		if int(group) == len(g.first) {
			g.first = append(g.first, uint32(i))
		}
	}
	return g
}

func (g *grouping) len() int { return len(g.first) }

// at is a group as an instance. There may be thousands of groups that nobody asks for.
func (g *grouping) at(i int) *Instance {
	if g.instances == nil {
		g.instances = make([]Instance, len(g.first))
	}
	made := &g.instances[i]
	if made.series != abi.NoIndex {
		*made = g.table.instance(int(g.first[i]), g.names)
	}
	return made
}

// find looks label names up among the strings.
func (t *table) find(labels []string) []uint32 {
	names := make([]uint32, len(labels))
	for k, label := range labels {
		index, ok := t.series.Find(label)
		if !ok {
			index = abi.NoIndex
		}
		names[k] = index
	}
	return names
}

// textOf is string i, "" for one that is not there.
func (t *table) textOf(i uint32) string {
	if i == abi.NoIndex {
		return ""
	}
	return t.series.Text(i)
}

// namesWithout lists the names of all labels that any series has, but for some.
func (t *table) namesWithout(some []uint32) []uint32 {
	var names []uint32
	seen := make([]bool, t.series.Strings())
	for _, name := range some {
		if name != abi.NoIndex {
			seen[name] = true
		}
	}
	for p := 0; p < len(t.series.Pairs); p += 2 {
		if name := t.series.Pairs[p]; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// split divides groups by the value that their series have for a label, and numbers them anew in the order of their
// first series. It returns how many there are.
func (t *table) split(of []uint32, name uint32) (groups uint32) {
	// A hash table of our own, open addressing: Go's maps cost ten times as much in a guest.
	size := 64
	type entry struct {
		key    uint64
		number uint32
		used   bool
	}
	entries := make([]entry, size)
	number := uint32(0)
	last, lastNumber := ^uint64(0), uint32(0) // runs of equal values are common
	t.column = t.series.Column(name, t.column)
	for i, value := range t.column {
		key := uint64(of[i])<<32 | uint64(value)
		if key == last && i > 0 {
			of[i] = lastNumber
			continue
		}
		last = key
		at := slotOf(key, size)
		for entries[at].used && entries[at].key != key {
			at = (at + 1) & (size - 1)
		}
		if entries[at].used {
			lastNumber = entries[at].number
			of[i] = lastNumber
			continue
		}
		of[i], lastNumber = number, number
		entries[at] = entry{key, number, true}
		number++
		if int(number)*2 < size {
			continue
		}
		old := entries
		size *= 2
		entries = make([]entry, size)
		for _, e := range old {
			if e.used {
				at := slotOf(e.key, size)
				for entries[at].used {
					at = (at + 1) & (size - 1)
				}
				entries[at] = e
			}
		}
	}
	return number
}

func slotOf(key uint64, size int) int {
	return int((key*0x9e3779b97f4a7c15)>>32) & (size - 1)
}

// instance makes the identity of a group from one of its series. The names are in the order of a label set.
func (t *table) instance(i int, names []uint32) Instance {
	labels := make(frame.Labels, 0, len(names))
	for _, name := range names {
		value, ok := t.series.Value(i, name)
		if ok && t.series.Text(value) != "" && t.series.Text(name) != frame.MetricName {
			labels = append(labels, frame.Label{Name: t.keep(name), Value: t.keep(value)})
		}
	}
	return Instance{series: abi.NoIndex, labels: labels, id: labels.Hash()}
}

// named is series i as an instance by labels of its own, which outlive the generation.
func (t *table) named(i int) Instance {
	pairs := t.series.Pairs[2*t.series.SeriesPairs[i] : 2*t.series.SeriesPairs[i+1]]
	labels := make(frame.Labels, 0, len(pairs)/2)
	for p := 0; p < len(pairs); p += 2 {
		if t.series.Text(pairs[p]) != frame.MetricName {
			labels = append(labels, frame.Label{Name: t.keep(pairs[p]), Value: t.keep(pairs[p+1])})
		}
	}
	return Instance{series: abi.NoIndex, labels: labels, id: labels.Hash()}
}

// keep returns string i of the dictionary, for what may be remembered for longer than the series exist. All who keep it
// share one copy.
func (t *table) keep(i uint32) string {
	if t.copies == nil {
		t.copies = make([]string, t.series.Strings())
	}
	if t.copies[i] == "" {
		t.copies[i] = strings.Clone(t.series.Text(i))
	}
	return t.copies[i]
}

// match returns which series m selects, worked out at the first call. Each different value is looked at once.
func (t *table) match(m Matcher) []bool {
	for _, known := range t.matches {
		if known.by == m {
			return known.yes
		}
	}
	yes := make([]bool, t.series.Len())
	t.matches = append(t.matches, matching{m, yes})
	p, err := parseMatcher(string(m))
	if err != nil {
		return yes // Configure has refused it; a rule that makes up matchers of its own selects nothing
	}
	absent := p.matches("")
	name, ok := t.series.Find(p.name)
	if !ok {
		for i := range yes {
			yes[i] = absent
		}
		return yes
	}
	const asked, selected = 1, 2
	known := make([]uint8, t.series.Strings())
	t.column = t.series.Column(name, t.column)
	for i, value := range t.column {
		if value == abi.NoIndex {
			yes[i] = absent
			continue
		}
		if known[value] == 0 {
			known[value] = asked
			if p.matches(t.series.Text(value)) {
				known[value] |= selected
			}
		}
		yes[i] = known[value]&selected != 0
	}
	return yes
}

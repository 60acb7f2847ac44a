package rule

import (
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// table is the series of one generation with what was worked out about them, by index of the dictionary.
type table struct {
	series    *abi.SeriesTable
	groupings []*grouping
	matches   []matching
}

type grouping struct {
	by        []string
	of        []uint32
	instances []Instance
}

type matching struct {
	by  Matcher
	yes []bool
}

// group returns the groups by labels, made at the first call.
func (t *table) group(labels []string) *grouping {
	for _, g := range t.groupings {
		if slices.Equal(g.by, labels) {
			return g
		}
	}
	g := &grouping{by: slices.Clone(labels), of: make([]uint32, t.series.Len())}
	t.groupings = append(t.groupings, g)
	names := make([]uint32, len(labels))
	for k, label := range labels {
		index, ok := t.series.Find(label)
		if !ok {
			index = abi.NoIndex
		}
		names[k] = index
	}
	numbers := map[string]uint32{}
	key := make([]byte, 4*len(labels))
	for i := range g.of {
		for k, name := range names {
			value, ok := t.series.Value(i, name)
			if !ok {
				value = abi.NoIndex
			}
			key[4*k], key[4*k+1], key[4*k+2], key[4*k+3] = byte(value), byte(value>>8), byte(value>>16), byte(value>>24)
		}
		number, ok := numbers[string(key)]
		if !ok {
			number = uint32(len(g.instances))
			numbers[string(key)] = number
			g.instances = append(g.instances, t.instance(i, names))
		}
		g.of[i] = number
	}
	return g
}

// instance makes the identity of a group from one of its series. The strings are copied: a group may be remembered
// for longer than the series exist.
func (t *table) instance(i int, names []uint32) Instance {
	var labels frame.Labels
	for _, name := range names {
		value, ok := t.series.Value(i, name)
		if ok && t.series.Text(name) != frame.MetricName {
			labels = append(labels, frame.Label{Name: strings.Clone(t.series.Text(name)), Value: strings.Clone(t.series.Text(value))})
		}
	}
	return Of(labels...)
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
	name, _ := t.series.Find(p.name)
	const asked, selected = 1, 2
	known := make([]uint8, t.series.Strings())
	absent := p.matches("")
	for i := range yes {
		value, ok := t.series.Value(i, name)
		if !ok || t.series.Text(name) != p.name {
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

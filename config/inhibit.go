package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Inhibit is an inhibit block: while an alert matches Source, those that match Target and agree with it in the Equal
// labels are not told.
type Inhibit struct {
	Source, Target []*labels.Matcher
	Equal          []string
	Range          Range `json:"-"`
}

func (l *loader) inhibits() (all []Inhibit) {
	for _, block := range l.blocks["inhibit"] {
		all = append(all, l.inhibit(block))
	}
	l.checkRings(all)
	return all
}

func (l *loader) inhibit(block *hcl.Block) Inhibit {
	b := l.open(block, []string{"source", "target", "equal"})
	n := Inhibit{Range: rangeOf(headerRange(block))}
	if b.require("source", "which alerts inhibit, such as [\"severity='critical'\"].") {
		n.Source = l.someMatchers(b, "source")
	}
	if b.require("target", "which alerts are inhibited, such as [\"severity='warning'\"].") {
		n.Target = l.someMatchers(b, "target")
	}
	items, _ := b.list("equal")
	for _, i := range items {
		switch {
		case !model.LegacyValidation.IsValidLabelName(i.text):
			l.errorf(i.expr.Range(), "Invalid label", "%q is not a label name: use letters, digits and _, a letter first.", i.text)
		case slices.Contains(n.Equal, i.text):
			l.errorf(i.expr.Range(), "Duplicate label", "%q is in the list already.", i.text)
		default:
			n.Equal = append(n.Equal, i.text)
		}
	}
	if n.Source != nil && n.Target != nil && (implies(n.Source, n.Target) || implies(n.Target, n.Source)) {
		l.errorf(b.at("target"), "Self-inhibition", "Whatever matches %s, so such alerts would inhibit each other. "+
			"Add a matcher to target that source does not match.", containment(n))
	}
	return n
}

// someMatchers is a list of matchers that is not empty: without any, it would match everything.
func (l *loader) someMatchers(b body, name string) []*labels.Matcher {
	if items, ok := b.list(name); ok && len(items) == 0 {
		l.errorf(b.at(name), "No matcher", "%s is empty and would match everything.", name)
	}
	return l.matchList(b, name)
}

func containment(n Inhibit) string {
	if implies(n.Source, n.Target) {
		return "source matches target too"
	}
	return "target matches source too"
}

// implies tells whether whatever matches all of a is known to match all of b. What regular expressions have in common is
// not found out, except for those that are lists of values.
func implies(a, b []*labels.Matcher) bool {
	return !slices.ContainsFunc(b, func(m *labels.Matcher) bool {
		return !slices.ContainsFunc(a, func(known *labels.Matcher) bool { return known.Name == m.Name && impliesOne(known, m) })
	})
}

func impliesOne(known, m *labels.Matcher) bool {
	switch {
	case known.Type == m.Type && known.Value == m.Value:
		return true
	case known.Type == labels.MatchEqual:
		return m.Matches(known.Value)
	case known.Type == labels.MatchRegexp:
		values := known.SetMatches()
		return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !m.Matches(v) })
	}
	return false
}

// maxRingSearch is how many inhibit blocks are searched for rings. Routing hides no alert for the sake of a ring, whether
// it is found here or not.
const maxRingSearch = 1000

// checkRings complains about inhibitions whose targets are sources of the next, and so on back to the first: the alerts
// of such a ring would inhibit each other.
func (l *loader) checkRings(all []Inhibit) {
	if len(all) > maxRingSearch {
		return
	}
	next := make([][]int, len(all))
	for i := range all {
		for j := range all {
			target, source := all[i].Target, all[j].Source
			if i != j && target != nil && source != nil && (implies(target, source) || implies(source, target)) {
				next[i] = append(next[i], j)
			}
		}
	}
	state := make([]visit, len(all))
	var path []int
	var walk func(i int)
	walk = func(i int) {
		switch state[i] {
		case inProgress:
			l.reportRing(all, path[slices.Index(path, i):])
			return
		case done:
			return
		}
		state[i] = inProgress
		path = append(path, i)
		for _, j := range next[i] {
			walk(j)
		}
		path = path[:len(path)-1]
		state[i] = done
	}
	for i := range all {
		walk(i)
	}
}

func (l *loader) reportRing(all []Inhibit, ring []int) {
	var places []string
	for _, i := range ring[1:] {
		places = append(places, fmt.Sprintf("%s:%d", all[i].Range.File, all[i].Range.Line))
	}
	l.errorf(headerRange(l.blocks["inhibit"][ring[0]]), "Inhibition cycle",
		"Its targets are sources of the inhibit block at %s, whose targets are sources of this one: such alerts would inhibit each other, and nobody would hear of them.",
		strings.Join(places, ", whose targets are sources of that at "))
}

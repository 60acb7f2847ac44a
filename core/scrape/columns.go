package scrape

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// columns turns the layouts of a target's pages into those of its windows: target labels attached, relabelled, limits
// applied. The work is done when a layout is new; rows then only lose the columns that were dropped or left out.
type columns struct {
	target  frame.Labels
	honor   bool        // a page's label wins over the target's of the same name
	relabel *relabeller // nil: not at all
	limits  Limits

	page   *frame.Layout // as it came
	layout *frame.Layout // as it is kept
	kept   []uint32      // columns of the page; nil when all are kept
	added  int           // series that the page before did not have
	left   string        // what was left out, for people; empty when nothing was

	values []float64 // scratch
	times  []int64   // scratch
}

// row returns the frame to be kept. It is valid until the next call. added counts the series that are new with this row.
func (c *columns) row(f frame.Frame) (kept frame.Frame, added int) {
	if f.Layout != c.page {
		c.learn(f.Layout)
		added = c.added
	}
	kept = frame.Frame{Layout: c.layout, Time: f.Time, Values: f.Values, Times: f.Times}
	if c.kept == nil {
		return kept, added
	}
	c.values, c.times = c.values[:0], c.times[:0]
	for _, col := range c.kept {
		c.values = append(c.values, f.Values[col])
	}
	kept.Values = c.values
	if f.Times != nil {
		for _, col := range c.kept {
			c.times = append(c.times, f.Times[col])
		}
		kept.Times = c.times
	}
	return kept, added
}

// learn works out a new layout.
func (c *columns) learn(page *frame.Layout) {
	size := 0
	for _, s := range page.Series {
		size += len(s.Labels) + len(c.target)
	}
	arena := make([]frame.Label, 0, size)
	layout := &frame.Layout{Series: make([]frame.Series, 0, len(page.Series))}
	var kept []uint32
	var left faults
	for col, s := range page.Series {
		start := len(arena)
		arena = attach(arena, s.Labels, c.target, c.honor)
		labels := frame.Labels(arena[start:len(arena):len(arena)])
		if c.relabel != nil {
			arena = arena[:start]
			var wanted bool
			if labels, wanted = c.relabel.apply(labels); !wanted {
				continue
			}
			arena = append(arena, labels...)
			labels = arena[start:len(arena):len(arena)]
		}
		if fault := c.fault(labels, len(layout.Series)); fault != "" {
			left.add(fault)
			arena = arena[:start]
			continue
		}
		layout.Series = append(layout.Series, frame.Series{Labels: labels, Kind: s.Kind})
		kept = append(kept, uint32(col))
	}
	if len(kept) == len(page.Series) {
		kept = nil
	}
	c.added = countNew(c.layout, layout)
	c.page, c.layout, c.kept, c.left = page, layout, kept, left.String()
}

// fault says why a series is left out of a page of which n were kept, "" if it is not.
func (c *columns) fault(ls frame.Labels, n int) string {
	switch {
	case ls.Get(frame.MetricName) == "":
		return "relabelling left no metric name"
	case c.limits.Series > 0 && n >= c.limits.Series:
		return fmt.Sprintf("more than %d series", c.limits.Series)
	case c.limits.Labels > 0 && len(ls) > c.limits.Labels:
		return fmt.Sprintf("more than %d labels", c.limits.Labels)
	case isSynthetic(ls.Get(frame.MetricName)) && len(ls) == len(c.target)+1:
		return "named like a series that the engine makes itself"
	}
	for _, l := range ls {
		if c.limits.LabelNames > 0 && len(l.Name) > c.limits.LabelNames {
			return fmt.Sprintf("a label name longer than %d bytes", c.limits.LabelNames)
		}
		if c.limits.LabelValues > 0 && len(l.Value) > c.limits.LabelValues {
			return fmt.Sprintf("a label value longer than %d bytes", c.limits.LabelValues)
		}
	}
	return ""
}

// faults counts series by why they were left out.
type faults struct {
	reasons []string
	counts  []int
}

func (f *faults) add(reason string) {
	i := slices.Index(f.reasons, reason)
	if i < 0 {
		i = len(f.reasons)
		f.reasons, f.counts = append(f.reasons, reason), append(f.counts, 0)
	}
	f.counts[i]++
}

func (f *faults) String() string {
	var parts []string
	for i, reason := range f.reasons {
		parts = append(parts, fmt.Sprintf("%d series left out: %s", f.counts[i], reason))
	}
	return strings.Join(parts, "; ")
}

// countNew counts the series that only the new layout has.
func countNew(old, layout *frame.Layout) int {
	if old == nil {
		return len(layout.Series)
	}
	known := make(map[uint64]struct{}, len(old.Series))
	for _, s := range old.Series {
		known[s.Labels.Hash()] = struct{}{}
	}
	n := 0
	for _, s := range layout.Series {
		if _, ok := known[s.Labels.Hash()]; !ok {
			n++
		}
	}
	return n
}

package frame

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// MetricName is the label that carries a series' metric name, as in Prometheus.
const MetricName = "__name__"

// Label is one name and value.
type Label struct{ Name, Value string }

// Labels is a label set: sorted by name, each name once, no empty values (an empty value means that the
// label is absent, as in Prometheus). Build one with [NewLabels] or [FromMap]. Treat it as immutable.
type Labels []Label

// NewLabels builds a set from labels in any order. Of a name given twice the last one counts.
func NewLabels(labels ...Label) Labels {
	set := slices.Clone(labels)
	slices.SortStableFunc(set, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	kept := set[:0]
	for i, l := range set {
		if i+1 < len(set) && set[i+1].Name == l.Name {
			continue
		}
		if l.Value != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// FromMap builds a set from a map.
func FromMap(m map[string]string) Labels {
	labels := make([]Label, 0, len(m))
	for name, value := range m {
		labels = append(labels, Label{name, value})
	}
	return NewLabels(labels...)
}

// Map returns the set as a map.
func (ls Labels) Map() map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// Get returns the value of name, "" where the label is absent.
func (ls Labels) Get(name string) string {
	for _, l := range ls {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// With returns a copy in which each of the given labels replaces the one of the same name; an empty value removes it.
func (ls Labels) With(labels ...Label) Labels {
	return NewLabels(append(slices.Clone(ls), labels...)...)
}

// Only returns the labels whose names are given.
func (ls Labels) Only(names ...string) Labels {
	var kept Labels
	for _, l := range ls {
		if slices.Contains(names, l.Name) {
			kept = append(kept, l)
		}
	}
	return kept
}

// Without returns the labels whose names are not given.
func (ls Labels) Without(names ...string) Labels {
	var kept Labels
	for _, l := range ls {
		if !slices.Contains(names, l.Name) {
			kept = append(kept, l)
		}
	}
	return kept
}

// Equal tells whether both sets hold the same labels.
func (ls Labels) Equal(other Labels) bool { return slices.Equal(ls, other) }

// Compare orders label sets by name, then value, label by label; a prefix comes first.
func (ls Labels) Compare(other Labels) int {
	return slices.CompareFunc(ls, other, func(a, b Label) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
}

// Hash is the FNV-1a hash (64 bits) of the set: stable across processes and releases, so it may be stored.
// Two sets may share a hash; where that matters, compare with [Labels.Equal].
func (ls Labels) Hash() uint64 {
	const offset, prime, separator = 14695981039346656037, 1099511628211, 0xff // 0xff never occurs in UTF-8
	h := uint64(offset)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ separator) * prime
	}
	for _, l := range ls {
		add(l.Name)
		add(l.Value)
	}
	return h
}

// String is the set as PromQL would write it, metric name first: http_requests_total{code="200",endpoint="/"}.
func (ls Labels) String() string {
	var b strings.Builder
	b.WriteString(ls.Get(MetricName))
	b.WriteByte('{')
	first := true
	for _, l := range ls {
		if l.Name == MetricName {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

package window

import (
	"iter"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// demand is what all views together read. It is never changed: a new view gives a new demand.
type demand struct {
	byName   map[string][]wanted // by exact metric name
	nameless []wanted
	longest  time.Duration
}

// wanted is a selector and the longest window that reads by it.
type wanted struct {
	selector *selector
	window   int64 // milliseconds
}

func newDemand(selectors map[string]*selector) *demand {
	d := &demand{byName: make(map[string][]wanted)}
	for _, sel := range selectors {
		w := wanted{selector: sel}
		for _, window := range sel.windows {
			w.window = max(w.window, window)
		}
		d.longest = max(d.longest, time.Duration(w.window)*time.Millisecond)
		if sel.name == "" {
			d.nameless = append(d.nameless, w)
		} else {
			d.byName[sel.name] = append(d.byName[sel.name], w)
		}
	}
	return d
}

// selectors are all that are read by.
func (d *demand) selectors() iter.Seq[*selector] {
	return func(yield func(*selector) bool) {
		for _, list := range d.byName {
			for _, w := range list {
				if !yield(w.selector) {
					return
				}
			}
		}
		for _, w := range d.nameless {
			if !yield(w.selector) {
				return
			}
		}
	}
}

// match appends to found the selectors that read a series, and returns the longest of their windows, 0 if none does.
func (d *demand) match(ls frame.Labels, found []*selector) ([]*selector, int64) {
	if d.byName == nil {
		return found, 0
	}
	var longest int64
	try := func(list []wanted) {
		for _, w := range list {
			if w.selector.matches(ls) {
				found = append(found, w.selector)
				longest = max(longest, w.window)
			}
		}
	}
	try(d.byName[ls.Get(frame.MetricName)])
	try(d.nameless)
	return found, longest
}

// demandView adds the queries of a view to the demand and returns their selectors. Views that read by the same
// matchers share a selector, and so its bindings.
func (s *Store) demandView(v *View, queries []Query) []*selector {
	s.mu.Lock()
	defer s.mu.Unlock()
	selectors := make([]*selector, len(queries))
	for i, q := range queries {
		sel := s.mu.selectors[selectorKey(q.Matchers, q.Except)]
		if sel == nil {
			sel = newSelector(q.Matchers, q.Except)
			s.mu.selectors[sel.key] = sel
			list := slices.DeleteFunc(slices.Clone(s.mu.targets), func(t *Target) bool { return sel.contradicts(t.labels) })
			sel.targets.Store(&list)
		}
		sel.windows[v] = max(sel.windows[v], q.window())
		selectors[i] = sel
	}
	s.demand.Store(newDemand(s.mu.selectors))
	return selectors
}

// releaseView takes the queries of a view out of the demand.
func (s *Store) releaseView(v *View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, sel := range s.mu.selectors {
		delete(sel.windows, v)
		if len(sel.windows) == 0 {
			delete(s.mu.selectors, key)
		}
	}
	s.demand.Store(newDemand(s.mu.selectors))
}

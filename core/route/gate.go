package route

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Silence withholds the opening of the alerts that it matches, from StartsAt until EndsAt.
type Silence struct {
	ID       string // its identity or, where it comes from the configuration, its name
	Matchers []*labels.Matcher
	StartsAt time.Time // zero: from the start
	EndsAt   time.Time
}

// active tells whether the silence withholds anything at that time.
func (s *Silence) active(at time.Time) bool { return !at.Before(s.StartsAt) && at.Before(s.EndsAt) }

// Inhibition withholds the opening of target alerts while a source alert fires that has the same values in the labels
// Equal. A label that is absent on either side never counts as equal.
//
// No alert inhibits itself; as in Alertmanager, one that is both source and target is not inhibited by another that is
// both. And alerts that inhibit each other in a ring, over several inhibitions, are not withheld: otherwise nobody
// would hear of any of them.
type Inhibition struct {
	Source []*labels.Matcher
	Target []*labels.Matcher
	Equal  []string
}

// gates decides what is withheld whatever the route.
type gates struct {
	silences *index
	ids      []string // of the silences in the index
	found    []int    // scratch

	inhibitedBy map[alert.Fingerprint]*alert.Alert
}

// newGates weighs the silences that are active and the inhibitions among the alerts at order.
func newGates(in Input, order []int32) *gates {
	g := &gates{}
	var sets [][]*labels.Matcher
	for i := range in.Silences {
		if s := &in.Silences[i]; s.active(in.Now) {
			sets, g.ids = append(sets, s.Matchers), append(g.ids, s.ID)
		}
	}
	g.silences = newIndex(sets)
	g.inhibitedBy = inhibited(in, order)
	return g
}

// held tells what withholds the opening of an alert.
func (g *gates) held(a *alert.Alert) alert.Hold {
	if a.Shadow {
		return alert.Hold{Cause: alert.CauseShadow}
	}
	if by := g.inhibitedBy[a.Fingerprint]; by != nil {
		return alert.Hold{Cause: alert.CauseInhibited, By: by.Name() + by.Identity.String()}
	}
	if silences := g.silencedBy(a); silences != nil {
		return alert.Hold{Cause: alert.CauseSilenced, By: strings.Join(silences, ", ")}
	}
	return alert.Hold{}
}

// silencedBy lists the silences that match an alert, sorted; nil for none.
func (g *gates) silencedBy(a *alert.Alert) []string {
	if len(g.ids) == 0 {
		return nil
	}
	g.found = g.silences.find(a.Labels, g.found[:0])
	if len(g.found) == 0 {
		return nil
	}
	silences := make([]string, len(g.found))
	for i, at := range g.found {
		silences[i] = g.ids[at]
	}
	slices.Sort(silences)
	return silences
}

// sources are the firing alerts that are a source of one inhibition and agree in its labels Equal: those that stand for
// all, since it does not matter which of them inhibits.
type sources struct {
	any  *alert.Alert // the first
	pure *alert.Alert // the first that is no target itself
}

// inhibited returns which alert inhibits which, in time linear in alerts: each is looked up by its labels.
func inhibited(in Input, order []int32) map[alert.Fingerprint]*alert.Alert {
	if len(in.Inhibitions) == 0 {
		return nil
	}
	bySource, byTarget := make([][]*labels.Matcher, len(in.Inhibitions)), make([][]*labels.Matcher, len(in.Inhibitions))
	found := make([]map[string]*sources, len(in.Inhibitions))
	for n, i := range in.Inhibitions {
		bySource[n], byTarget[n], found[n] = i.Source, i.Target, map[string]*sources{}
	}
	asSource, asTarget := newIndex(bySource), newIndex(byTarget)

	var hits []int
	for _, i := range order {
		a := &in.Alerts[i]
		if a.State != alert.Firing || a.Shadow {
			continue
		}
		hits = asSource.find(a.Labels, hits[:0])
		for _, n := range hits {
			key, ok := in.Inhibitions[n].key(a.Labels)
			if !ok {
				continue
			}
			s := found[n][key]
			if s == nil {
				s = &sources{any: a}
				found[n][key] = s
			}
			if s.pure == nil && !matches(byTarget[n], a.Labels) {
				s.pure = a
			}
		}
	}
	by := map[alert.Fingerprint]*alert.Alert{}
	for _, i := range order {
		a := &in.Alerts[i]
		hits = asTarget.find(a.Labels, hits[:0])
		slices.Sort(hits)
		for _, n := range hits {
			if source := in.Inhibitions[n].sourceFor(a, found[n]); source != nil {
				by[a.Fingerprint] = source
				break
			}
		}
	}
	breakRings(by)
	return by
}

// sourceFor is the alert that inhibits a target, nil for none.
func (i *Inhibition) sourceFor(target *alert.Alert, found map[string]*sources) *alert.Alert {
	key, ok := i.key(target.Labels)
	if !ok {
		return nil
	}
	s := found[key]
	switch {
	case s == nil:
		return nil
	case matches(i.Source, target.Labels):
		return s.pure
	}
	return s.any
}

// key is the same for alerts that agree in the labels Equal; false where one of them is absent.
func (i *Inhibition) key(ls frame.Labels) (string, bool) {
	if len(i.Equal) == 1 {
		value := ls.Get(i.Equal[0])
		return value, value != ""
	}
	var b strings.Builder
	for _, name := range i.Equal {
		value := ls.Get(name)
		if value == "" {
			return "", false
		}
		b.WriteString(value)
		b.WriteByte(0xff) // is in no label value: those are UTF-8
	}
	return b.String(), true
}

// breakRings lets alerts go that would be withheld for each other's sake only. Each is inhibited by one other, so
// whoever comes back to where it was has been around the ring.
func breakRings(by map[alert.Fingerprint]*alert.Alert) {
	seen := make(map[alert.Fingerprint]int, len(by)) // in which walk
	walk := 0
	for start := range by {
		walk++
		at := start
		for {
			next := by[at]
			if next == nil || seen[at] != 0 && seen[at] != walk {
				break // told, or known to be no ring
			}
			if seen[at] == walk {
				for by[at] != nil {
					next := by[at].Fingerprint
					delete(by, at)
					at = next
				}
				break
			}
			seen[at] = walk
			at = next.Fingerprint
		}
	}
}

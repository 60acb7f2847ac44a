package route

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

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

// inhibitor keeps up to date which alert inhibits which. Alerts find each other by the values of their labels, so what
// an alert costs does not depend on how many others there are, only on how many it inhibits.
type inhibitor struct {
	rules    []Inhibition
	asSource *index // of the rules, by their matchers
	asTarget *index
	pools    map[poolKey]*pool
	bonds    map[alert.Fingerprint]bonds

	// choice is which alert would inhibit which. Where choices lead in a ring back to an alert, it is not inhibited.
	choice map[alert.Fingerprint]alert.Fingerprint
}

// pool is the alerts that one inhibition concerns and that agree in its labels Equal. Sources are ordered by fingerprint,
// and the first stands for all: it does not matter which of them inhibits.
type pool struct {
	key     poolKey
	sources []alert.Fingerprint // that fire
	pure    []alert.Fingerprint // those of them that are no target themselves
	targets map[alert.Fingerprint]struct{}
}

type poolKey struct {
	rule  int
	equal string // see [Inhibition.key]
}

// bonds are the pools of an alert, in the order of the inhibitions.
type bonds struct {
	source []*pool // in which it is a source
	target []*pool // in which it is a target, and
	pure   []bool  // whether only a pure source of that pool inhibits it, since it is a source itself
}

func newInhibitor(rules []Inhibition) inhibitor {
	sources, targets := make([][]*labels.Matcher, len(rules)), make([][]*labels.Matcher, len(rules))
	for n, rule := range rules {
		sources[n], targets[n] = rule.Source, rule.Target
	}
	return inhibitor{
		rules: rules, asSource: newIndex(sources), asTarget: newIndex(targets), pools: map[poolKey]*pool{},
		bonds: map[alert.Fingerprint]bonds{}, choice: map[alert.Fingerprint]alert.Fingerprint{},
	}
}

// inhibits tells that an alert may inhibit others. A drill hides nothing that is real.
func inhibits(a *alert.Alert) bool {
	return a.State == alert.Firing && !a.Shadow && a.Rule != alert.Drill
}

// update takes an alert as it was and as it is, nil where it was or is not there, and adds to touched the alerts of
// which another one, or none, now decides.
func (x *inhibitor) update(was, is *alert.Alert, touched map[alert.Fingerprint]struct{}) {
	if len(x.rules) == 0 || was != nil && is != nil && was.Labels.Equal(is.Labels) && inhibits(was) == inhibits(is) {
		return
	}
	moved := map[alert.Fingerprint]struct{}{} // their choice may be another
	if was != nil {
		x.leave(was.Fingerprint, moved)
	}
	if is != nil {
		x.enter(is, moved)
	}
	for fp := range moved {
		x.choose(fp, touched)
	}
}

// leave takes an alert out of its pools.
func (x *inhibitor) leave(fp alert.Fingerprint, moved map[alert.Fingerprint]struct{}) {
	moved[fp] = struct{}{}
	b := x.bonds[fp]
	delete(x.bonds, fp)
	for _, p := range b.target {
		delete(p.targets, fp)
	}
	for _, p := range b.source {
		p.change(moved, func() { p.sources, p.pure = without(p.sources, fp), without(p.pure, fp) })
	}
	for _, p := range append(b.source, b.target...) {
		if len(p.sources)+len(p.targets) == 0 {
			delete(x.pools, p.key)
		}
	}
}

// enter puts an alert into its pools.
func (x *inhibitor) enter(a *alert.Alert, moved map[alert.Fingerprint]struct{}) {
	moved[a.Fingerprint] = struct{}{}
	var b bonds
	targetOf := x.asTarget.find(a.Labels, nil)
	slices.Sort(targetOf)
	for _, n := range targetOf {
		if p := x.pool(n, a.Labels); p != nil {
			p.targets[a.Fingerprint] = struct{}{}
			b.target, b.pure = append(b.target, p), append(b.pure, matches(x.rules[n].Source, a.Labels))
		}
	}
	if inhibits(a) {
		for _, n := range x.asSource.find(a.Labels, nil) {
			if p := x.pool(n, a.Labels); p != nil {
				b.source = append(b.source, p)
				p.change(moved, func() {
					p.sources = with(p.sources, a.Fingerprint)
					if !slices.Contains(targetOf, n) {
						p.pure = with(p.pure, a.Fingerprint)
					}
				})
			}
		}
	}
	if len(b.source)+len(b.target) > 0 {
		x.bonds[a.Fingerprint] = b
	}
}

// pool is the one of an inhibition to which labels belong; nil where one of its labels Equal is absent.
func (x *inhibitor) pool(rule int, ls frame.Labels) *pool {
	equal, ok := x.rules[rule].key(ls)
	if !ok {
		return nil
	}
	key := poolKey{rule, equal}
	p := x.pools[key]
	if p == nil {
		p = &pool{key: key, targets: map[alert.Fingerprint]struct{}{}}
		x.pools[key] = p
	}
	return p
}

// change changes the sources of a pool. Where another stands for all after that, the choice of every target may be another.
func (p *pool) change(moved map[alert.Fingerprint]struct{}, how func()) {
	source, pure := first(p.sources), first(p.pure)
	how()
	if first(p.sources) == source && first(p.pure) == pure {
		return
	}
	for fp := range p.targets {
		moved[fp] = struct{}{}
	}
}

// first is the first of some alerts, if there is one.
func first(fps []alert.Fingerprint) (f struct {
	fp    alert.Fingerprint
	there bool
},
) {
	if len(fps) > 0 {
		f.fp, f.there = fps[0], true
	}
	return f
}

func with(sorted []alert.Fingerprint, fp alert.Fingerprint) []alert.Fingerprint {
	at, there := slices.BinarySearch(sorted, fp)
	if there {
		return sorted
	}
	return slices.Insert(sorted, at, fp)
}

func without(sorted []alert.Fingerprint, fp alert.Fingerprint) []alert.Fingerprint {
	at, there := slices.BinarySearch(sorted, fp)
	if !there {
		return sorted
	}
	return slices.Delete(sorted, at, at+1)
}

// choose finds out anew which alert would inhibit another: a source of the first of its pools that has one.
func (x *inhibitor) choose(fp alert.Fingerprint, touched map[alert.Fingerprint]struct{}) {
	b := x.bonds[fp]
	chosen := first(nil)
	for i, p := range b.target {
		if chosen = first(p.sources); b.pure[i] {
			chosen = first(p.pure)
		}
		if chosen.there {
			break
		}
	}
	if old, had := x.choice[fp]; had == chosen.there && old == chosen.fp {
		return
	}
	touch := func() {
		touched[fp] = struct{}{}
		for _, on := range x.ring(fp) {
			touched[on] = struct{}{}
		}
	}
	touch() // a ring ends
	if chosen.there {
		x.choice[fp] = chosen.fp
	} else {
		delete(x.choice, fp)
	}
	touch() // a ring closes
}

// ring lists the alerts that would inhibit each other in a ring with this one: if they did, nobody would hear of any of
// them. Nil for none.
func (x *inhibitor) ring(fp alert.Fingerprint) (way []alert.Fingerprint) {
	for at := fp; ; {
		next, inhibited := x.choice[at]
		switch {
		case !inhibited:
			return nil
		case next == fp:
			return append(way, at)
		case slices.Contains(way, next): // a ring without this one
			return nil
		}
		way = append(way, at)
		at = next
	}
}

// source is the alert that inhibits another.
func (x *inhibitor) source(fp alert.Fingerprint) (source alert.Fingerprint, inhibited bool) {
	source, inhibited = x.choice[fp]
	return source, inhibited && x.ring(fp) == nil
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

package route

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// branch is a node of the tree that alerts go down.
type branch struct {
	matchers []*labels.Matcher
	groupBy  []string
	all      bool   // groups by all labels
	goOn     bool   // to the siblings
	mute     string // the schedule that withholds openings here, "" for none
	lanes    []*lane
	children []*branch
}

// lane is a way down the tree to one receiver, with the groups at its end.
type lane struct {
	receiver               string
	key                    string // {}/{severity="page"}
	wait, interval, repeat time.Duration
	fallback               *alert.Fallback
	groups                 map[uint64][]*group // by hash of their labels
}

// lanes are those of a tree, each once, by receiver and key.
type lanes map[[2]string]*lane

// compile makes branches of a node and what is below it. Branches with the same way down to the same receiver share a
// lane, which has the timers of the first.
func (ls lanes) compile(in *Input, n *Node, key string, inherited []string) *branch {
	b := &branch{matchers: n.Matchers, groupBy: n.GroupBy, all: slices.Contains(n.GroupBy, All), goOn: n.Continue}
	for _, name := range n.Mute {
		if s := in.Schedules[name]; s != nil && s.Active(in.Now) {
			b.mute = name
			break
		}
	}
	receivers := n.Receivers
	if len(receivers) == 0 {
		receivers = inherited
	}
	for _, receiver := range receivers {
		l := ls[[2]string{receiver, key}]
		if l == nil {
			l = &lane{receiver, key, n.Wait, n.Interval, n.Repeat, n.Fallback, map[uint64][]*group{}}
			ls[[2]string{receiver, key}] = l
		}
		if !slices.Contains(b.lanes, l) {
			b.lanes = append(b.lanes, l)
		}
	}
	for _, child := range n.Routes {
		b.children = append(b.children, ls.compile(in, child, key+"/"+matchersString(child.Matchers), receivers))
	}
	return b
}

// matchersString writes matchers as Alertmanager does, sorted.
func matchersString(matchers []*labels.Matcher) string {
	sorted := slices.SortedFunc(slices.Values(matchers), func(a, b *labels.Matcher) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Type, b.Type))
	})
	parts := make([]string, len(sorted))
	for i, m := range sorted {
		parts[i] = m.String()
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// match appends the branches that take an alert with these labels; the branch itself is known to match.
func (b *branch) match(ls frame.Labels, found []*branch) []*branch {
	before := len(found)
	for _, child := range b.children {
		if !matches(child.matchers, ls) {
			continue
		}
		found = child.match(ls, found)
		if !child.goOn {
			break
		}
	}
	if len(found) == before {
		found = append(found, b)
	}
	return found
}

// matches tells whether all matchers hold. An absent label is an empty one, as in Prometheus.
func matches(matchers []*labels.Matcher, ls frame.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// groupLabels are the labels by which this branch groups an alert. A drill is a group of its own, so that nothing that is
// real is told together with it.
func (b *branch) groupLabels(a *alert.Alert) frame.Labels {
	switch {
	case b.all:
		return a.Labels
	case a.Rule == alert.Drill:
		return a.Labels.Only(append([]string{alert.DrillLabel}, b.groupBy...)...)
	}
	return a.Labels.Only(b.groupBy...)
}

// muted tells what withholds openings on this branch.
func (b *branch) muted() alert.Hold {
	if b.mute == "" {
		return alert.Hold{}
	}
	return alert.Hold{Cause: alert.CauseMuted, By: b.mute}
}

// group is what one receiver should know together.
type group struct {
	lane  *lane
	hash  uint64      // of its labels
	told  alert.Group // as it was when [Router.Changed] last gave it away; never changed in place
	edits []edit      // since then
}

// edit puts an alert into a group, or takes it out where there is no entry.
type edit struct {
	fp    alert.Fingerprint
	entry *entry
	held  alert.Hold
}

// group finds the group with these labels, or begins it. That of a drill waits for no timer.
func (l *lane) group(ls frame.Labels, drill bool) *group {
	hash := ls.Hash()
	for _, g := range l.groups[hash] {
		if g.told.Labels.Equal(ls) {
			return g
		}
	}
	g := &group{lane: l, hash: hash, told: alert.Group{
		Receiver: l.receiver, Key: groupKey(l.key, ls), Labels: ls, Wait: l.wait, Interval: l.interval, Repeat: l.repeat, Fallback: l.fallback,
	}}
	if drill {
		g.told.Wait, g.told.Interval = 0, 0
	}
	l.groups[hash] = append(l.groups[hash], g)
	return g
}

// apply carries out the edits. A group that has no members after that is not known to its lane any more.
func (g *group) apply() alert.Group {
	slices.SortStableFunc(g.edits, func(a, b edit) int { return cmp.Compare(a.fp, b.fp) })
	old := g.told.Members
	members := make([]alert.Member, 0, len(old)+len(g.edits))
	for i, e := range g.edits {
		if i+1 < len(g.edits) && g.edits[i+1].fp == e.fp {
			continue // overtaken by the next
		}
		before, there := slices.BinarySearchFunc(old, e.fp, func(m alert.Member, fp alert.Fingerprint) int {
			return cmp.Compare(m.Alert.Fingerprint, fp)
		})
		members, old = append(members, old[:before]...), old[before:]
		if there {
			old = old[1:]
		}
		if e.entry != nil {
			members = append(members, alert.Member{Alert: e.entry.alert, Held: e.held})
		}
	}
	g.told.Members, g.edits = append(members, old...), nil
	if len(g.told.Members) == 0 {
		g.told.Members = nil
		same := slices.DeleteFunc(g.lane.groups[g.hash], func(other *group) bool { return other == g })
		if g.lane.groups[g.hash] = same; len(same) == 0 {
			delete(g.lane.groups, g.hash)
		}
	}
	return g.told
}

// groupKey writes the key as Alertmanager does: {}/{severity="page"}:{alertname="X", job="y"}.
func groupKey(route string, ls frame.Labels) string {
	var b strings.Builder
	b.WriteString(route)
	b.WriteString(":{")
	for i, l := range ls {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// Package route decides who should know of which alerts: a pure function of the alerts, the route tree and whatever
// withholds openings (silences, inhibitions, schedules). It has no clock and keeps nothing.
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

// All in [Node.GroupBy] groups by all labels, so each alert is a group of its own.
const All = "..."

// Node is one route with everything inherited filled in. The root matches all alerts, whatever its matchers say.
//
// An alert goes down the tree depth first, as in Alertmanager: the children of a node that matches are asked in
// order, the first that matches ends the search unless it says Continue, and a node none of whose children match
// takes the alert itself.
type Node struct {
	Receivers []string // references, "pagerduty.oncall"; empty means those of the parent
	Matchers  []*labels.Matcher
	GroupBy   []string // label names, or [All]; empty makes one group
	Wait      time.Duration
	Interval  time.Duration
	Repeat    time.Duration
	Continue  bool
	Mute      []string // names of [Input.Schedules]: while one of them is active, nothing opens here
	Routes    []*Node
}

// Input is all that the decision depends on.
type Input struct {
	Alerts      []alert.Alert // in any order; those that neither fire nor are resolved are ignored
	Root        *Node
	Now         time.Time
	Silences    []Silence
	Inhibitions []Inhibition
	Schedules   map[string]Schedule
}

// Desired returns what every receiver should know: firing and resolved alerts, grouped, ordered by receiver and key.
//
// The key of a group is the one that Alertmanager makes, {}/{severity="page"}:{alertname="X"}: the matchers on the way
// down and the group's labels. So it stays the same across restarts and as long as route and labels do. Where two
// routes lead to the same receiver and key, they make one group with the timers of the first.
func Desired(in Input) []alert.Group {
	if in.Root == nil {
		return nil
	}
	order := make([]int32, 0, len(in.Alerts)) // by fingerprint, so that members come out ordered
	for i := range in.Alerts {
		if state := in.Alerts[i].State; state == alert.Firing || state == alert.Resolved {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		return cmp.Compare(in.Alerts[a].Fingerprint, in.Alerts[b].Fingerprint)
	})

	tree := compile(in.Root, nil)
	gates := newGates(in, order)
	var matched []*branch
	for _, i := range order {
		a := &in.Alerts[i]
		held := gates.held(a)
		matched = tree.match(a.Labels, matched[:0])
		for _, b := range matched {
			m := alert.Member{Alert: *a, Held: held}
			if !m.Held.Holds() {
				m.Held = b.muted(in)
			}
			b.add(m)
		}
	}
	return tree.groups()
}

// branch is a node while alerts go down the tree.
type branch struct {
	node      *Node
	receivers []string
	key       string // {}/{severity="page"}
	children  []*branch
	buckets   map[uint64][]*bucket // by hash of the group's labels
	mute      *string              // memo of muteName
}

// bucket is a group before it is multiplied by receivers.
type bucket struct {
	labels  frame.Labels
	members []alert.Member
}

func compile(n *Node, parent *branch) *branch {
	b := &branch{node: n, receivers: n.Receivers, key: "{}", buckets: map[uint64][]*bucket{}}
	if parent != nil {
		b.key = parent.key + "/" + matchersString(n.Matchers)
		if len(b.receivers) == 0 {
			b.receivers = parent.receivers
		}
	}
	for _, child := range n.Routes {
		b.children = append(b.children, compile(child, b))
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
		if !matches(child.node.Matchers, ls) {
			continue
		}
		found = child.match(ls, found)
		if !child.node.Continue {
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

// add puts an alert into its group of this branch.
func (b *branch) add(m alert.Member) {
	groupLabels := m.Alert.Labels
	if !slices.Contains(b.node.GroupBy, All) {
		groupLabels = groupLabels.Only(b.node.GroupBy...)
	}
	hash := groupLabels.Hash()
	for _, candidate := range b.buckets[hash] {
		if candidate.labels.Equal(groupLabels) {
			candidate.members = append(candidate.members, m)
			return
		}
	}
	b.buckets[hash] = append(b.buckets[hash], &bucket{labels: groupLabels, members: []alert.Member{m}})
}

// muted tells what withholds openings on this branch.
func (b *branch) muted(in Input) alert.Hold {
	if name := b.muteName(in); name != "" {
		return alert.Hold{Cause: alert.CauseMuted, By: name}
	}
	return alert.Hold{}
}

// muteName is the schedule that withholds openings on this branch, "" for none.
func (b *branch) muteName(in Input) string {
	if b.mute == nil {
		active := ""
		for _, name := range b.node.Mute {
			if s := in.Schedules[name]; s != nil && s.Active(in.Now) {
				active = name
				break
			}
		}
		b.mute = &active
	}
	return *b.mute
}

// groups collects the groups of the tree, one for each receiver.
func (b *branch) groups() []alert.Group {
	var all []alert.Group
	b.collect(&all)
	slices.SortStableFunc(all, func(a, b alert.Group) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Key, b.Key))
	})
	kept := all[:0]
	for _, g := range all {
		if last := len(kept) - 1; last >= 0 && kept[last].Receiver == g.Receiver && kept[last].Key == g.Key {
			kept[last].Members = union(kept[last].Members, g.Members)
			continue
		}
		kept = append(kept, g)
	}
	return kept
}

func (b *branch) collect(all *[]alert.Group) {
	for _, sameHash := range b.buckets {
		for _, bucket := range sameHash {
			key := groupKey(b.key, bucket.labels)
			for _, receiver := range b.receivers {
				*all = append(*all, alert.Group{
					Receiver: receiver, Key: key, Labels: bucket.labels,
					Wait: b.node.Wait, Interval: b.node.Interval, Repeat: b.node.Repeat,
					Members: bucket.members,
				})
			}
		}
	}
	for _, child := range b.children {
		child.collect(all)
	}
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

// union merges members, both ordered by fingerprint, each alert once. One that is not held on one of the ways is not
// held. It makes a new slice: receivers share the old ones.
func union(a, b []alert.Member) []alert.Member {
	merged := make([]alert.Member, 0, max(len(a), len(b)))
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Alert.Fingerprint < b[0].Alert.Fingerprint:
			merged, a = append(merged, a[0]), a[1:]
		case len(a) == 0 || b[0].Alert.Fingerprint < a[0].Alert.Fingerprint:
			merged, b = append(merged, b[0]), b[1:]
		default:
			m := a[0]
			if !b[0].Held.Holds() {
				m.Held = alert.Hold{}
			}
			merged, a, b = append(merged, m), a[1:], b[1:]
		}
	}
	return merged
}

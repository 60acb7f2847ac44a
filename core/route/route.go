// Package route decides who should know of which alerts: a pure function of the alerts, the route tree and whatever
// withholds openings (silences, inhibitions, schedules). It has no clock.
//
// [Desired] is that function. A [Router] gives the same answer step by step, at a cost that follows from what changed.
package route

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
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
	Fallback  *alert.Fallback
	Mute      []string // names of [Input.Schedules]: while one of them is active, nothing opens here
	Routes    []*Node
}

// Input is all that the decision depends on.
type Input struct {
	Alerts      []alert.Alert // in any order; those that neither fire nor are resolved are ignored. Not to be changed afterwards
	Root        *Node
	Now         time.Time
	Silences    []Silence
	Inhibitions []Inhibition
	Schedules   map[string]Schedule
	Acks        map[alert.Fingerprint]alert.Ack // those that do not count any more are ignored. Not to be changed afterwards
}

// Desired returns what every receiver should know: firing and resolved alerts, grouped, ordered by receiver and key.
//
// The key of a group is the one that Alertmanager makes, {}/{severity="page"}:{alertname="X"}: the matchers on the way
// down and the group's labels. So it stays the same across restarts and as long as route and labels do. Where two
// routes lead to the same receiver and key, they make one group with the timers of the first; what is withheld on one
// of the ways only is not withheld.
func Desired(in Input) []alert.Group { return New(in).Changed() }

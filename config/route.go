package config

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Route is a route block: who hears of which alerts. What a nested route leaves out it has from the one around it.
type Route struct {
	To             []string          // references of notifiers: "pagerduty.oncall"; never empty
	Matchers       []*labels.Matcher // all must hold; the root has none
	GroupBy        []string          // label names, or "..." alone for all
	GroupWait      time.Duration
	GroupInterval  time.Duration
	RepeatInterval time.Duration
	Continue       bool // go on with the next route after a match
	Routes         []*Route
	Mute           []string  // names of schedules; as in Alertmanager nested routes do not inherit them
	Fallback       *Fallback // nil: none
	Range          Range     `json:"-"`
}

// Fallback is who hears of it if delivery does not succeed in time.
type Fallback struct {
	After time.Duration
	To    []string
	Range Range `json:"-"`
}

// Defaults of the root route, as in Alertmanager.
const (
	defaultGroupWait      = 30 * time.Second
	defaultGroupInterval  = 5 * time.Minute
	defaultRepeatInterval = 4 * time.Hour
)

// route decodes the route tree. There is exactly one root.
func (l *loader) route() *Route {
	blocks := l.blocks["route"]
	if len(blocks) == 0 {
		l.missingf(l.firstBlock(), "No route", "Nobody would hear of any alert. Add a block: route { to = [notifier.KIND.NAME] }.")
		return nil
	}
	l.onlyOne(blocks, "There is one root: put routes for particular alerts inside of it.")
	root := &Route{GroupWait: defaultGroupWait, GroupInterval: defaultGroupInterval, RepeatInterval: defaultRepeatInterval}
	return l.routeNode(blocks[0], root, true)
}

// firstBlock is the place of the first rule or notifier, to complain at about what is missing.
func (l *loader) firstBlock() hcl.Range {
	for _, blockType := range []string{"rule", "notifier"} {
		if blocks := l.blocks[blockType]; len(blocks) > 0 {
			return headerRange(blocks[0])
		}
	}
	return hcl.Range{}
}

func (l *loader) routeNode(block *hcl.Block, outer *Route, root bool) *Route {
	b := l.open(block, []string{"to", "match", "group_by", "group_wait", "group_interval", "repeat_interval", "continue", "mute"},
		hcl.BlockHeaderSchema{Type: "route"}, hcl.BlockHeaderSchema{Type: "fallback"})
	r := &Route{
		To: outer.To, GroupBy: outer.GroupBy, Fallback: outer.Fallback,
		GroupWait:      b.duration("group_wait", outer.GroupWait, 0),
		GroupInterval:  b.duration("group_interval", outer.GroupInterval, time.Millisecond),
		RepeatInterval: b.duration("repeat_interval", outer.RepeatInterval, time.Millisecond),
		Continue:       b.boolean("continue", false),
		Matchers:       l.matchList(b, "match"),
		Range:          rangeOf(headerRange(block)),
	}
	if b.has("to") {
		r.To = l.receivers(b, "to")
	} else if root {
		b.require("to", "who hears of alerts that no nested route takes.")
	}
	if b.has("group_by") {
		r.GroupBy = l.groupBy(b)
	}
	if root {
		l.checkRoot(b)
	}
	r.Mute = l.mute(b)
	var fallbacks hcl.Blocks
	for _, inner := range b.content.Blocks {
		if inner.Type == "route" {
			r.Routes = append(r.Routes, l.routeNode(inner, r, false))
			continue
		}
		fallbacks = append(fallbacks, inner)
	}
	l.onlyOne(fallbacks, "A route has one fallback.")
	for _, inner := range fallbacks {
		r.Fallback = l.fallback(inner)
	}
	return r
}

// checkRoot complains about what only nested routes may say.
func (l *loader) checkRoot(b body) {
	for _, name := range []string{"match", "continue", "mute"} {
		if b.has(name) {
			l.errorf(b.nameAt(name), "Not in the root route", "The root route takes every alert, so it has no %s. Put it into a nested route.", name)
		}
	}
}

// receivers decodes a list of notifiers.
func (l *loader) receivers(b body, name string) (refs []string) {
	items, ok := b.listOf(name, "notifiers (notifier.KIND.NAME)")
	if ok && len(items) == 0 {
		l.errorf(b.at(name), "Nobody to tell", "%s is empty: name at least one notifier.", name)
	}
	for _, i := range items {
		ref, ok := strings.CutPrefix(i.text, "notifier.")
		switch {
		case !ok || !strings.Contains(ref, "."):
			l.errorf(i.expr.Range(), "Not a notifier", "%s is a list of references such as notifier.pagerduty.oncall, not of names.%s", name, l.referenceHint(i))
		case !l.checkNotifier(ref, i.expr.Range()):
		case slices.Contains(refs, ref):
			l.errorf(i.expr.Range(), "Duplicate notifier", "notifier.%s is in the list already.", ref)
		default:
			refs = append(refs, ref)
		}
	}
	return refs
}

// referenceHint finds the notifier that a plain name was meant to be.
func (l *loader) referenceHint(i item) string {
	if i.secret {
		return ""
	}
	for _, ref := range l.names("notifier") {
		_, name, _ := strings.Cut(ref, ".")
		if i.text == ref || i.text == name {
			return " Did you mean notifier." + ref + "?"
		}
	}
	return ""
}

func (l *loader) groupBy(b body) []string {
	items, _ := b.list("group_by")
	names := []string{}
	for _, i := range items {
		switch {
		case i.text == "..." && len(items) > 1:
			l.errorf(i.expr.Range(), "Invalid group_by", "\"...\" groups by all labels and stands alone.")
		case i.text != "..." && !model.LegacyValidation.IsValidLabelName(i.text):
			l.errorf(i.expr.Range(), "Invalid group_by", "%q is not a label name: use letters, digits and _, a letter first.", i.text)
		case slices.Contains(names, i.text):
			l.errorf(i.expr.Range(), "Invalid group_by", "%q is in the list already.", i.text)
		default:
			names = append(names, i.text)
		}
	}
	return names
}

func (l *loader) mute(b body) (names []string) {
	if !b.has("mute") {
		return nil
	}
	items, _ := b.list("mute")
	for _, i := range items {
		name, ok := strings.CutPrefix(i.text, "schedule.")
		if !ok {
			l.errorf(i.expr.Range(), "Not a schedule", "mute is a list of references such as schedule.nightly_backup.")
			continue
		}
		if _, known := l.declared["schedule"][name]; !known {
			l.missingf(i.expr.Range(), "Unknown schedule", "There is no block schedule %q.%s", name, didYouMean(name, l.names("schedule")))
			continue
		}
		names = append(names, name)
	}
	return names
}

func (l *loader) fallback(block *hcl.Block) *Fallback {
	b := l.open(block, []string{"after", "to"})
	f := &Fallback{Range: rangeOf(headerRange(block))}
	if b.require("after", "how long to wait for a delivery, such as \"2m\".") {
		f.After = b.duration("after", 0, time.Second)
	}
	if b.require("to", "who hears of it then.") {
		f.To = l.receivers(b, "to")
	}
	return f
}

package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Source is a source block: where samples come from.
type Source struct {
	Kind, Name string   // with for_each the name is that of the copy: node["db"]
	Key        string   // of for_each; "" without
	Targets    []string // host:port or URL, as configured
	Interval   time.Duration
	Timeout    time.Duration // at most Interval
	Labels     map[string]string
	Settings   json.RawMessage // the plugin's part: a JSON object with sorted keys, without defaults. Holds secrets
	Secrets    []string        // the strings in Settings that must not be shown
	Range      Range           `json:"-"`
}

// Defaults of source blocks.
const (
	defaultInterval = 15 * time.Second
	defaultTimeout  = 10 * time.Second
	leastInterval   = 10 * time.Millisecond
)

// sources decodes all source blocks.
func (l *loader) sources() (all []Source) {
	for _, b := range l.blocks["source"] {
		name := b.Labels[0] + "." + b.Labels[1]
		if !l.isFirst(b, name) {
			continue
		}
		taken := map[string]string{}
		l.copies(b, func(copied each) {
			s := l.source(b, copied)
			l.checkSharedTargets(b, s, taken)
			all = append(all, s)
		})
	}
	return all
}

// checkSharedTargets complains about a copy that collects the same series as one before it. taken has the keys of the
// copies before, by target and labels.
func (l *loader) checkSharedTargets(block *hcl.Block, s Source, taken map[string]string) {
	for _, target := range s.Targets {
		series := fmt.Sprintf("%q %q", target, s.Labels)
		if other, shared := taken[series]; shared && other != s.Key {
			l.errorf(headerRange(block), "Duplicate target", "The copies %q and %q have the target %s and the same labels, so nobody could tell their series apart. Give them labels that differ, such as labels = { each = each.key }.",
				other, s.Key, target)
			return
		}
		taken[series] = s.Key
	}
}

func (l *loader) source(block *hcl.Block, copied each) Source {
	b, settings := l.openPlugin(block, copied, "source", []string{"targets", "interval", "timeout", "labels", "for_each"})
	s := Source{
		Kind: block.Labels[0], Name: strings.TrimPrefix(copied.name, block.Labels[0]+"."), Key: copied.key, Settings: settings.json, Secrets: settings.secrets,
		Interval: b.duration("interval", defaultInterval, leastInterval),
		Labels:   l.labelsOf(b, "labels"),
		Range:    rangeOf(headerRange(block)),
	}
	s.Timeout = b.duration("timeout", min(defaultTimeout, s.Interval), leastInterval)
	if s.Timeout > s.Interval {
		l.errorf(b.at("timeout"), "Timeout longer than interval", "A collection must be over before the next begins: timeout is %s, interval %s.", formatDuration(s.Timeout), formatDuration(s.Interval))
	}
	if b.require("targets", "where to collect from, such as [\"10.0.0.11:9113\"].") {
		s.Targets = l.targets(b)
	}
	return s
}

func (l *loader) targets(b body) []string {
	items, ok := b.list("targets")
	if ok && len(items) == 0 {
		l.errorf(b.at("targets"), "No targets", "%s has nothing to collect from.", describe(b.block))
	}
	seen := map[string]bool{}
	for _, t := range items {
		switch u, err := url.Parse(t.text); {
		case t.text == "" || strings.ContainsAny(t.text, " \t\r\n"):
			l.errorf(t.expr.Range(), "Invalid target", "A target is host:port or a URL, without spaces.")
		case strings.Contains(t.text, "://") && (err != nil || u.Host == ""):
			l.errorf(t.expr.Range(), "Invalid target", "This URL names no host.")
		case seen[t.text]:
			l.errorf(t.expr.Range(), "Duplicate target", "This target is in the list already.")
		}
		seen[t.text] = true
	}
	return texts(items)
}

// labelsOf decodes an attribute of labels and checks their names.
func (l *loader) labelsOf(b body, name string) map[string]string {
	items := b.table(name)
	if items == nil {
		return nil
	}
	set := map[string]string{}
	for _, i := range items {
		switch {
		case strings.HasPrefix(i.key, "__"):
			l.errorf(i.expr.Range(), "Invalid label", "%q: names that begin with __ are reserved.", i.key)
		case !model.LegacyValidation.IsValidLabelName(i.key):
			l.errorf(i.expr.Range(), "Invalid label", "%q is not a label name: use letters, digits and _, a letter first.", i.key)
		case i.secret:
			l.errorf(i.expr.Range(), "Sensitive value in a label", "Labels are shown everywhere. If the value of %s may be, say so with nonsensitive(…).", i.key)
		default:
			set[i.key] = i.text
		}
	}
	return set
}

// Job is the label by which series of the source are known, as in Prometheus: the name of the block, which all its
// copies share, unless it has a label of its own.
func (s Source) Job() string {
	if job, ok := s.Labels[model.JobLabel]; ok {
		return job
	}
	return unkeyed(s.Name, s.Key)
}

// mayMatch tells whether a selector can match series of the source: it contradicts none of the labels known here.
// named is set if a matcher speaks of the source's own labels.
func (s Source) mayMatch(matchers []*labels.Matcher) (match, named bool) {
	for _, m := range matchers {
		value, known := s.Labels[m.Name]
		if m.Name == model.JobLabel {
			value, known = s.Job(), true
		}
		if !known {
			continue
		}
		if !m.Matches(value) {
			return false, false
		}
		named = true
	}
	return true, named
}

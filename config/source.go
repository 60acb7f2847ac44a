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
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Source is a source block: where samples come from.
type Source struct {
	Kind, Name    string   // with for_each the name is that of the copy: node["db"]
	Key           string   // of for_each; "" without
	Targets       []string // host:port or URL, as configured
	Interval      time.Duration
	Timeout       time.Duration // at most Interval
	Labels        map[string]string
	Discoveries   []Discovery       // find more targets
	Relabel       []*relabel.Config // of targets
	MetricRelabel []*relabel.Config // of series
	HonorLabels   bool              // a page's label wins over the target's of the same name
	Limits        Limits

	Settings json.RawMessage // the plugin's part: a JSON object with sorted keys, without defaults. Holds secrets
	Secrets  []string        // the strings in Settings that must not be shown
	Range    Range           `json:"-"`
}

// Limits bound what a source may bring; 0 is unlimited.
type Limits struct {
	Targets     int  // after relabelling
	Samples     int  // of a page, after relabelling
	Labels      int  // of a series
	LabelNames  int  // bytes of a label's name
	LabelValues int  // bytes of a label's value
	Fail        bool // a page over a limit fails the collection, as in Prometheus; else what fits is kept
}

// sourceArguments are those that every source takes, whatever its plugin takes.
var sourceArguments = []string{
	"targets", "interval", "timeout", "labels", "for_each", "honor_labels",
	"target_limit", "sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit", "limit_action",
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
	kinds := l.discoveryKinds()
	b, settings := l.openPlugin(block, copied, "source", sourceArguments, sourceBlocks(kinds)...)
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
	s.HonorLabels = b.boolean("honor_labels", false)
	s.Relabel, s.MetricRelabel = l.relabelRules(b, "relabel"), l.relabelRules(b, "metric_relabel")
	s.Limits = limits(b)
	var secrets []string
	s.Discoveries, secrets = l.discoveries(b, kinds, block.Type+"."+copied.name)
	s.Secrets = append(s.Secrets, secrets...)
	if len(s.Discoveries) > 0 && !b.has("targets") {
		return s
	}
	if b.require("targets", "where to collect from, such as [\"10.0.0.11:9113\"], unless a block such as file_sd finds that out.") {
		s.Targets = l.targets(b)
	}
	return s
}

// limits decodes the limits of a source.
func limits(b body) Limits {
	const most = 1 << 31
	limit := func(name string) int { return int(b.integer(name, 0, 0, most)) }
	return Limits{
		Targets: limit("target_limit"), Samples: limit("sample_limit"), Labels: limit("label_limit"),
		LabelNames: limit("label_name_length_limit"), LabelValues: limit("label_value_length_limit"),
		Fail: b.oneOf("limit_action", "keep", "keep", "fail") == "fail",
	}
}

// discoveryKinds are the ways to find targets, with what each takes. Without a catalog none is known.
func (l *loader) discoveryKinds() map[string]schema.Block {
	if l.catalog == nil {
		return nil
	}
	return l.catalog.Discoveries()
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

// FixedLabels tells that all series of the source carry its labels, whatever relabelling, discovery and pages say.
func (s Source) FixedLabels() bool {
	return len(s.Relabel)+len(s.MetricRelabel)+len(s.Discoveries) == 0 && !s.HonorLabels
}

// mayMatch tells whether a selector can match series of the source: it contradicts none of the labels known here.
// named is set if a matcher speaks of the source's own labels.
func (s Source) mayMatch(matchers []*labels.Matcher) (match, named bool) {
	for _, m := range matchers {
		value, known := s.Labels[m.Name]
		if m.Name == model.JobLabel {
			value, known = s.Job(), true
		}
		if !known || !s.FixedLabels() {
			continue
		}
		if !m.Matches(value) {
			return false, false
		}
		named = true
	}
	return true, named
}

package api

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	"github.com/prometheus/alertmanager/matcher/parse"
	amlabels "github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// ParseMatchers reads filters such as alertname="X", with Alertmanager's own parsers: the one that takes UTF-8, and
// where that fails the older one, as Alertmanager does by default.
func ParseMatchers(filters []string) ([]*labels.Matcher, error) {
	var all []*labels.Matcher
	for _, filter := range filters {
		matchers, err := parse.Matchers(filter)
		if err != nil {
			classic, classicErr := amlabels.ParseMatchers(filter)
			if classicErr != nil {
				return nil, fmt.Errorf("bad matcher %q: %w", filter, err)
			}
			matchers = classic
		}
		for _, m := range matchers {
			converted, err := labels.NewMatcher(matchTypes[m.Type], m.Name, m.Value)
			if err != nil {
				return nil, fmt.Errorf("bad matcher %q: %w", filter, err)
			}
			all = append(all, converted)
		}
	}
	return all, nil
}

var matchTypes = map[amlabels.MatchType]labels.MatchType{
	amlabels.MatchEqual: labels.MatchEqual, amlabels.MatchNotEqual: labels.MatchNotEqual,
	amlabels.MatchRegexp: labels.MatchRegexp, amlabels.MatchNotRegexp: labels.MatchNotRegexp,
}

func matchesAll(matchers []*labels.Matcher, ls frame.Labels) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// alertFilter says which alerts are asked for.
type alertFilter struct {
	matchers                                        []*labels.Matcher
	receiver                                        *regexp.Regexp // nil: any
	active, silenced, inhibited, muted, unprocessed bool
}

func parseAlertFilter(query url.Values) (f alertFilter, err error) {
	if f.matchers, err = ParseMatchers(query["filter"]); err != nil {
		return f, err
	}
	if _, err = ParseMatchers(query["receiver_matchers"]); err != nil {
		return f, err
	}
	for name, flag := range map[string]*bool{
		"active": &f.active, "silenced": &f.silenced, "inhibited": &f.inhibited, "muted": &f.muted, "unprocessed": &f.unprocessed,
	} {
		if *flag, err = boolean(query, name); err != nil {
			return f, err
		}
	}
	if pattern := query.Get("receiver"); pattern != "" {
		if f.receiver, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
			return f, fmt.Errorf("receiver is no regular expression: %w", err)
		}
	}
	return f, nil
}

// boolean is a query parameter that is true unless it says otherwise.
func boolean(query url.Values, name string) (bool, error) {
	if !query.Has(name) {
		return true, nil
	}
	value, err := strconv.ParseBool(query.Get(name))
	if err != nil {
		return false, fmt.Errorf("%s must be true or false, not %q", name, query.Get(name))
	}
	return value, nil
}

// shows tells whether an alert is asked for, whoever receives it.
func (f *alertFilter) shows(a *Alert) bool {
	switch {
	case !a.Routed:
		if !f.unprocessed {
			return false
		}
	case !a.suppressed():
		if !f.active {
			return false
		}
	case len(a.SilencedBy) > 0 && !f.silenced, len(a.InhibitedBy) > 0 && !f.inhibited, len(a.MutedBy) > 0 && !f.muted:
		return false
	}
	return matchesAll(f.matchers, a.Labels)
}

// receives tells whether one of the receivers is asked for.
func (f *alertFilter) receives(refs []string) bool {
	return f.receiver == nil || slices.ContainsFunc(refs, f.receiver.MatchString)
}

package window

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// ParseSelector reads an instant vector selector of PromQL, such as http_requests_total{code=~"5.."}. As in
// Prometheus it must name a metric or have at least one matcher that does not match the empty string.
func ParseSelector(s string) ([]*labels.Matcher, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(s)
	if err != nil {
		return nil, fmt.Errorf("selector %q: %w", s, firstParseError(err))
	}
	if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches("") }) {
		return nil, fmt.Errorf("selector %q would read every series: name a metric or add a matcher that does not match the empty string", s)
	}
	return matchers, nil
}

// firstParseError leaves out the position in a file, which the parser counts from the start of the selector.
func firstParseError(err error) error {
	if all, ok := errors.AsType[parser.ParseErrors](err); ok && len(all) > 0 {
		return all[0].Err
	}
	if one, ok := errors.AsType[*parser.ParseErr](err); ok {
		return one.Err
	}
	return err
}

// selector is a set of matchers that one or more views read by.
type selector struct {
	key      string
	hash     uint64            // of key, stable across processes
	matchers []*labels.Matcher // on labels other than the metric's name
	name     string            // the metric, "" where not one exact name is asked for
	except   [][]*labels.Matcher

	windows map[*View]int64           // milliseconds, the longest of each view; guarded by Store.mu
	targets atomic.Pointer[[]*Target] // that may carry series of this selector; replaced under Store.mu
}

func newSelector(matchers []*labels.Matcher, except [][]*labels.Matcher) *selector {
	s := &selector{key: selectorKey(matchers, except), except: except, windows: make(map[*View]int64)}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.key)) // never fails
	s.hash = h.Sum64()
	for _, m := range matchers {
		if m.Name == frame.MetricName && m.Type == labels.MatchEqual && m.Value != "" && s.name == "" {
			s.name = m.Value
			continue
		}
		s.matchers = append(s.matchers, m)
	}
	s.targets.Store(new([]*Target))
	return s
}

// selectorKey is the same for the same sets of matchers.
func selectorKey(matchers []*labels.Matcher, except [][]*labels.Matcher) string {
	exceptions := make([]string, len(except))
	for i, e := range except {
		exceptions[i] = " except " + matchersKey(e)
	}
	slices.Sort(exceptions)
	return matchersKey(matchers) + strings.Join(slices.Compact(exceptions), "")
}

func matchersKey(matchers []*labels.Matcher) string {
	parts := make([]string, len(matchers))
	for i, m := range matchers {
		parts[i] = m.String()
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ",")
}

// matches tells whether a series of the metric s.name (or of any, if that is empty) is selected.
func (s *selector) matches(ls frame.Labels) bool {
	for _, m := range s.matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return !slices.ContainsFunc(s.except, func(e []*labels.Matcher) bool {
		return !slices.ContainsFunc(e, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
	})
}

// contradicts tells whether no series of a target can be selected, because its series carry the target's labels.
func (s *selector) contradicts(target frame.Labels) bool {
	for _, m := range s.matchers {
		if v := target.Get(m.Name); v != "" && !m.Matches(v) {
			return true
		}
	}
	return slices.ContainsFunc(s.except, func(e []*labels.Matcher) bool {
		return !slices.ContainsFunc(e, func(m *labels.Matcher) bool {
			v := target.Get(m.Name)
			return v == "" || !m.Matches(v)
		})
	})
}

// add and remove keep the list of targets; the caller holds Store.mu.
func (s *selector) add(t *Target) {
	if old := *s.targets.Load(); !slices.Contains(old, t) {
		list := append(slices.Clone(old), t)
		s.targets.Store(&list)
	}
}

func (s *selector) remove(t *Target) {
	list := slices.DeleteFunc(slices.Clone(*s.targets.Load()), func(other *Target) bool { return other == t })
	s.targets.Store(&list)
}

// readers are the hashes of the selectors that read a page before a restart.
type readers map[uint64]struct{}

// would tells whether a series that these selectors match would have been known before the restart.
func (r readers) would(selectors []*selector) bool {
	return r == nil || slices.ContainsFunc(selectors, func(s *selector) bool { _, ok := r[s.hash]; return ok })
}

package rehearsal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Coverage is what of a configuration tests have exercised. Everything of the configuration is named in All; what was
// exercised, in Done.
type Coverage struct {
	Rules     Part // that fired
	Routes    Part // that took an alert that fired
	Receivers Part // that were told
	Branches  Part // of templates that were rendered
}

// Part is one kind of thing to be covered.
type Part struct {
	All  []Place         // in the order of the configuration
	Done map[string]bool // by Place.Key
}

// Place is one thing to be covered.
type Place struct {
	Key   string // identity
	Name  string // for people
	Range config.Range
}

// String is where and what.
func (p Place) String() string {
	if p.Range.File == "" {
		return p.Name
	}
	return p.Range.String() + ": " + p.Name
}

// Missing are the things that were not exercised.
func (p Part) Missing() (missing []Place) {
	for _, place := range p.All {
		if !p.Done[place.Key] {
			missing = append(missing, place)
		}
	}
	return missing
}

// Add adds what another test has exercised.
func (c *Coverage) Add(other Coverage) {
	for _, pair := range [][2]*Part{{&c.Rules, &other.Rules}, {&c.Routes, &other.Routes}, {&c.Receivers, &other.Receivers}, {&c.Branches, &other.Branches}} {
		mine, theirs := pair[0], pair[1]
		if mine.Done == nil {
			mine.Done = map[string]bool{}
		}
		known := map[string]bool{}
		for _, place := range mine.All {
			known[place.Key] = true
		}
		for _, place := range theirs.All {
			if !known[place.Key] {
				mine.All = append(mine.All, place)
			}
		}
		for key := range theirs.Done {
			mine.Done[key] = true
		}
	}
}

// coverage finds out which rules fired, which routes took an alert, and who was told.
func (p *play) coverage(events []Event) Coverage {
	var c Coverage
	for _, part := range []*Part{&c.Rules, &c.Routes, &c.Receivers} {
		part.Done = map[string]bool{}
	}
	c.Branches = p.branches.part()
	for _, cfg := range p.versions {
		one := Coverage{}
		for _, r := range cfg.Rules {
			one.Rules.All = append(one.Rules.All, Place{r.Name, r.Name, r.Range})
		}
		for _, n := range cfg.Notifiers {
			one.Receivers.All = append(one.Receivers.All, Place{n.Ref(), n.Ref(), n.Range})
		}
		one.Routes.routes(cfg.Route)
		c.Add(one)
	}
	for _, e := range events {
		switch {
		case e.Request != nil && e.Request.Heard:
			c.Receivers.Done[e.Request.Notifier] = true
		case e.Decision != nil && e.Decision.Kind == alert.KindTransition && e.Decision.To == alert.Firing.String():
			c.Rules.Done[e.Decision.Rule] = true
			for _, cfg := range p.versions {
				c.Routes.take(cfg.Route, e.Decision)
			}
		}
	}
	return c
}

// routes adds a route and those inside of it.
func (p *Part) routes(r *config.Route) {
	p.All = append(p.All, Place{r.Range.String(), fmt.Sprintf("route at line %d", r.Range.Line), r.Range})
	for _, child := range r.Routes {
		p.routes(child)
	}
}

// take marks the routes that take an alert as it fires.
func (p *Part) take(root *config.Route, d *alert.Decision) {
	for _, r := range taken(root, d, true) {
		p.Done[r.Range.String()] = true
	}
}

// taken are the routes that take an alert, as core/route decides it.
func taken(r *config.Route, d *alert.Decision, root bool) (all []*config.Route) {
	if !root && !matches(r.Matchers, d.Labels) {
		return nil
	}
	for _, child := range r.Routes {
		inside := taken(child, d, false)
		all = append(all, inside...)
		if len(inside) > 0 && !child.Continue {
			break
		}
	}
	if len(all) == 0 {
		all = append(all, r)
	}
	return all
}

// warnings are about rules that failed, and about series of the test that no rule reads: the likeliest reasons for a test
// that sees nothing.
func (p *play) warnings() (all []Failure) {
	for _, e := range p.broken() {
		if !strings.Contains(e.Decision.Reason, notDeterministic) {
			all = append(all, Failure{p.test.Range, fmt.Sprintf("at %s, %s", since(e.At), e.Decision.Reason)})
		}
	}
	for i := range p.test.Series {
		s := &p.test.Series[i]
		for _, samples := range s.Samples {
			if !p.isRead(s, samples.Labels) {
				all = append(all, Failure{samples.Range, fmt.Sprintf("no rule reads %s of %s", samples.Text, s.Source)})
			}
		}
	}
	return all
}

// isRead tells whether a rule may select a series: it is not contradicted by what the page says of it. What the
// target adds, and what relabelling makes of it, is not known here.
func (p *play) isRead(s *config.TestSeries, ls labels.Labels) bool {
	for _, cfg := range p.versions {
		if sourceOf(cfg, s.Source) == nil {
			continue
		}
		for _, r := range cfg.Rules {
			if slices.ContainsFunc(r.Selectors(), func(m []*labels.Matcher) bool { return mayMatch(m, ls) }) {
				return true
			}
		}
	}
	return false
}

func mayMatch(matchers []*labels.Matcher, ls labels.Labels) bool {
	for _, m := range matchers {
		if ls.Has(m.Name) && !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// matches tells whether an alert has what a route asks for.
func matches(matchers []*labels.Matcher, ls frame.Labels) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

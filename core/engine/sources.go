package engine

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/discovery"
	"github.com/tocsinhq/tocsin/core/scrape"
)

// collector serves a source block: the world's, or a plugin process.
func (e *Engine) collector(ctx context.Context, s config.Source) (c scrape.Collector, err error) {
	if e.options.World.Collector != nil {
		c, err = e.options.World.Collector(s)
	} else {
		c, err = e.plugins.Source(ctx, s.Kind, s.Name, s.Settings, e.programs.env("source", s.Kind), s.Secrets...)
	}
	return e.tapped(s, c), err
}

// discoveries are what finds targets for a source: the world's, or what its blocks say.
func (e *Engine) discoveries(s config.Source) (all []scrape.Discovery, err error) {
	if e.options.World.Discoveries != nil {
		return e.options.World.Discoveries(s), nil
	}
	for i, d := range s.Discoveries {
		found, err := discovery.New(discovery.Options{
			Kind: d.Kind, Settings: d.Settings, Dir: d.Dir, Logger: e.logger.With().Str("source", sourceName(s)).Logger(),
		})
		if err != nil {
			return nil, err
		}
		all = append(all, e.tappedDiscovery(s, i, found))
	}
	return all, nil
}

// sourceName is how the parts of the engine call a source: "http.gateway".
func sourceName(s config.Source) string { return s.Kind + "." + s.Name }

// reads tells whether a selector can match series of the source: none of its matchers contradicts the labels that the
// source gives to all its series. Labels that a page brings along are not known here.
func reads(matchers []*labels.Matcher, s config.Source) bool {
	for _, m := range matchers {
		value, known := s.Labels[m.Name]
		if m.Name == "job" && !known {
			value, known = s.Job(), true
		}
		if known && s.FixedLabels() && !m.Matches(value) {
			return false
		}
	}
	return true
}

// sourcesOf returns the sources that a rule with these selectors reads, and the longest of their intervals: how often the rule is judged.
func sourcesOf(selectors [][]*labels.Matcher, sources []config.Source) (names []string, interval time.Duration) {
	for _, s := range sources {
		for _, matchers := range selectors {
			if !reads(matchers, s) {
				continue
			}
			names = append(names, sourceName(s))
			interval = max(interval, s.Interval)
			break
		}
	}
	return names, interval
}

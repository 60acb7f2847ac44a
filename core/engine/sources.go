package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/discovery"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// prepareSources starts and configures the source plugins.
func (e *Engine) prepareSources(ctx context.Context, s *setup) error {
	for _, block := range s.config.Sources {
		collector, err := e.prepareCollector(ctx, s, block)
		if err != nil {
			return fmt.Errorf("%s: source %q %q: %w", block.Range, block.Kind, block.Name, err)
		}
		discoveries, err := e.discoveries(block)
		if err != nil {
			return fmt.Errorf("%s: source %q %q: %w", block.Range, block.Kind, block.Name, err)
		}
		apart := block
		apart.Targets = nil // they come and go without the others noticing
		limits := block.Limits
		s.sources = append(s.sources, scrape.Source{
			Name: sourceName(block), Version: config.Version(apart), Job: block.Job(), Collector: collector,
			Targets: block.Targets, Discoveries: discoveries, Interval: block.Interval, Timeout: block.Timeout,
			Labels: block.Labels, HonorLabels: block.HonorLabels, Relabel: block.Relabel, MetricRelabel: block.MetricRelabel,
			Limits: scrape.Limits{
				Fail: limits.Fail, Targets: limits.Targets, Series: limits.Samples,
				Labels: limits.Labels, LabelNames: limits.LabelNames, LabelValues: limits.LabelValues,
			},
		})
	}
	return nil
}

// prepareCollector serves a source block: with what the world has for it, or with a plugin process.
func (e *Engine) prepareCollector(ctx context.Context, s *setup, block config.Source) (*collector, error) {
	name := "source " + sourceName(block)
	version := config.Version(block.Kind, block.Name, block.Settings, block.Secrets)
	if e.options.Capture != nil {
		version += block.Interval.String() // is captured too
	}
	if e.options.World.Collector != nil {
		return obtain(s, name, version, func() (*collector, func(context.Context) error, error) {
			plugin, err := e.options.World.Collector(block)
			own := &collector{Collector: e.tapped(block, plugin)}
			return own, own.close, err
		})
	}
	processes := s.processes
	version += s.named[pluginsPart].version
	return obtain(s, name, version, func() (*collector, func(context.Context) error, error) {
		plugin, err := processes.Source(ctx, block.Kind, block.Name, block.Settings, processes.programs.env("source", block.Kind), block.Secrets...)
		if err != nil {
			return nil, nil, err
		}
		own := &collector{Collector: e.tapped(block, plugin)}
		own.inProcess(processes, plugin.Close)
		return own, own.close, nil
	})
}

// collector is a source plugin as core/scrape sees it.
type collector struct {
	uses
	scrape.Collector
}

// Collect implements [scrape.Collector].
func (c *collector) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	c.calls.Add(1)
	defer c.calls.Done()
	return c.Collector.Collect(ctx, t)
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

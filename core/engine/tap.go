package engine

import (
	"context"
	"errors"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// tap writes what comes back from the targets of a source to the capture, before anything is made of it: other
// relabelling, other limits and other rules can then be tried on it.
type tap struct {
	collector scrape.Collector
	source    config.Source
	to        *capture.Recorder
}

// Collect implements [scrape.Collector].
func (t *tap) Collect(ctx context.Context, target source.Target) (source.Collection, error) {
	asked := time.Now()
	c, err := t.collector.Collect(ctx, target)
	if !errors.Is(ctx.Err(), context.Canceled) { // that the engine stops says nothing about the target
		from := capture.Target{Source: sourceName(t.source), Address: target.Address, Interval: t.source.Interval}
		t.to.Answered(from, asked, time.Since(asked), c, err)
	}
	return c, err
}

// tapped is a collector whose answers are captured, if there is a capture.
func (e *Engine) tapped(s config.Source, c scrape.Collector) scrape.Collector {
	if e.options.Capture == nil {
		return c
	}
	return &tap{collector: c, source: s, to: e.options.Capture}
}

// tappedDiscovery is a discovery whose announcements are captured, if there is a capture.
func (e *Engine) tappedDiscovery(s config.Source, place int, d scrape.Discovery) scrape.Discovery {
	if e.options.Capture == nil {
		return d
	}
	return &discoveryTap{Discovery: d, source: sourceName(s), place: place, to: e.options.Capture}
}

// discoveryTap writes what is found to the capture.
type discoveryTap struct {
	scrape.Discovery
	source string
	place  int
	to     *capture.Recorder
}

// Run implements [scrape.Discovery].
func (t *discoveryTap) Run(ctx context.Context, announce func([]source.Group)) {
	t.Discovery.Run(ctx, func(groups []source.Group) {
		t.to.Found(capture.Found{Source: t.source, Discovery: t.place, Groups: groups})
		announce(groups)
	})
}

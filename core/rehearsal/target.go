package rehearsal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Targets are what is collected from, whoever plays them: the series of a test here, a capture elsewhere. They are asked
// from several goroutines.
type Targets interface {
	// Answer is what a target of a source answers when it is asked at that time, and how long it takes to. The layout is
	// the same as before for as long as the columns are. An error is a collection that failed.
	Answer(source, target string, at time.Time) (source.Collection, time.Duration, error)

	// Discoveries find the targets of a source that are not in its block.
	Discoveries(config.Source) []scrape.Discovery
}

// collector collects from the targets of one source, with the faults of the test.
type collector struct {
	life    *life
	source  string
	targets Targets
}

var errRefused = errors.New("connection refused (the test says so)")

// Collect implements [scrape.Collector].
func (c *collector) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	p, since := c.life.play, time.Since(c.life.start)
	switch p.targetFault(c.source, t.Address, since) {
	case config.KindFail:
		return source.Collection{}, errRefused
	case config.KindLate:
		<-ctx.Done()
		return source.Collection{}, context.Cause(ctx)
	case config.KindGone:
		return source.Collection{Frame: frame.Frame{Layout: nobody}}, nil
	}
	answer, took, err := c.targets.Answer(c.source, t.Address, p.test.Start.Add(since))
	if took > 0 {
		wait := time.NewTimer(took)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return source.Collection{}, context.Cause(ctx)
		}
	}
	return answer, err
}

// found are targets that were found at once.
type found []source.Found

// Run implements [scrape.Discovery].
func (f found) Run(ctx context.Context, announce func([]source.Group)) {
	announce([]source.Group{{Targets: f}})
	<-ctx.Done()
}

// nobody is the layout of a page without series.
var nobody = &frame.Layout{}

// written are the series of a test. Targets of which it says nothing expose nothing.
type written struct {
	start   time.Time
	targets map[string]*page // by source and address
	found   map[string]found // by source: targets that are not in its block
}

// page is what one target exposes.
type page struct {
	series []exposed
	shown  []int // columns of the last frame
	layout *frame.Layout
	next   []int
	values []float64
}

// exposed is one series of a page.
type exposed struct {
	frame.Series
	interval time.Duration
	values   []float64
}

// newWritten takes the series of a test. A source is that of the first version of the configuration that has it.
func newWritten(test *config.Test, versions []*config.Config) *written {
	w := &written{start: test.Start, targets: map[string]*page{}, found: map[string]found{}}
	for i := range test.Series {
		s := &test.Series[i]
		src := sourceIn(versions, s.Source)
		if src == nil {
			continue // that was complained about
		}
		interval := s.Interval
		if interval == 0 {
			interval = src.Interval
		}
		target := targetOf(s, src)
		key := pageKey(s.Source, target)
		p := w.targets[key]
		if p == nil {
			p = &page{}
			w.targets[key] = p
			if !slices.Contains(src.Targets, target) {
				w.found[s.Source] = append(w.found[s.Source], source.Found{Address: target})
			}
		}
		for _, samples := range s.Samples {
			s := exposed{Series: seriesOf(samples.Labels), interval: interval, values: samples.Values}
			p.series = append(append(p.series, s), s.parts(samples.Native)...)
		}
	}
	return w
}

func pageKey(source, target string) string { return source + "\x00" + target }

// targetOf is the target that a series block speaks of: the first of the source if it does not say, and one by the name
// of the source if that finds its targets elsewhere.
func targetOf(s *config.TestSeries, src *config.Source) string {
	switch {
	case s.Target != "":
		return s.Target
	case len(src.Targets) > 0:
		return src.Targets[0]
	}
	return src.Name
}

func sourceIn(versions []*config.Config, name string) *config.Source {
	for _, cfg := range versions {
		if s := sourceOf(cfg, name); s != nil {
			return s
		}
	}
	return nil
}

func sourceOf(cfg *config.Config, name string) *config.Source {
	for i := range cfg.Sources {
		if s := &cfg.Sources[i]; s.Kind+"."+s.Name == name {
			return s
		}
	}
	return nil
}

// seriesOf names a column. Its kind is guessed from its name, as exporters name their series.
func seriesOf(ls labels.Labels) frame.Series {
	s := frame.Series{Kind: frame.Gauge}
	var all []frame.Label
	ls.Range(func(l labels.Label) { all = append(all, frame.Label{Name: l.Name, Value: l.Value}) })
	s.Labels = frame.NewLabels(all...)
	name := s.Labels.Get(frame.MetricName)
	switch {
	case strings.HasSuffix(name, "_total"):
		s.Kind = frame.Counter
	case strings.HasSuffix(name, "_bucket"), strings.HasSuffix(name, "_count"), strings.HasSuffix(name, "_sum"):
		s.Kind = frame.Histogram
	}
	return s
}

// Discoveries implements [Targets]: what a test speaks of has been found.
func (w *written) Discoveries(s config.Source) []scrape.Discovery {
	if len(s.Discoveries) == 0 {
		return nil
	}
	return []scrape.Discovery{w.found[s.Kind+"."+s.Name]}
}

// Answer implements [Targets]: of each series the last sample that was written for then or before.
func (w *written) Answer(from, target string, at time.Time) (source.Collection, time.Duration, error) {
	p := w.targets[pageKey(from, target)]
	if p == nil {
		return source.Collection{Frame: frame.Frame{Layout: nobody}}, 0, nil
	}
	return source.Collection{Frame: p.at(at.Sub(w.start))}, 0, nil
}

// at is the page at a time since the start.
func (p *page) at(since time.Duration) frame.Frame {
	p.next = p.next[:0]
	values := p.values[:0]
	for i := range p.series {
		s := &p.series[i]
		n := int(since / s.interval)
		if since < 0 || n >= len(s.values) || value.IsStaleNaN(s.values[n]) {
			continue
		}
		p.next, values = append(p.next, i), append(values, s.values[n])
	}
	p.values = values
	if p.layout == nil || !slices.Equal(p.next, p.shown) {
		p.shown, p.layout = slices.Clone(p.next), &frame.Layout{}
		for _, i := range p.shown {
			p.layout.Series = append(p.layout.Series, p.series[i].Series)
		}
	}
	return frame.Frame{Layout: p.layout, Values: values}
}

// end is how long after the start the last sample is exposed.
func (w *written) end() (last time.Duration) {
	for _, p := range w.targets {
		for _, s := range p.series {
			last = max(last, time.Duration(len(s.values))*s.interval)
		}
	}
	return last
}

// targetFault is what is wrong with a target at a time, "" for nothing.
func (p *play) targetFault(source, target string, since time.Duration) string {
	for i := range p.test.Faults {
		f := &p.test.Faults[i]
		if f.What == config.FaultScrape && f.Source == source && (f.Target == "" || f.Target == target) && within(f, since) {
			return f.Kind
		}
	}
	return ""
}

// within tells whether a fault is there at a time.
func within(f *config.TestFault, since time.Duration) bool {
	return since >= f.From && (f.To == 0 || since < f.To)
}

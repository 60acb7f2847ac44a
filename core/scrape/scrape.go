// Package scrape decides when to collect from which target, names what comes back, and knows how each target fares.
//
// Every target has a slot in each interval, offset by a hash of its identity so that targets spread over the interval,
// the same after every restart. It is collected from once a slot and never twice at a time. A slot ends with a row in
// the target's windows: the page and the series about the collection, or those alone if it failed. When all targets of a
// source have ended a slot, the source's round is over and its rules can be evaluated.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/relabel"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Options are what a manager needs. Open is required.
type Options struct {
	Logger zerolog.Logger

	// Open makes the windows of a target; labels are those that all its series carry.
	Open func(target frame.Labels, interval time.Duration) Windows

	// OnRound hears once of each slot of a source, in order, when every target of it answered, failed or timed out. At is
	// the time of the newest row. Calls for one source follow each other; a slow one delays only that source's rounds.
	OnRound func(source string, at time.Time)

	// OnCollect hears of every collection, from many goroutines. It must not block. May be nil.
	OnCollect func(Observation)
}

// Windows keep what one target gave.
type Windows interface {
	Append(page, health frame.Frame) error
	Miss(health frame.Frame)
	Close()
}

// Collector collects from the targets of one source, from several at a time.
type Collector interface {
	Collect(ctx context.Context, t source.Target) (source.Collection, error)
}

// Discovery finds targets.
type Discovery interface {
	// Run announces all groups that there are, each time they change, until ctx ends. Until the first announcement
	// the discovery has found nothing; what it cannot read it does not announce, so that targets stay.
	Run(ctx context.Context, announce func([]source.Group))
}

// Source is one configured source.
type Source struct {
	Name        string // http.gateway
	Version     string // of the configuration of everything but Targets: what [Manager.Apply] goes by
	Job         string // the label job of its series
	Collector   Collector
	Targets     []string
	Discoveries []Discovery
	Interval    time.Duration
	Timeout     time.Duration // 0: the interval; longer than the interval: the interval
	Labels      map[string]string
	HonorLabels bool // a page's label wins over the target's of the same name, which else goes on as exported_NAME

	Relabel       []*relabel.Config // of targets, before anything is collected
	MetricRelabel []*relabel.Config // of series, before limits apply
	Limits        Limits
}

// Limits bound what a source may bring. What is over a limit is left out and said; zero is unlimited.
type Limits struct {
	Fail        bool  // a page over a limit fails the collection, as in Prometheus, instead of being kept in part
	Targets     int   // after relabelling
	Series      int   // on a page, after relabelling
	Bytes       int64 // of a page, uncompressed
	Labels      int   // of a series, the target's own included
	LabelNames  int   // bytes of a label's name
	LabelValues int   // bytes of a label's value
}

// Observation is one collection, for those who watch.
type Observation struct {
	Source   string
	Target   string
	At       time.Time // of the row
	Duration time.Duration
	Samples  int   // on the page
	Err      error // nil if the collection was good

	Interval time.Duration // between collections, as configured
	Since    time.Duration // since the collection before; 0 for the first
}

// Manager collects from the targets of all sources.
type Manager struct {
	options Options

	mu      sync.Mutex
	started bool        // guarded by mu
	sources []*schedule // guarded by mu; replaced as a whole, never changed in place

	stop     context.Context // done when Stop is called
	stopNow  context.CancelFunc
	collects sync.WaitGroup // targets and their collections
}

// New returns a manager that does nothing yet.
func New(o Options) *Manager {
	m := &Manager{options: o}
	m.stop, m.stopNow = context.WithCancel(context.Background())
	return m
}

// Start begins to collect. All sources are checked before anything is opened.
func (m *Manager) Start(sources []Source) error {
	if err := Check(sources); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.started:
		return errors.New("start scraping: it is started already")
	case m.stop.Err() != nil:
		return errors.New("start scraping: it was stopped")
	}
	m.started = true
	for _, s := range sources {
		m.sources = append(m.sources, m.prepare(s))
	}
	for _, s := range m.sources {
		s.open()
	}
	return nil
}

// Apply makes the sources those of a new configuration. All are checked before anything is touched. A source with the
// same Name, Version and Collector goes on, and so do those of its targets that are still there; windows of targets that
// are opened again with the same labels go on with the samples they had.
func (m *Manager) Apply(sources []Source) error {
	if err := Check(sources); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.started || m.stop.Err() != nil {
		return errors.New("change sources: scraping does not run")
	}
	old := map[string]*schedule{}
	for _, s := range m.sources {
		old[s.source.Name] = s
	}
	kept := map[string]bool{}
	for _, s := range sources {
		if o := old[s.Name]; o != nil && o.source.Version == s.Version && o.source.Collector == s.Collector {
			kept[s.Name] = true
		}
	}
	next := make([]*schedule, len(sources))
	for i, s := range sources {
		if kept[s.Name] {
			next[i] = old[s.Name]
		} else {
			next[i] = m.prepare(s) // before its predecessor goes: that would look as if targets had been taken away
		}
	}
	for name, s := range old {
		if !kept[name] {
			s.remove()
		}
	}
	for i, s := range sources {
		if kept[s.Name] {
			next[i].announce(0, configured(s.Targets))
		} else {
			next[i].open()
		}
	}
	m.sources = next
	return nil
}

// Check finds what would make sources unusable, in [Manager.Start] and [Manager.Apply].
func Check(sources []Source) error {
	var faults []error
	names := map[string]bool{}
	for _, s := range sources {
		faults = append(faults, s.check())
		if names[s.Name] {
			faults = append(faults, fmt.Errorf("source %s is there twice", s.Name))
		}
		names[s.Name] = true
	}
	return errors.Join(faults...)
}

func (s *Source) check() error {
	switch {
	case s.Collector == nil:
		return fmt.Errorf("source %s: nothing to collect with", s.Name)
	case s.Interval < time.Millisecond:
		return fmt.Errorf("source %s: interval %s is shorter than a millisecond", s.Name, s.Interval)
	case s.Timeout < 0:
		return fmt.Errorf("source %s: timeout %s is negative", s.Name, s.Timeout)
	}
	return nil
}

// Stop ends all collections and waits for them, at most until ctx is done. Windows that the manager opened stay as
// they are: after a stop the engine may still evaluate. Rounds that were over are told before Stop returns.
func (m *Manager) Stop(ctx context.Context) error {
	m.mu.Lock() // a Start or Apply that is under way ends first
	m.stopNow()
	m.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends when the last collector returns
		defer close(done)
		m.collects.Wait()
		for _, s := range m.schedules() {
			s.close()
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop scraping: collections are still running: %w", context.Cause(ctx))
	}
}

func (m *Manager) schedules() []*schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sources
}

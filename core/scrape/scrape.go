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

// Source is one configured source.
type Source struct {
	Name      string // http.gateway
	Job       string // the label job of its series
	Collector Collector
	Targets   []string
	Interval  time.Duration
	Timeout   time.Duration // 0: the interval; longer than the interval: the interval
	Labels    map[string]string
	Limits    Limits
}

// Limits bound what one page may bring. What is over a limit is left out and said; zero is unlimited.
type Limits struct {
	Series      int   // on a page
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
}

// Manager collects from the targets of all sources.
type Manager struct {
	options Options

	mu      sync.Mutex
	started bool        // guarded by mu
	sources []*schedule // guarded by mu; not changed after Start

	stop     context.Context // done when Stop is called
	stopNow  context.CancelFunc
	collects sync.WaitGroup // targets and their collections
	rounds   sync.WaitGroup
}

// New returns a manager that does nothing yet.
func New(o Options) *Manager {
	m := &Manager{options: o}
	m.stop, m.stopNow = context.WithCancel(context.Background())
	return m
}

// Start begins to collect. All sources are checked before anything is opened.
func (m *Manager) Start(sources []Source) error {
	var faults []error
	for _, s := range sources {
		faults = append(faults, s.check())
	}
	if err := errors.Join(faults...); err != nil {
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
	now := time.Now()
	for _, s := range sources {
		m.sources = append(m.sources, m.open(s, now))
	}
	for _, s := range m.sources {
		m.rounds.Go(s.rounds.run)
		for _, t := range s.targets {
			m.collects.Go(func() { t.run(m.stop) })
		}
		if len(s.targets) == 0 {
			m.collects.Go(func() { s.tick(m.stop) })
		}
	}
	return nil
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
	m.mu.Lock() // a Start that is under way ends first
	m.stopNow()
	m.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends when the last collector returns
		defer close(done)
		m.collects.Wait()
		m.mu.Lock()
		sources := m.sources
		m.mu.Unlock()
		for _, s := range sources {
			s.rounds.close()
		}
		m.rounds.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop scraping: collections are still running: %w", context.Cause(ctx))
	}
}

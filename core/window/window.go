// Package window keeps the recent past of every series that somebody reads, in columns.
//
// Each scraped [Target] has two slabs: one for its page, whose rows come with every good collection, and one for the
// series that the engine itself makes about the collection (up and its kin), whose rows come every time. In a slab
// each series lies contiguous in a ring as long as the longest window that reads it, and all series share the
// timestamps of the rows. Series that no [View] reads are not kept at all: memory follows the rules, not the exporters.
//
// # What a window sees
//
// A window (start, end] holds the samples with start < t ≤ end. increase, rate and delta also use a baseline: the
// series' last sample at or before start, if that one is younger than start − max(window, 3 intervals). So what one
// window counts begins where the window before ended: increases over windows that follow each other add up to the
// increase over all of them, nothing is extrapolated, nothing is counted twice. After an outage longer than that bound
// counting starts afresh, for growth of unknown age must not look like growth of the last minutes.
//
// A counter that falls was reset and counts from 0, as in Prometheus. A series that was not on its target's page at
// one collection and is at the next began between them: it is born, and counts from 0 too (Prometheus sees no increase
// there and so misses the first errors of a new endpoint). Prometheus' stale marker in place of a value says that the
// series was not there either. A series that was there at the first collection since the
// target was opened is not born; neither is one that comes back with at least the value it left with, nor one that
// appears together with more series than the page had before (an exporter that reached its database again).
//
// Reductions with too few samples (none, or one without a baseline where a difference is asked for) yield no value.
//
// # Memory
//
// Samples lie in rings, of 8 bytes each. A window of more than 480 rows has its newest rows there and the others
// compressed; only series that bring their own times are never compressed. What a [Log] was told of is there again after
// a restart, see [Store.Restore].
package window

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Options are what a store may be told. The zero value is usable.
type Options struct {
	Logger zerolog.Logger
}

// Store holds the windows of all targets. Its methods may be called concurrently.
type Store struct {
	logger     zerolog.Logger
	demand     atomic.Pointer[demand] // what is read; replaced under mu, never changed
	generation atomic.Uint64          // of dictionaries, over all views: no two dictionaries share one
	log        Log                    // nil: nothing is recorded
	chunk      int                    // rows of a chunk of long windows

	mu struct {
		sync.Mutex
		targets   []*Target
		closed    []*Target // their samples wait for a target of the same labels, see Open
		selectors map[string]*selector
		latest    uint64 // number of a target
	}
}

// New returns an empty store.
func New(o Options) *Store {
	s := &Store{logger: o.Logger, chunk: defaultChunk}
	s.demand.Store(&demand{})
	s.mu.selectors = make(map[string]*selector)
	return s
}

// Open begins a target. Its labels tell which selectors could ever read it, the interval sizes its rings and tells
// when a target has been silent for too long. A target that was closed a moment ago and is opened again with the same
// labels, as a reload does, goes on with the samples it had.
func (s *Store) Open(target frame.Labels, interval time.Duration) *Target {
	t := &Target{store: s, labels: target, interval: max(interval.Milliseconds(), 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetClosed()
	for i, old := range s.mu.closed {
		if old.labels.Equal(target) {
			s.mu.closed = slices.Delete(s.mu.closed, i, i+1)
			t.adopt(old)
			break
		}
	}
	if t.page == nil {
		t.page, t.health = newSlab(t.interval, s.chunk), newSlab(t.interval, s.chunk)
		s.mu.latest++
		t.scribe.id = s.mu.latest
	}
	s.mu.targets = append(s.mu.targets, t)
	for _, sel := range s.mu.selectors {
		if !sel.contradicts(target) || t.page.bound[sel] != nil || t.health.bound[sel] != nil {
			sel.add(t)
		}
	}
	return t
}

// close takes a target out of all views.
func (s *Store) close(t *Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.mu.targets, t)
	if i < 0 {
		return
	}
	s.mu.targets = slices.Delete(s.mu.targets, i, i+1)
	for _, sel := range s.mu.selectors {
		sel.remove(t)
	}
	t.closedAt = time.Now()
	s.forgetClosed()
	s.mu.closed = append(s.mu.closed, t)
}

// forgetClosed drops what closed targets left once no window could see it. The caller holds mu.
func (s *Store) forgetClosed() {
	longest := s.demand.Load().longest
	s.mu.closed = slices.DeleteFunc(s.mu.closed, func(t *Target) bool { return time.Since(t.closedAt) > longest })
}

// matched tells that a series of t matches sel although the labels of t spoke against it.
func (s *Store) matched(sel *selector, t *Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.mu.targets, t) {
		sel.add(t)
	}
}

// Stats are sizes and losses of a store.
type Stats struct {
	Targets    int
	Series     int // that are kept
	Samples    int // that the rings have room for
	Bytes      int // of the rings, and of what is compressed
	Compressed int // bytes of chunks

	OutOfOrder uint64 // samples dropped for a time at or before the last one of their series, or far in the future
	Duplicates uint64 // series dropped because their page had the same one twice
}

// Stats adds up all targets.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	targets := slices.Clone(s.mu.targets)
	s.mu.Unlock()
	sum := Stats{Targets: len(targets)}
	for _, t := range targets {
		t.mu.RLock()
		for _, slab := range t.slabs() {
			slab.addTo(&sum)
		}
		t.mu.RUnlock()
	}
	return sum
}

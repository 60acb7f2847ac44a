package window

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// ErrOutOfOrder is wrapped by the error of an Append whose row is not newer than the row before.
var ErrOutOfOrder = errors.New("row is not newer than the last one")

// ErrClosed is wrapped by the error of an Append to a target that was closed.
var ErrClosed = errors.New("target is closed")

// Target is what is collected from one place. Append and Miss come from one goroutine at a time.
type Target struct {
	store    *Store
	labels   frame.Labels
	interval int64     // milliseconds
	closedAt time.Time // guarded by Store.mu

	mu sync.RWMutex
	// guarded by mu
	page    *slab // nil after Close and adoption
	health  *slab
	closed  bool
	answer  answer
	resumed bool // after a restart, and not collected since
	scribe  scribe
}

// answer is how the latest collections ended.
type answer struct {
	ok   bool // the latest one
	ever bool // at least one since the target was opened
}

// Append takes a good collection: the page, relabelled and with the target's labels, and the series about the
// collection itself. It keeps neither frame but the layouts, which must not change afterwards. The error wraps
// [ErrOutOfOrder] if a row was dropped for its time, [ErrClosed] after Close; other errors are frames that do not fit
// their layout, of which nothing is kept.
func (t *Target) Append(page, health frame.Frame) error {
	if err := errors.Join(page.Check(), health.Check()); err != nil {
		return fmt.Errorf("append to the windows of %s: %w", t.labels, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return fmt.Errorf("append to the windows of %s: %w", t.labels, ErrClosed)
	}
	t.resume(page.Time)
	t.bind(page.Layout, health.Layout)
	t.answer = answer{ok: true, ever: true}
	failed, unwell := t.page.append(page), t.health.append(health)
	t.record(recordCollection, page.Time, taken(&page, failed), taken(&health, unwell))
	if err := errors.Join(failed, unwell); err != nil {
		return fmt.Errorf("append to the windows of %s: %w", t.labels, err)
	}
	return nil
}

// taken is a row unless it was refused.
func taken(f *frame.Frame, refused error) *frame.Frame {
	if refused != nil {
		return nil
	}
	return f
}

// Miss takes a failed collection: the page's series have no sample at this time, the ones about the collection do.
func (t *Target) Miss(health frame.Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.resume(health.Time)
	t.answer.ok = false
	t.page.missed(health.Time)
	if err := health.Check(); err != nil {
		t.store.logger.Error().Err(err).Stringer("target", t.labels).Msg("health series dropped")
		t.record(recordMiss, health.Time, nil, nil)
		return
	}
	t.bind(t.page.layout, health.Layout)
	refused := t.health.append(health)
	t.record(recordMiss, health.Time, nil, taken(&health, refused))
	if refused != nil {
		t.store.logger.Debug().Err(refused).Stringer("target", t.labels).Msg("health series dropped")
	}
}

// Close ends the target: it was taken out of the configuration or of discovery. Its series leave all windows at once,
// which is health, not blindness.
func (t *Target) Close() {
	t.mu.Lock()
	t.closed = true
	for _, s := range t.slabs() {
		s.gone.Store(true)
	}
	t.mu.Unlock()
	t.store.close(t)
}

// slabs are both slabs; the caller holds mu.
func (t *Target) slabs() []*slab {
	if t.page == nil {
		return nil
	}
	return []*slab{t.page, t.health}
}

// adopt takes over the slabs of a closed target.
func (t *Target) adopt(old *Target) {
	old.mu.Lock()
	defer old.mu.Unlock()
	t.page, t.health, t.answer = old.page, old.health, old.answer
	t.scribe, t.resumed = old.scribe, old.resumed
	t.scribe.page.demand = nil // a snapshot at this moment would miss the target: the next record is the whole state
	old.page, old.health = nil, nil
	for _, s := range t.slabs() {
		s.gone.Store(false)
		s.setInterval(t.interval)
	}
}

// bind brings both slabs up to the demand and to their layouts; the caller holds mu for writing.
func (t *Target) bind(page, health *frame.Layout) {
	d := t.store.demand.Load()
	for _, sel := range append(t.page.bind(page, d), t.health.bind(health, d)...) {
		if sel.contradicts(t.labels) { // but one of its pages' series did not carry the target's label
			t.store.matched(sel, t)
		}
	}
}

// rlock locks for reading, with the bindings as the demand wants them. It tells whether there is anything to read.
func (t *Target) rlock() bool {
	for {
		t.mu.RLock()
		if t.closed {
			t.mu.RUnlock()
			return false
		}
		if d := t.store.demand.Load(); t.page.demand == d && t.health.demand == d {
			return true
		}
		t.mu.RUnlock()
		t.mu.Lock()
		if !t.closed {
			t.bind(t.page.layout, t.health.layout)
		}
		t.mu.Unlock()
	}
}

// A hole is a row in which a series has no sample. It never leaves this package: windows have no NaN for it. The bits
// are Prometheus' stale marker, so that a source that forwards one means the same.
const holeBits = 0x7ff0000000000002

var hole = math.Float64frombits(holeBits)

func isHole(v float64) bool { return math.Float64bits(v) == holeBits }

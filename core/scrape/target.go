package scrape

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// errBusy is the failure of a slot that began while an earlier collection had not returned.
var errBusy = errors.New("the collection before has not returned yet")

// target is one target with its timer. Its fields are used by run alone, but for status.
type target struct {
	source  *Source
	id      source.Target
	labels  frame.Labels
	slots   slots
	rounds  *rounds
	windows Windows
	runner  *runner
	observe func(Observation)
	logger  zerolog.Logger

	columns columns
	health  health
	busy    <-chan result // of a collection that has not returned; nil when there is none
	working *sync.WaitGroup
	last    int64 // time of the newest row, Unix milliseconds

	mu     sync.Mutex
	status Status // guarded by mu
}

// result is what a collection returned.
type result struct {
	collection source.Collection
	took       time.Duration
	err        error
}

// run collects once a slot until stop is done.
func (t *target) run(stop context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for slot := t.rounds.doneBy(t.id.ID) + 1; ; {
		// A clock that was set back must not stop the collections: the rows go on from where they were.
		timer.Reset(min(time.Until(t.slots.time(slot)), t.slots.interval))
		select {
		case <-timer.C:
		case <-stop.Done():
			return
		}
		at := t.turn(stop, slot)
		if stop.Err() != nil {
			return
		}
		t.rounds.end(t.id.ID, slot, at)
		next := max(slot+1, t.slots.next(time.Now()))
		if skipped := next - slot - 1; skipped > 0 {
			t.skip(skipped)
		}
		slot = next
	}
}

// turn is one slot: a collection, and a row whatever comes of it. It returns the time of the newest row.
func (t *target) turn(stop context.Context, slot int64) time.Time {
	asked := time.Now()
	at := t.rowTime(slot, asked)
	if t.stillBusy() {
		t.skip(1)
		t.fail(at, 0, errBusy)
		return at
	}
	ctx, cancel := context.WithTimeoutCause(stop, t.id.Timeout, fmt.Errorf("no answer within %s: %w", t.id.Timeout, context.DeadlineExceeded))
	defer cancel()
	answer := make(chan result, 1)
	t.working.Go(func() {
		c, err := t.collect(ctx)
		answer <- result{c, time.Since(asked), err}
	})
	var r result
	select {
	case r = <-answer:
	case <-ctx.Done():
		select {
		case r = <-answer: // came at the last moment
		default:
			r = result{took: time.Since(asked), err: context.Cause(ctx)}
			t.busy = answer
		}
	}
	if stop.Err() != nil {
		return at // half a collection says nothing about the target
	}
	if r.err == nil {
		at, r.err = t.keep(at, r)
	}
	if r.err != nil {
		t.fail(at, r.took, r.err)
	}
	return at
}

// collect asks the source, and takes a panic for an error: one source must not take the others down.
func (t *target) collect(ctx context.Context) (c source.Collection, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the source panicked: %v", p)
		}
	}()
	return t.source.Collector.Collect(ctx, t.id)
}

// stillBusy tells whether the collection of an earlier slot has not returned. What it returned too late is dropped.
func (t *target) stillBusy() bool {
	if t.busy == nil {
		return false
	}
	select {
	case <-t.busy:
		t.busy = nil
		return false
	default:
		return true
	}
}

// rowTime is the moment of the request, or the slot's own time if the request was made nearly then. It always grows.
func (t *target) rowTime(slot int64, asked time.Time) time.Time {
	at := asked
	if planned := t.slots.time(slot); asked.Sub(planned).Abs() <= t.slots.tolerance() || asked.Before(planned) {
		at = planned
	}
	ms := max(at.UnixMilli(), t.last+1)
	t.last = ms
	return time.UnixMilli(ms)
}

// keep puts a good collection into the windows. It returns the time of its newest row: a source may say that its own is
// later than at. An error means that it was none.
func (t *target) keep(at time.Time, r result) (newest time.Time, err error) {
	page := r.collection.Frame
	if page.Layout == nil && len(page.Values) == 0 {
		page.Layout = emptyLayout
	}
	if err := page.Check(); err != nil {
		return at, fmt.Errorf("the source returned a broken frame: %w", err)
	}
	switch own := time.UnixMilli(page.Time); {
	case page.Time == 0:
		page.Time = at.UnixMilli()
	case own.Sub(at) > maxAhead:
		return at, fmt.Errorf("the source returned a frame of the future: %s", own.UTC().Format(time.RFC3339))
	}
	left := t.columns.left
	row, added := t.columns.row(page)
	note := t.columns.left
	if note != left && note != "" {
		t.logger.Warn().Str("left_out", note).Msg("page over its limits")
	}
	if r.collection.Truncated {
		note = "the source left out what was over its limits"
	}
	if note != "" && t.source.Limits.Fail {
		return at, fmt.Errorf("%s (limit_action = \"fail\")", note)
	}
	health := t.health.good(at.UnixMilli(), r.took, len(page.Values), len(row.Values), added)
	if err := t.windows.Append(row, health); err != nil {
		// The target answered, only this row was of no use.
		note = err.Error()
		t.logger.Debug().Err(err).Msg("row dropped")
	}
	t.end(at, r.took, len(page.Values), nil, note)
	if own := time.UnixMilli(page.Time); own.After(at) {
		return own, nil
	}
	return at, nil
}

// maxAhead is how far in the future a source's own time may lie. A row of the year 9999 would otherwise make all that
// follow too old.
const maxAhead = 10 * time.Minute

// emptyLayout is that of a page without series, for sources that do not bother to make one.
var emptyLayout = &frame.Layout{}

// fail ends a slot without a page.
func (t *target) fail(at time.Time, took time.Duration, err error) {
	t.windows.Miss(t.health.failed(at.UnixMilli(), took))
	t.end(at, took, 0, err, "")
}

// end notes how a collection went and tells of it.
func (t *target) end(at time.Time, took time.Duration, samples int, err error, note string) {
	t.mu.Lock()
	before := t.status.Health
	s := &t.status
	seen := Observation{
		Source: t.source.Name, Target: t.id.Address, At: at, Duration: took, Samples: samples, Err: err, Interval: s.Interval,
	}
	if !s.LastScrape.IsZero() {
		seen.Since = at.Sub(s.LastScrape)
	}
	s.LastScrape, s.LastDuration, s.LastSamples, s.Note = at, took, samples, note
	s.Health, s.LastError = Up, ""
	if err != nil {
		s.Health, s.LastError = Down, err.Error()
	}
	now := s.Health
	t.mu.Unlock()
	switch {
	case now == Down && before != Down:
		t.logger.Warn().Err(err).Msg("target is down")
	case now == Up && before == Down:
		t.logger.Info().Msg("target is up again")
	}
	if t.observe != nil {
		t.observe(seen)
	}
}

// skip counts slots without a collection.
func (t *target) skip(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Skipped += uint64(n)
}

// snapshot is a copy of the status.
func (t *target) snapshot() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Labels = slices.Clone(s.Labels)
	return s
}

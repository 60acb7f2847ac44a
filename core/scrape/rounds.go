package scrape

import (
	"sync"
	"time"
)

// rounds finds out when all targets of a source are done with a slot.
type rounds struct {
	tell func(at time.Time) // runs in the goroutine of run

	mu    sync.Mutex
	ready sync.Cond // of mu: told grew, or closed
	// guarded by mu
	done   []int64             // the newest slot that each target ended
	open   map[int64]time.Time // slots that are not over, with their newest row
	told   []time.Time         // rounds that are over, not yet told
	closed bool
}

// newRounds takes the slot before the first of each target.
func newRounds(done []int64, tell func(at time.Time)) *rounds {
	r := &rounds{tell: tell, done: done, open: make(map[int64]time.Time)}
	r.ready.L = &r.mu
	return r
}

// end says that a target ended a slot, and with it all earlier ones, with a row of time at.
func (r *rounds) end(target int, slot int64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[target] = slot
	if at.After(r.open[slot]) {
		r.open[slot] = at
	}
	slowest := slot
	for _, k := range r.done {
		slowest = min(slowest, k)
	}
	// Slots end in order, for each target ends its own in order; there is hardly ever more than one.
	for {
		first, found := int64(0), false
		for k := range r.open {
			if k <= slowest && (!found || k < first) {
				first, found = k, true
			}
		}
		if !found {
			return
		}
		r.over(r.open[first])
		delete(r.open, first)
	}
}

// over queues a round to be told; the caller holds mu.
func (r *rounds) over(at time.Time) {
	r.told = append(r.told, at)
	r.ready.Signal()
}

// run tells of the rounds until close, and of those that were over by then.
func (r *rounds) run() {
	for {
		r.mu.Lock()
		for len(r.told) == 0 && !r.closed {
			r.ready.Wait()
		}
		told := r.told
		r.told = nil
		r.mu.Unlock()
		if len(told) == 0 {
			return
		}
		for _, at := range told {
			r.tell(at)
		}
	}
}

func (r *rounds) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.ready.Signal()
}

// doneBy is the newest slot that a target ended.
func (r *rounds) doneBy(target int) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[target]
}

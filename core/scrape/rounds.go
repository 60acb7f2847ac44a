package scrape

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// rounds finds out when all targets of a source are done with a slot. Targets may come and go.
type rounds struct {
	tell func(at time.Time) // runs in the goroutine of run

	mu    sync.Mutex
	ready sync.Cond // of mu: told grew, or closed
	// guarded by mu
	done   map[string]int64    // the newest slot that each target ended
	count  map[int64]int       // how many targets stand at a slot: there are few slots, and may be many targets
	open   map[int64]time.Time // slots that are not over, with their newest row
	told   []time.Time         // rounds that are over, not yet told
	held   bool                // targets are coming and going
	closed bool
}

func newRounds(tell func(at time.Time)) *rounds {
	r := &rounds{tell: tell, done: map[string]int64{}, count: map[int64]int{}, open: map[int64]time.Time{}}
	r.ready.L = &r.mu
	return r
}

// join says that a target takes part from the slot after done on.
func (r *rounds) join(target string, done int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[target] = done
	r.count[done]++
}

// leave says that a target is gone: nobody waits for it any more.
func (r *rounds) leave(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quit(r.done[target])
	delete(r.done, target)
	r.settle()
}

// end says that a target, which takes part, ended a slot, and with it all earlier ones, with a row of time at.
func (r *rounds) end(target string, slot int64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quit(r.done[target])
	r.done[target] = slot
	r.count[slot]++
	if at.After(r.open[slot]) {
		r.open[slot] = at
	}
	r.settle()
}

// hold and release bracket a change of the targets: no round is over in between.
func (r *rounds) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = true
}

func (r *rounds) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = false
	r.settle()
}

// quit takes a target off its slot; the caller holds mu.
func (r *rounds) quit(slot int64) {
	if r.count[slot]--; r.count[slot] == 0 {
		delete(r.count, slot)
	}
}

// settle queues the rounds that are over, in order; the caller holds mu. Slots end in order, for each target ends its
// own in order; there is hardly ever more than one.
func (r *rounds) settle() {
	if r.held || len(r.done) == 0 {
		return
	}
	slowest := slices.Min(slices.Collect(maps.Keys(r.count)))
	var over []int64
	for slot := range r.open {
		if slot <= slowest {
			over = append(over, slot)
		}
	}
	slices.Sort(over)
	for _, slot := range over {
		r.told = append(r.told, r.open[slot])
		delete(r.open, slot)
		r.ready.Signal()
	}
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
func (r *rounds) doneBy(target string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[target]
}

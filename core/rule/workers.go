package rule

import (
	"slices"
	"time"
)

// Rules are evaluated in the order in which they became due, and a rule that takes its time would make all behind it
// wait. So where Options.Slow is set there is one more worker, the express, which takes none but rules that were quick
// the last time, and does so while all other workers are occupied with rules that were not. Nobody knows a rule before
// its first evaluation: it counts as slow.
//
// One that was quick and is slow for once cannot hold its worker either: after Options.Slow another one takes its place.
// That rule waits with the slow ones the next time.

// defaultSlow is a fifth of what a rule may be kept waiting by others.
const defaultSlow = 10 * time.Millisecond

// fuelTime is about what a unit of fuel takes. By their fuel rules are told apart even on a machine that is busy.
const fuelTime = time.Nanosecond

// quick tells whether an evaluation was one that others can wait for. One that failed is not trusted.
func (o *outcome) quick(slow time.Duration) bool {
	took := o.took
	if o.fuel > 0 {
		took = time.Duration(min(o.fuel, 1<<60)) * fuelTime
	}
	return o.err == nil && took < slow
}

// worker evaluates rules, one after the other.
type worker struct {
	*Manager
	express  bool
	timer    *time.Timer // of the evaluation; nil where no worker is replaced
	quick    bool        // it evaluates a rule that was quick; guarded by Manager.mu
	replaced bool        // guarded by Manager.mu
}

// work evaluates rules until the manager stops, or until another worker has taken this one's place.
func (m *Manager) work(express bool) {
	w := &worker{Manager: m, express: express}
	if m.options.Slow > 0 {
		w.timer = time.AfterFunc(m.options.Slow, w.replace)
		defer w.timer.Stop()
	}
	for w.next() {
	}
}

// next waits for a rule and evaluates it. It tells whether to go on.
func (w *worker) next() bool {
	w.mu.Lock()
	r := w.await()
	if r == nil {
		w.mu.Unlock()
		return false
	}
	r.phase = busy
	r.policy.gap = 3 * r.interval
	j := job{running: r, at: r.at, overtaken: r.overtaken}
	r.overtaken = 0
	if w.quick = r.quick; !w.quick {
		w.slow++
		w.wake.Broadcast() // the express may be wanted now
	}
	w.mu.Unlock()

	if w.timer != nil {
		w.timer.Reset(w.options.Slow)
	}
	o := w.evaluate(j)

	w.mu.Lock()
	r.quick = o.quick(w.options.Slow)
	if !w.quick {
		w.slow--
	}
	w.quick = false
	again := !w.replaced
	w.mu.Unlock()
	w.done(j, o)
	return again
}

// await takes the rule out of the queue that is the worker's next; nil when the manager stops. mu is held.
func (w *worker) await() *running {
	for !w.stopping {
		at := -1
		switch {
		case !w.express && len(w.queue) > 0:
			at = 0
		case w.express && w.slow >= w.options.Workers:
			at = slices.IndexFunc(w.queue, func(r *running) bool { return r.quick })
		}
		if at >= 0 {
			r := w.queue[at]
			w.queue = slices.Delete(w.queue, at, at+1)
			return r
		}
		w.wake.Wait()
	}
	return nil
}

// replace sends another worker for one whose rule is not as quick as it was.
func (w *worker) replace() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quick && !w.replaced && !w.stopping {
		w.replaced = true
		w.wg.Go(func() { w.work(w.express) })
	}
}

package rule

import (
	"slices"
	"time"
)

// batch is the rules that one round made due. When all of them were evaluated, and not before, those who act on
// alerts hear of what changed: an alert that inhibits another one must not come after it.
type batch struct {
	open    int // evaluations that are not done
	changed bool
	begun   time.Time
}

const (
	// patience is how long a batch may hold back what changed, for the sake of rules that are not done.
	patience = 5 * time.Second
	// longestSleep bounds how late the clock notices what it cannot foresee.
	longestSleep = 5 * time.Second
)

// rounds is what is known of the rounds of one source.
type rounds struct {
	last     time.Time
	gap      time.Duration // between the last two
	interval time.Duration // the smaller of the last two gaps: one outage does not look like a slower source
}

func (s *rounds) note(at time.Time) {
	if !s.last.IsZero() && at.After(s.last) {
		gap := at.Sub(s.last)
		s.interval = gap
		if s.gap > 0 {
			s.interval = min(gap, s.gap)
		}
		s.gap = gap
	}
	s.last = at
}

// Round says that every target of a source answered or timed out; at is the time of the newest data. Rules that now
// have data of all their sources are due. It does not wait for them.
func (m *Manager) Round(source string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return
	}
	if m.rounds[source] == nil {
		m.rounds[source] = &rounds{}
	}
	m.rounds[source].note(at)
	now := time.Now()
	b := m.begin(now)
	for _, r := range m.bySource[source] {
		r.arrived[source] = at
		if len(r.arrived) < len(r.Sources) {
			continue
		}
		newest := at
		for _, t := range r.arrived {
			if t.After(newest) {
				newest = t
			}
		}
		if r.Interval == 0 {
			r.interval = m.learned(r)
		}
		m.due(r, newest, now, b)
	}
	m.settle(b)
}

// learned is the interval between evaluations of a rule whose definition does not tell. mu is held.
func (m *Manager) learned(r *running) time.Duration {
	var longest time.Duration
	for _, source := range r.Sources {
		if s := m.rounds[source]; s != nil {
			longest = max(longest, s.interval)
		}
	}
	if longest == 0 {
		return defaultInterval
	}
	return longest
}

// due queues a rule, unless it rests. mu is held.
func (m *Manager) due(r *running, at, now time.Time, b *batch) {
	clear(r.arrived)
	r.plan(now)
	if r.ladder.rests(now) {
		r.status.Skipped++
		return
	}
	switch r.phase {
	case idle:
		m.enqueue(r, at, b)
		b.open++
	case queued: // one evaluation, of the newer data, serves both
		r.at = at
		r.overtaken++
	case busy:
		r.phase, r.nextAt, r.next = busyDue, at, b
		b.open++
	case busyDue:
		r.nextAt = at
		r.overtaken++
	}
}

func (m *Manager) enqueue(r *running, at time.Time, b *batch) {
	r.phase, r.at, r.batch = queued, at, b
	m.queue = append(m.queue, r)
	m.wake.Broadcast() // not every worker takes it
}

// plan sets when the rule is due by the clock: at the next multiple of its every, or when data do not come for two
// intervals and a little, since the slowest round that is still on time takes nearly that long.
func (r *running) plan(now time.Time) {
	if r.Every > 0 {
		r.tick = now.Truncate(r.Every).Add(r.Every)
		r.deadline = now.Add(r.tick.Sub(now.Round(0))) // with the monotonic clock, so that a step of the other one does not stop it
		return
	}
	r.deadline = now.Add(2*r.interval + r.interval/4)
}

// done takes a rule back from its evaluation and closes the batch if it was the last one of it.
func (m *Manager) done(j job, o outcome) {
	m.mu.Lock()
	r, now := j.running, time.Now()
	r.note(j, o, now)
	b := r.batch
	b.open--
	b.changed = b.changed || o.changed
	r.batch = nil
	announce := m.release(r, now)
	announce = m.settle(b) || announce
	seen := r.observation(o)
	m.mu.Unlock()
	if m.options.OnEvaluate != nil && !o.stopped {
		m.options.OnEvaluate(seen)
	}
	if announce {
		m.options.OnChange()
	}
}

// take keeps a rule from being evaluated, which it is not just now, until release. mu is held.
func (m *Manager) take(r *running) {
	if r.phase == queued {
		m.queue = slices.DeleteFunc(m.queue, func(q *running) bool { return q == r })
		r.phase, r.nextAt, r.next, r.batch = busyDue, r.at, r.batch, nil
		return
	}
	r.phase = busy
}

// release lets a rule be evaluated that was not until now, at once if it became due in the meantime. It tells whether those
// who act on alerts should look again. mu is held.
func (m *Manager) release(r *running, now time.Time) (announce bool) {
	due, next := r.phase == busyDue, r.next
	r.phase, r.next = idle, nil
	m.freed.Broadcast()
	switch {
	case due && !r.ladder.rests(now):
		m.enqueue(r, r.nextAt, next)
	case due:
		next.open--
		r.status.Skipped++
		return m.settle(next)
	}
	return false
}

func (m *Manager) begin(now time.Time) *batch {
	b := &batch{begun: now}
	m.batches[b] = struct{}{}
	return b
}

// settle forgets a batch that is done and tells whether something changed in it. mu is held.
func (m *Manager) settle(b *batch) (changed bool) {
	if b.open > 0 {
		return false
	}
	delete(m.batches, b)
	return b.changed
}

// clock makes rules due that do not wait for data, or wait in vain.
func (m *Manager) clock() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-timer.C:
		}
		next, overdue := m.tick(time.Now())
		if overdue {
			m.options.OnChange()
		}
		timer.Reset(time.Until(next))
	}
}

// tick does what is due by now and returns when to come again, and whether changes were held back for too long.
func (m *Manager) tick(now time.Time) (next time.Time, overdue bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next = now.Add(longestSleep)
	b := m.begin(now)
	for _, r := range m.rules {
		if !r.deadline.After(now) {
			if r.Every > 0 {
				m.due(r, r.tick, now, b)
			} else {
				if r.phase == idle && !r.ladder.rests(now) {
					r.status.Unprompted++
				}
				m.due(r, now, now, b)
			}
		}
		if r.deadline.Before(next) {
			next = r.deadline
		}
	}
	m.settle(b)
	for b := range m.batches {
		if b.changed && now.Sub(b.begun) >= patience {
			b.changed, overdue = false, true
		}
	}
	return next, overdue
}

// mend writes again and again what storage refused, until it accepts.
func (m *Manager) mend() {
	ticker := time.NewTicker(longestSleep)
	defer ticker.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-ticker.C:
		}
		if _, refused := m.options.Alerts.Refused(); refused != nil {
			m.report("", m.options.Alerts.Flush())
		}
	}
}

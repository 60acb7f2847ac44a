package rule

import "time"

// Memory is what a rule remembers of each instance. Instances that were not asked for during Keep are forgotten, so it
// does not grow with instances that come and go. The zero value is ready.
//
// An evaluation asks for every instance that it sees, also for those it cannot judge this time.
type Memory[T any] struct {
	Keep time.Duration // 0: an hour. Only time in which the rule was evaluated counts

	entries []remembered[T] // in the order in which they came: snapshots of the same state are the same
	index   []uint32        // where in entries an ID is, plus one; 0 is free. Open addressing
	past    past
	heard   int64 // the last evaluation before this one in which every target answered, Unix milliseconds
	swept   int64 // when it was looked for what is to be forgotten, Unix milliseconds
	loaded  bool  // the entries have not been seen yet
}

type remembered[T any] struct {
	id    uint64
	seen  int64 // the evaluation that asked for it last, Unix milliseconds
	value T
}

// past is what is known of the evaluations before this one.
type past struct {
	begun    bool
	sequence uint64
	time     int64
	complete bool // every target answered
	sure     bool // in this evaluation: what is not remembered is new
	restored bool // no evaluation since
}

// DefaultKeep is how long instances that were not seen are remembered, if nothing else is said.
const DefaultKeep = time.Hour

// At is what is remembered of an instance: found tells whether there was anything, else it is the zero value.
// It is there to be changed, until the next call.
func (m *Memory[T]) At(w Window, i Instance) (value *T, found bool) {
	value, found, _ = m.at(w, i)
	return value, found
}

// at also tells whether the instance was not asked for in an evaluation in which every target answered: it was gone, and
// the engine has taken it for healthy.
func (m *Memory[T]) at(w Window, i Instance) (value *T, found, left bool) {
	m.begin(w)
	at := m.find(i.id)
	if n := m.index[at]; n > 0 {
		e := &m.entries[n-1]
		left = e.seen < m.heard
		e.seen = m.past.time
		return &e.value, true, left
	}
	m.entries = append(m.entries, remembered[T]{id: i.id, seen: m.past.time})
	m.index[at] = uint32(len(m.entries))
	if 2*len(m.entries) > len(m.index) {
		m.reindex()
	}
	return &m.entries[len(m.entries)-1].value, false, false
}

// Sure tells whether an instance of which nothing is remembered is a new one. It is not so sure while the rule starts
// afresh ([Window.First]) and after an evaluation in which a target was silent: it may be an instance from before.
func (m *Memory[T]) Sure(w Window) bool {
	m.begin(w)
	return m.past.sure
}

// Len is the number of instances that are remembered.
func (m *Memory[T]) Len() int { return len(m.entries) }

// begin notices another evaluation.
func (m *Memory[T]) begin(w Window) {
	if len(m.index) == 0 {
		m.reindex()
	}
	p := &m.past
	if p.begun && p.sequence == w.w.Sequence && p.time == w.w.Time {
		return
	}
	follows := p.restored || p.begun && w.w.Sequence == p.sequence+1
	before := p.time
	if p.begun && p.complete {
		m.heard = before
	}
	*p = past{
		begun: true, sequence: w.w.Sequence, time: w.w.Time, complete: w.Complete(),
		sure: follows && p.complete && !w.First(),
	}
	if m.loaded {
		m.loaded, m.swept = false, p.time
		for i := range m.entries {
			m.entries[i].seen = p.time - 1 // not asked for yet
		}
		return
	}
	m.sweep(before)
}

// sweep forgets what was last asked for longer than Keep before an evaluation. It looks at everything, and does so
// four times each Keep.
func (m *Memory[T]) sweep(at int64) {
	keep := m.Keep.Milliseconds()
	if m.Keep <= 0 {
		keep = DefaultKeep.Milliseconds()
	}
	if at-m.swept < keep/4 {
		return
	}
	m.swept = at
	kept := m.entries[:0]
	for _, e := range m.entries {
		if e.seen >= at-keep {
			kept = append(kept, e)
		}
	}
	m.cut(len(kept))
}

// has tells whether anything is remembered of an instance, without asking for it.
func (m *Memory[T]) has(id uint64) bool {
	return len(m.index) > 0 && m.index[m.find(id)] > 0
}

// cut forgets all entries after the first n.
func (m *Memory[T]) cut(n int) {
	if n == len(m.entries) {
		return
	}
	clear(m.entries[n:])
	m.entries = m.entries[:n]
	m.reindex()
}

// find returns the place of id in the index, or the free one where it belongs.
func (m *Memory[T]) find(id uint64) int {
	at := slotOf(id, len(m.index))
	for n := m.index[at]; n > 0 && m.entries[n-1].id != id; n = m.index[at] {
		at = (at + 1) & (len(m.index) - 1)
	}
	return at
}

// reindex makes an index that is at most a quarter full.
func (m *Memory[T]) reindex() {
	size := 64
	for size < 4*len(m.entries) {
		size *= 2
	}
	m.index = make([]uint32, size)
	for i := range m.entries {
		m.index[m.find(m.entries[i].id)] = uint32(i) + 1
	}
}

// Save writes what is remembered. The value of each instance is written by each.
func (m *Memory[T]) Save(w *StateWriter, each func(w *StateWriter, value *T)) {
	w.Bool(m.past.complete)
	w.Count(len(m.entries))
	for i := range m.entries {
		w.Uint(m.entries[i].id)
		each(w, &m.entries[i].value)
	}
}

// Load reads what Save wrote, in place of what is remembered. Keep starts anew for every instance.
func (m *Memory[T]) Load(r *StateReader, each func(r *StateReader, value *T)) error {
	complete := r.Bool()
	entries := make([]remembered[T], r.Count(8))
	for i := range entries {
		entries[i].id = r.Uint()
		each(r, &entries[i].value)
		if r.Err() != nil {
			return r.Err()
		}
	}
	m.entries, m.loaded, m.heard = entries, true, 0
	m.past = past{complete: complete, restored: true}
	m.index = nil
	m.reindex()
	for i := range m.entries {
		if int(m.index[m.find(m.entries[i].id)]) != i+1 {
			r.Fail("an instance stands there twice")
		}
	}
	return r.Err()
}

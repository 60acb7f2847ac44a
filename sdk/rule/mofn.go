package rule

import (
	"errors"
	"math/bits"
	"time"
)

// MofN makes an instance active when at least M of its last N evaluations were hits. So one bad minute raises nothing,
// and one good one does not clear what mostly fails.
type MofN struct {
	M, N int           // 1 <= M <= N <= 64
	Keep time.Duration // how long an instance that is not seen is remembered; 0: an hour

	memory Memory[tally]
}

// tally are the last evaluations of an instance, the newest in the lowest bit.
type tally struct {
	hits uint64
	seen uint8 // how many are known, up to N; the others count as misses where the instance is known to be new
}

// Check tells whether M and N are possible. Call it from Configure.
func (m *MofN) Check() error {
	if m.M < 1 || m.N < m.M || m.N > 64 {
		return errors.New("m of n: m must be 1 or more, n at least m and at most 64")
	}
	return nil
}

// Judge counts an evaluation of the instance, once each, and returns what it is now. It is unknown as long as that
// depends on evaluations before the first that is remembered, unless the instance is certain to be new ([Memory.Sure]).
// One that was not asked for in an evaluation in which every target answered was gone: it begins anew.
func (m *MofN) Judge(w Window, i Instance, hit bool) Status {
	t := m.at(w, i)
	t.hits = t.hits << 1 & m.mask()
	if hit {
		t.hits |= 1
	}
	t.seen = uint8(min(int(t.seen)+1, m.N))
	return m.status(t)
}

// Hold keeps an instance in mind that cannot be judged this time, and returns what it was: the evaluation does not count.
func (m *MofN) Hold(w Window, i Instance) Status { return m.status(m.at(w, i)) }

// Hits is how many of the last N evaluations of an instance were hits.
func (m *MofN) Hits(w Window, i Instance) int { return bits.OnesCount64(m.at(w, i).hits) }

func (m *MofN) at(w Window, i Instance) *tally {
	m.memory.Keep = m.Keep
	t, found, left := m.memory.at(w, i)
	if left || !found && m.memory.Sure(w) {
		*t = tally{seen: uint8(m.N)}
	}
	return t
}

func (m *MofN) mask() uint64 { return 1<<m.N - 1 }

func (m *MofN) status(t *tally) Status {
	hits := bits.OnesCount64(t.hits)
	switch {
	case hits >= m.M:
		return Active
	case hits+m.N-int(t.seen) < m.M:
		return Healthy
	}
	return Unknown
}

// Save writes what is remembered.
func (m *MofN) Save(w *StateWriter) {
	m.memory.Save(w, func(w *StateWriter, t *tally) {
		w.Byte(t.seen)
		w.Uint(t.hits)
	})
}

// Load reads what Save wrote, of the same M and N.
func (m *MofN) Load(r *StateReader) error {
	return m.memory.Load(r, func(r *StateReader, t *tally) {
		t.seen, t.hits = r.Byte(), r.Uint()
		if int(t.seen) > m.N || t.hits&^m.mask() != 0 {
			r.Fail("more evaluations than are counted")
		}
	})
}

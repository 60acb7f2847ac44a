package delivery

import (
	"maps"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

const (
	maxWrites      = 500 // records of one commit, so that encoding them holds up nobody
	firstRewrite   = 100 * time.Millisecond
	longestRewrite = 5 * time.Second
	longestGather  = 50 * time.Millisecond
)

// batch is what the writer makes durable together.
type batch struct {
	records map[*record]struct{}
	settled []alert.Fingerprint // reported when it is durable
	done    []chan struct{}     // closed then; whoever joins waits for the first
}

func newBatch() *batch {
	return &batch{records: map[*record]struct{}{}, done: []chan struct{}{make(chan struct{})}}
}

// touch has a record written as it is when its turn comes. The channel is closed when that is durable. The mutex is
// held.
func (l *Ledger) touch(rec *record) (written <-chan struct{}) {
	l.mu.batch.records[rec] = struct{}{}
	signal(l.dirty)
	return l.mu.batch.done[0]
}

// write makes records durable, all that changed meanwhile in one commit. There is one writer, so no record is ever
// overwritten by an older state of itself.
func (l *Ledger) write() {
	defer close(l.writer)
	for {
		last := false
		select {
		case <-l.dirty:
		case <-l.flush:
			last = true
		}
		begun := time.Now()
		l.mu.Lock()
		b := l.mu.batch
		l.mu.batch = newBatch()
		l.mu.writingSince = begun
		l.unlock()
		if !l.writeBatch(b) || last {
			return
		}
		select { // in a storm, as long again: more of what changes shares a commit, and others get at the disk too
		case <-time.After(min(time.Since(begun), longestGather)):
		case <-l.flush:
		}
	}
}

// writeBatch writes until storage takes it, and what changes meanwhile along with it. It returns false where it gave up, at
// the end of Stop's patience.
func (l *Ledger) writeBatch(b *batch) bool {
	rest := slices.Collect(maps.Keys(b.records))
	for pause := firstRewrite; ; pause = min(2*pause, longestRewrite) {
		refused, err := l.commitAll(rest)
		l.noteStorage(err)
		if err == nil {
			break
		}
		if wait(l.hard, pause) != nil {
			return false
		}
		rest = l.absorb(b, refused)
	}
	l.mu.Lock()
	l.mu.writingSince = time.Time{}
	l.unlock()
	for _, done := range b.done {
		close(done)
	}
	if len(b.settled) > 0 {
		slices.Sort(b.settled)
		l.options.Settled(slices.Compact(b.settled))
	}
	return true
}

// commitAll writes records, and returns those that storage refused, and why it did so last.
func (l *Ledger) commitAll(records []*record) (refused []*record, err error) {
	for chunk := range slices.Chunk(records, maxWrites) {
		if e := l.commit(chunk); e != nil { // the others are offered all the same: storage may put down what it refuses
			refused, err = append(refused, chunk...), e
		}
	}
	return refused, err
}

// absorb takes what waits for the next batch into this one, and returns it together with the records that were refused.
func (l *Ledger) absorb(b *batch, refused []*record) []*record {
	l.mu.Lock()
	defer l.unlock()
	next := l.mu.batch
	l.mu.batch = newBatch()
	for _, rec := range refused {
		next.records[rec] = struct{}{}
	}
	b.settled, b.done = append(b.settled, next.settled...), append(b.done, next.done...)
	return slices.Collect(maps.Keys(next.records))
}

// commit writes records as they are now, and deletes those that hold nothing to keep.
func (l *Ledger) commit(records []*record) error {
	writes := make(map[string][]byte, len(records))
	l.mu.Lock()
	for _, rec := range records {
		if now := l.mu.records[recordKey{rec.Receiver, rec.Group}]; now != nil {
			rec = now // it was settled, and there is a new one
		}
		value := rec.encode()
		rec.size = len(value)
		if _, stored := l.stored[rec.storeKey()]; value != nil || stored {
			writes[rec.storeKey()] = value
		}
	}
	l.unlock()
	if len(writes) == 0 {
		return nil
	}
	for key, value := range writes {
		if value != nil {
			l.stored[key] = struct{}{} // perhaps, should the commit fail
		}
	}
	if err := l.options.State.Commit(writes); err != nil {
		return err
	}
	for key, value := range writes {
		if value == nil {
			delete(l.stored, key)
		}
	}
	return nil
}

// noteStorage keeps in mind since when storage refuses, and says so once.
func (l *Ledger) noteStorage(err error) {
	l.mu.Lock()
	defer l.unlock()
	was := l.mu.refused
	l.mu.refused = err
	switch {
	case err != nil && was == nil:
		l.mu.refusedAt = time.Now()
		l.options.Logger.Error().Err(err).Msg("deliveries cannot be recorded: it is tried again, alerts are sent all the same")
	case err == nil && was != nil:
		l.options.Logger.Info().Time("since", l.mu.refusedAt).Msg("deliveries are recorded again")
		l.mu.refusedAt = time.Time{}
	}
}

// Package journal keeps the decision journal: one line for each decision about a rule, an alert or a notification.
//
// It is a file of JSON lines, bounded by rotation, that explains afterwards why somebody was told, or not. It is not
// the state: losing lines costs explanations, never pages, so recording never waits for the disk.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
)

const (
	defaultMaxBytes = 64 << 20
	pending         = 8192 // decisions that may wait for the disk
)

// Options of a journal.
type Options struct {
	Path     string // of the file being written; the older one is Path + ".1"; "": no file, only subscribers hear
	MaxBytes int64  // of both together; 0: 64 MiB
	Logger   zerolog.Logger
}

// Journal writes decisions. Its methods may be called concurrently.
type Journal struct {
	options Options
	entries chan entry
	closing chan struct{}
	closed  sync.Once
	done    chan struct{} // the writer ended
	lost    atomic.Uint64 // decisions for which there was no room

	// What follows belongs to the writer.
	file      *os.File
	size      int64
	torn      bool   // the file ends within a line
	failing   bool   // the last write failed
	overflown uint64 // decisions lost for want of room, to be told
	unwritten uint64 // decisions that the file refused, to be told
	closeErr  error
	space     []alert.Decision // for those of a batch, and
	text      []byte           // for its lines

	subscribers struct {
		sync.Mutex
		next int
		list map[int]func(alert.Decision)
	}
}

// entry is a decision, or a request to be told when all before it are written.
type entry struct {
	decision alert.Decision
	written  chan<- struct{}
}

// Open opens the journal, or begins one. A line that a crash left unfinished stays, and is not read. A disk that refuses
// is no error: lines are lost until it takes them.
func Open(o Options) (*Journal, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	j := &Journal{
		options: o,
		entries: make(chan entry, pending),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	j.subscribers.list = map[int]func(alert.Decision){}
	switch err := j.open(); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open journal: %w", err)
	case err != nil:
		o.Logger.Error().Err(err).Msg("the journal cannot be opened: it is tried again")
		j.failing = true
	}
	go j.write()
	return j, nil
}

// Record adds a decision. It never waits: when the disk is far behind, the decision is lost to the file, and the
// file says how many were.
func (j *Journal) Record(d alert.Decision) {
	select {
	case <-j.closing:
		return
	default:
	}
	select {
	case j.entries <- entry{decision: d}:
	default:
		j.lost.Add(1)
	}
}

// Subscribe has tell called with every decision from now on, in order, after it was written. It must not block: the
// journal waits for it. After cancel it may be called once more.
func (j *Journal) Subscribe(tell func(alert.Decision)) (cancel func()) {
	s := &j.subscribers
	s.Lock()
	defer s.Unlock()
	id := s.next
	s.next++
	s.list[id] = tell
	return func() {
		s.Lock()
		defer s.Unlock()
		delete(s.list, id)
	}
}

// Sync waits until what was recorded before is in the file.
func (j *Journal) Sync() {
	written := make(chan struct{})
	select {
	case j.entries <- entry{written: written}:
	case <-j.done:
		return
	}
	select {
	case <-written:
	case <-j.done:
	}
}

// Close writes what was recorded and closes the file. What is recorded later is ignored.
func (j *Journal) Close() error {
	j.closed.Do(func() { close(j.closing) })
	<-j.done
	return j.closeErr
}

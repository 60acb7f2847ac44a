// Package wal keeps on disk what must survive a restart and changes all the time: whole states, and the records that
// followed them. It knows nothing of what they say.
//
// A log is one file, a segment: first records of the whole state, then those that were appended. When they have become
// longer than the state, the log asks for the state anew, writes it to the next segment and removes the one before; so
// the log is bounded by the size of the state, not by time. Nothing waits for the disk but the log's own goroutine,
// which writes and syncs at an interval: that is what a crash may lose.
//
// When the disk is full, fails or is too slow, records are lost, which is said and counted. The log then begins a new
// segment with the state of that moment, again and again until that succeeds: it heals as soon as the disk does.
//
// The tsdb/wlog package of Prometheus is not used because it cannot do this: after a failed write its segments are
// corrupt, and its repair drops all segments behind a damage.
package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Options of a log.
type Options struct {
	Dir  string        // the log's own
	Sync time.Duration // between two writes; default 1 s

	MaxPending int   // bytes that wait for the disk at most; default 64 MiB
	MinBytes   int64 // of records that a segment may have whatever the size of its state; default 4 MiB
	Logger     zerolog.Logger
}

// Log is a log on disk. Append and Status may be called concurrently.
type Log struct {
	options  Options
	snapshot func(put func(record []byte))
	wake     chan struct{} // much is pending
	closing  chan struct{}
	done     chan struct{}

	// used by run alone
	file    *os.File // nil while the log fails
	number  uint64   // of the newest segment
	size    int64    // of the newest segment
	base    int64    // of that, the state
	retry   time.Time
	backoff time.Duration
	damaged map[string]bool // segments to be put aside rather than removed
	spare   []byte

	mu sync.Mutex
	// guarded by mu
	pending []byte
	broken  bool // records are lost until there is a new segment
	status  Status
}

// Status tells how a log does.
type Status struct {
	Bytes   int64  // on disk
	Written uint64 // records
	Lost    uint64 // records
	Failing error  // why nothing is written at present
}

// Open prepares a log in a directory, which it makes.
func Open(o Options) (*Log, error) {
	if o.Sync <= 0 {
		o.Sync = time.Second
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 64 << 20
	}
	if o.MinBytes <= 0 {
		o.MinBytes = 4 << 20
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the windows' log: %w", err)
	}
	segments, err := list(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the windows' log: %w", err)
	}
	l := &Log{
		options: o, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		damaged: make(map[string]bool),
	}
	if n := len(segments); n > 0 {
		l.number = segments[n-1].number
	}
	return l, nil
}

// Start begins to write. The log then runs until Close. Whenever it begins a segment, snapshot hands over the whole state,
// in as many records as it likes. Records that are appended while it runs may be read before or after those of the
// state: whoever applies them has to know which are older.
func (l *Log) Start(snapshot func(put func(record []byte))) {
	l.snapshot = snapshot
	go l.run()
}

// Append takes a record, which it copies.
func (l *Log) Append(record []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.broken:
		l.status.Lost++
		return
	case len(l.pending)+len(record) > l.options.MaxPending:
		l.broken = true
		l.status.Lost++
		return
	}
	l.pending = appendRecord(l.pending, record)
	l.status.Written++
	if len(l.pending) >= l.options.MaxPending/16 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Status tells how the log does.
func (l *Log) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Close writes what is pending and ends the log.
func (l *Log) Close() error {
	close(l.closing)
	<-l.done
	if err := l.Status().Failing; err != nil {
		return fmt.Errorf("close the windows' log: %w", err)
	}
	return nil
}

// run is the goroutine that owns the files.
func (l *Log) run() {
	defer close(l.done)
	l.renew()
	ticker := time.NewTicker(l.options.Sync)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.turn(true)
		case <-l.wake:
			l.turn(false)
		case <-l.closing:
			l.turn(true)
			if l.file != nil {
				if err := l.file.Close(); err != nil {
					l.fail(err)
				}
			}
			return
		}
	}
}

// turn writes what is pending, and begins a new segment when it is time for one.
func (l *Log) turn(sync bool) {
	if l.file == nil {
		if !time.Now().Before(l.retry) {
			l.renew()
		}
		return
	}
	overrun, err := l.write()
	if err == nil && sync {
		err = l.file.Sync()
	}
	switch {
	case err != nil:
		l.fail(err)
	case overrun:
		l.options.Logger.Error().Str("dir", l.options.Dir).Int("bytes", l.options.MaxPending).Msg("the disk takes the windows' log more slowly than it comes: what came meanwhile is not in it")
		l.renew()
	case l.size-l.base > max(l.options.MinBytes, 2*l.base):
		l.renew()
	}
}

// write writes what is pending, and tells whether records had to be left out behind it.
func (l *Log) write() (overrun bool, err error) {
	l.mu.Lock()
	pending := l.pending
	l.pending, overrun = l.spare[:0], l.broken
	l.mu.Unlock()
	n, err := l.file.Write(pending)
	l.size += int64(n)
	if l.spare = pending; cap(pending) > 4<<20 {
		l.spare = nil // it was more than usual
	}
	l.mu.Lock()
	l.status.Bytes = l.size
	l.mu.Unlock()
	return overrun, err
}

// renew begins a new segment with the whole state, and removes those before.
func (l *Log) renew() {
	err := l.begin()
	if err != nil {
		l.fail(err)
		return
	}
	l.mu.Lock()
	failed := l.status.Failing
	l.status.Failing, l.status.Bytes = nil, l.size
	lost := l.status.Lost
	l.mu.Unlock()
	if l.backoff = 0; failed != nil {
		l.options.Logger.Info().Uint64("lost", lost).Msg("the windows' log is written again, and is whole from here on")
	}
	if err := l.removeBefore(l.number); err != nil {
		l.options.Logger.Warn().Err(err).Msg("an old segment of the windows' log could not be removed")
	}
}

// begin writes the whole state to a new segment.
func (l *Log) begin() (err error) {
	if l.file != nil {
		old := l.file
		l.file = nil
		if err := old.Close(); err != nil {
			return err
		}
	}
	path := segmentPath(l.options.Dir, l.number+1)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(path))
			l.file = nil
		}
	}()
	l.file, l.size = f, 0
	l.mu.Lock()
	l.broken = false // what is appended from here on is newer than the state of its target, or older and of no interest
	l.mu.Unlock()
	if err := l.writeState(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := syncDir(l.options.Dir); err != nil {
		return err
	}
	l.number++
	l.base = l.size
	return nil
}

// writeState writes the whole state. What is appended meanwhile is written too, whenever it has waited long enough.
func (l *Log) writeState() error {
	buffer := append([]byte(nil), header...)
	synced := time.Now()
	var failed error
	flush := func() {
		if failed == nil {
			n, err := l.file.Write(buffer)
			l.size += int64(n)
			buffer, failed = buffer[:0], err
		}
	}
	l.snapshot(func(record []byte) {
		if buffer = appendRecord(buffer, record); len(buffer) < 1<<18 || failed != nil {
			return
		}
		flush()
		if failed == nil && time.Since(synced) >= l.options.Sync {
			if _, failed = l.write(); failed == nil {
				failed = l.file.Sync()
			}
			synced = time.Now()
		}
	})
	flush()
	return failed
}

// fail gives the present segment up for a while. What it has stays for a restart.
func (l *Log) fail(err error) {
	if l.file != nil {
		_ = l.file.Close() // of no interest after an error
		l.file = nil
	}
	l.backoff = min(max(2*l.backoff, l.options.Sync), 30*time.Second)
	l.retry = time.Now().Add(l.backoff)
	l.mu.Lock()
	first := l.status.Failing == nil
	l.status.Failing, l.broken, l.pending = err, true, nil
	l.mu.Unlock()
	if first {
		l.options.Logger.Error().Err(err).Str("dir", l.options.Dir).Msg("the windows' log cannot be written: rules go on, but after a crash their windows would have a gap; it is tried again until it works")
	}
}

// removeBefore removes the segments before a number. One that is damaged is put aside, in the place of one before it.
func (l *Log) removeBefore(number uint64) error {
	segments, err := list(l.options.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range segments {
		switch {
		case s.number >= number:
		case l.damaged[s.path]:
			errs = append(errs, os.Rename(s.path, filepath.Join(l.options.Dir, "damaged.aside")))
		default:
			errs = append(errs, os.Remove(s.path))
		}
	}
	return errors.Join(errs...)
}

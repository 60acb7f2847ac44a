// Package journal writes down every decision of the engine: one JSON line each, in a file bounded by size.
package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Options of a journal.
type Options struct {
	Path     string // of the file; the one before it is kept as Path.1
	MaxBytes int64  // of one file; 0: 32 MiB
	Logger   zerolog.Logger
}

// backlog is how many decisions may wait for the disk. Beyond that they are dropped and counted: a slow disk must not
// stop an evaluation.
const backlog = 16384

// Journal is an open journal. Decisions that were recorded are in the file when Close returns; a crash loses at most
// those of the last moments.
type Journal struct {
	options Options
	queue   chan alert.Decision
	done    chan struct{} // closed when everything is written

	mu struct {
		sync.Mutex
		closed      bool
		dropped     int
		subscribers []func(alert.Decision)
	}
}

// Open opens the journal for appending. A line that a crash cut short is ended, so that the next one stands alone.
func Open(o Options) (*Journal, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 32 << 20
	}
	f, err := openForAppend(o.Path)
	if err != nil {
		return nil, err
	}
	j := &Journal{options: o, queue: make(chan alert.Decision, backlog), done: make(chan struct{})}
	go j.write(f)
	return j, nil
}

func openForAppend(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size > 0 {
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			_, err = f.WriteString("\n")
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), f.Close())
	}
	return f, nil
}

// Record writes a decision down and tells the subscribers. It does not wait for the disk. A decision without a time
// gets the present one.
func (j *Journal) Record(d alert.Decision) {
	if d.Time.IsZero() {
		d.Time = time.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.closed {
		return
	}
	for _, tell := range j.mu.subscribers {
		tell(d)
	}
	select {
	case j.queue <- d:
	default:
		j.mu.dropped++
	}
}

// Subscribe has every later decision told to the function, in order. It must not block and not call the journal.
func (j *Journal) Subscribe(tell func(alert.Decision)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.subscribers = append(j.mu.subscribers, tell)
}

// Dropped is how many decisions were not written because the disk was too slow or refused.
func (j *Journal) Dropped() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.dropped
}

// Close writes what waits and closes the file. Decisions recorded later are ignored.
func (j *Journal) Close() error {
	j.mu.Lock()
	if !j.mu.closed {
		j.mu.closed = true
		close(j.queue)
	}
	j.mu.Unlock()
	<-j.done
	return nil
}

// write is the journal's goroutine. A line that cannot be written is dropped and counted; the next one is tried again,
// so that a full disk heals by itself.
func (j *Journal) write(f *os.File) {
	defer close(j.done)
	w := bufio.NewWriter(f)
	healthy := true
	for d := range j.queue {
		err := j.append(&f, w, d)
		if err == nil && len(j.queue) == 0 {
			err = w.Flush()
		}
		if err != nil {
			w.Reset(f) // a bufio.Writer keeps its error for ever
			j.mu.Lock()
			j.mu.dropped++
			j.mu.Unlock()
			if healthy {
				j.options.Logger.Error().Err(err).Msg("the journal cannot be written; decisions are made all the same")
			}
		}
		healthy = err == nil
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		j.options.Logger.Error().Err(err).Msg("close journal")
	}
}

// append adds a line, in a new file where the old one has reached its size.
func (j *Journal) append(f **os.File, w *bufio.Writer, d alert.Decision) error {
	line, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode decision: %w", err)
	}
	line = append(line, '\n')
	size, err := (*f).Seek(0, io.SeekCurrent)
	size += int64(w.Buffered())
	if err == nil && size > 0 && size+int64(len(line)) > j.options.MaxBytes {
		err = j.rotate(f, w)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}

func (j *Journal) rotate(f **os.File, w *bufio.Writer) error {
	if err := w.Flush(); err != nil {
		return err
	}
	if err := os.Rename(j.options.Path, j.options.Path+".1"); err != nil {
		return fmt.Errorf("rotate journal: %w", err)
	}
	next, err := openForAppend(j.options.Path)
	if err != nil {
		return err
	}
	old := *f
	*f = next
	w.Reset(next)
	return old.Close()
}

// Read returns the decisions of the journal at path that keep wants, oldest first, also those of the file before.
// Lines that a crash cut short are left out.
func Read(path string, keep func(alert.Decision) bool) ([]alert.Decision, error) {
	var found []alert.Decision
	for _, file := range []string{path + ".1", path} {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var d alert.Decision
			if json.Unmarshal(lines.Bytes(), &d) == nil && keep(d) {
				found = append(found, d)
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, fmt.Errorf("read journal %s: %w", file, err)
		}
	}
	return found, nil
}

package capture

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Bounds of what waits for the disk. What comes when either is reached is lost, counted, and said in the capture.
const (
	maxWaiting      = 4096     // records
	maxWaitingBytes = 64 << 20 // of their values
)

// flushEvery bounds what a crash loses.
const flushEvery = 5 * time.Second

// Recorder writes a capture while an engine runs. Those who hand something to it never wait.
type Recorder struct {
	file   *Writer
	logger zerolog.Logger
	wake   chan struct{} // something waits, or the recorder was closed
	done   chan struct{}

	// of the end, good when done is closed
	err     error
	dropped int // answers that could not be written

	mu      sync.Mutex
	waiting []Record // guarded by mu
	bytes   int      // of their values; guarded by mu
	lost    int      // since the last record in waiting; guarded by mu
	total   int      // lost so far; guarded by mu
	closed  bool     // guarded by mu
}

// NewRecorder begins to write, in a goroutine that [Recorder.Close] ends.
func NewRecorder(file *Writer, logger zerolog.Logger) *Recorder {
	r := &Recorder{file: file, logger: logger, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Answered takes what came of a collection. The values are copied. It never waits.
func (r *Recorder) Answered(t Target, asked time.Time, took time.Duration, c source.Collection, err error) {
	a := &Answer{Target: t, Took: took, Frame: c.Frame, Truncated: c.Truncated}
	if err != nil {
		a.Frame, a.Failure = frame.Frame{}, err.Error()
		if a.Failure == "" {
			a.Failure = "it failed"
		}
	}
	r.add(Record{Time: asked, Answer: a}, 8*(len(a.Frame.Values)+len(a.Frame.Times)))
}

// Found takes what a discovery announces. It never waits.
func (r *Recorder) Found(f Found) { r.add(Record{Time: time.Now(), Found: &f}, 0) }

// add puts a record into the queue if there is room.
func (r *Recorder) add(record Record, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if len(r.waiting) >= maxWaiting || r.bytes+bytes > maxWaitingBytes {
		r.lost++
		r.total++
		return
	}
	if a := record.Answer; a != nil {
		a.Frame.Values, a.Frame.Times = slices.Clone(a.Frame.Values), slices.Clone(a.Frame.Times)
	}
	if r.lost > 0 {
		r.waiting = append(r.waiting, Record{Time: record.Time, Lost: r.lost})
		r.lost = 0
	}
	r.waiting = append(r.waiting, record)
	r.bytes += bytes
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Recorder) overflowed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Close writes what waits and closes the file. What is added afterwards is not in it. lost is how many answers are missing
// in the capture.
func (r *Recorder) Close() (lost int, err error) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	<-r.done
	return r.overflowed() + r.dropped, r.err
}

// run writes what waits until the recorder is closed.
func (r *Recorder) run() {
	defer close(r.done)
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	told := 0
	for {
		select {
		case <-r.wake:
		case <-flush.C:
			r.check(r.file.Flush())
			if lost := r.overflowed(); lost > told {
				r.logger.Warn().Int("answers", lost-told).Msg("the capture has a gap: the disk is too slow, and collections do not wait for it")
				told = lost
			}
		}
		records, closed := r.take()
		for _, record := range records {
			r.check(r.write(record))
		}
		if closed {
			r.check(r.file.End(time.Now()))
			r.err = r.file.Close()
			r.dropped = r.file.Dropped()
			return
		}
	}
}

// take empties the queue.
func (r *Recorder) take() (records []Record, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	records, r.waiting, r.bytes = r.waiting, nil, 0
	if r.closed && r.lost > 0 {
		records = append(records, Record{Time: time.Now(), Lost: r.lost})
		r.lost = 0
	}
	return records, r.closed
}

func (r *Recorder) write(record Record) error {
	switch {
	case record.Answer != nil:
		return r.file.Answer(record.Time, *record.Answer)
	case record.Found != nil:
		return r.file.Found(record.Time, *record.Found)
	}
	return r.file.Lost(record.Time, record.Lost)
}

// check says what could not be written. The file itself will say how much it was.
func (r *Recorder) check(err error) {
	if err != nil {
		r.logger.Error().Err(err).Msg("a part of the capture is lost; it goes on when the disk takes it")
	}
}

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// batch bounds what is written at once, in decisions.
const batch = 256

// open opens the file for appending and finds out whether its last line is whole.
func (j *Journal) open() error {
	if j.options.Path == "" {
		return nil
	}
	f, err := os.OpenFile(j.options.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		last := []byte{0}
		if _, err = f.ReadAt(last, info.Size()-1); err == nil {
			j.torn = last[0] != '\n'
		}
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size = f, info.Size()
	return nil
}

// write is the goroutine that owns the file.
func (j *Journal) write() {
	defer close(j.done)
	for {
		select {
		case e := <-j.entries:
			j.take(e)
		case <-j.closing:
			for { // nothing is added any more, except by those who were about to
				select {
				case e := <-j.entries:
					j.take(e)
				default:
					j.shut()
					return
				}
			}
		}
	}
}

// take writes an entry and what waits behind it, at once.
func (j *Journal) take(e entry) {
	decisions, written := j.space[:0], []chan<- struct{}(nil)
	for n := 1; ; n++ {
		if e.written == nil {
			decisions = append(decisions, e.decision)
		} else {
			written = append(written, e.written)
		}
		if len(j.entries) == 0 || n == batch { // nobody else takes from the queue
			break
		}
		e = <-j.entries
	}
	j.put(decisions)
	for _, w := range written {
		close(w)
	}
	clear(decisions) // keeps nothing alive
	j.space = decisions
}

// put appends decisions to the file and tells the subscribers.
func (j *Journal) put(decisions []alert.Decision) {
	if len(decisions) == 0 {
		return
	}
	j.overflown += j.lost.Swap(0)
	lines := decisions
	if losses := j.losses(); len(losses) > 0 {
		lines = slices.Concat(losses, decisions)
	}
	text := j.text[:0]
	for i := range lines {
		text = append(lines[i].AppendJSON(text), '\n')
	}
	j.text = text
	err := j.append(text)
	switch {
	case err != nil:
		j.unwritten += uint64(len(decisions))
		if !j.failing {
			j.options.Logger.Error().Err(err).Msg("the journal cannot be written: decisions are made all the same, and cannot be explained afterwards")
		}
	case j.failing:
		j.options.Logger.Info().Uint64("lost", j.unwritten).Msg("the journal is written again")
	}
	if err == nil {
		j.overflown, j.unwritten = 0, 0
		decisions = lines
	}
	j.failing = err != nil
	j.tell(decisions)
}

// losses is what the file has to say about lines that it does not have.
func (j *Journal) losses() (lines []alert.Decision) {
	for _, l := range []struct {
		n     uint64
		cause alert.Cause
		why   string
	}{
		{j.overflown, alert.CauseLinesLost, "they came faster than the disk took them"},
		{j.unwritten, alert.CauseUnwritable, "the file could not be written"},
	} {
		if l.n > 0 {
			lines = append(lines, alert.Decision{
				Time: time.Now(), Kind: alert.KindDropped, Cause: l.cause, Reason: fmt.Sprintf("%d decisions are not in the journal: %s", l.n, l.why),
			})
		}
	}
	return lines
}

// append writes whole lines, in a new file if this one is full.
func (j *Journal) append(text []byte) error {
	if j.options.Path == "" {
		return nil
	}
	if j.size > 0 && j.size+int64(len(text)) > j.options.MaxBytes/2 {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	if j.file == nil {
		if err := j.open(); err != nil {
			return err
		}
	}
	if j.torn {
		text = append([]byte{'\n'}, text...)
	}
	n, err := j.file.Write(text)
	j.size += int64(n)
	if n > 0 {
		j.torn = text[n-1] != '\n'
	}
	return err
}

// rotate makes the file the older one.
func (j *Journal) rotate() error {
	if j.file != nil {
		err := j.file.Close()
		j.file = nil
		if err != nil {
			return fmt.Errorf("close the full journal: %w", err)
		}
	}
	if err := os.Rename(j.options.Path, older(j.options.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put the full journal aside: %w", err)
	}
	j.size, j.torn = 0, false
	return nil
}

func older(path string) string { return path + ".1" }

// tell hands decisions to the subscribers, without the lock so that they may cancel.
func (j *Journal) tell(decisions []alert.Decision) {
	s := &j.subscribers
	s.Lock()
	list := make([]func(alert.Decision), 0, len(s.list))
	for _, id := range slices.Sorted(maps.Keys(s.list)) {
		list = append(list, s.list[id])
	}
	s.Unlock()
	for _, d := range decisions {
		for _, tell := range list {
			tell(d)
		}
	}
}

// shut ends the file.
func (j *Journal) shut() {
	if j.file == nil {
		return
	}
	if err := errors.Join(j.file.Sync(), j.file.Close()); err != nil {
		j.closeErr = fmt.Errorf("close journal: %w", err)
	}
}

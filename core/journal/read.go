package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// maxLine bounds a line that is read, in bytes; a longer one is not of this journal.
const maxLine = 1 << 20

// Filter chooses decisions; zero values choose all.
type Filter struct {
	Rule        string
	Fingerprint alert.Fingerprint // also lines about its rule as a whole, if Rule is given
	Receiver    string
	Group       string
	Kinds       []alert.Kind
	From, Until time.Time // From <= time < Until
}

// Match tells whether a decision is chosen.
func (f *Filter) Match(d *alert.Decision) bool {
	switch {
	case f.Rule != "" && d.Rule != f.Rule,
		f.Receiver != "" && d.Receiver != f.Receiver,
		f.Group != "" && d.Group != f.Group,
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, d.Kind),
		!f.From.IsZero() && d.Time.Before(f.From),
		!f.Until.IsZero() && !d.Time.Before(f.Until):
		return false
	}
	return f.Fingerprint == 0 || d.Fingerprint == f.Fingerprint || f.Rule != "" && d.Fingerprint == 0
}

// Read returns the chosen decisions of this journal, oldest first, all that were recorded before included.
func (j *Journal) Read(f Filter) ([]alert.Decision, error) {
	j.Sync()
	if j.options.Path == "" {
		return nil, nil
	}
	var found []alert.Decision
	for d, err := range Lines(j.options.Path) {
		if err != nil {
			return found, err
		}
		if f.Match(&d) {
			found = append(found, d)
		}
	}
	return found, nil
}

// Lines reads the journal at path, oldest first, whether somebody writes it or not. Lines that are torn or foreign
// are left out; an error ends it.
func Lines(path string) iter.Seq2[alert.Decision, error] {
	return func(yield func(alert.Decision, error) bool) {
		for _, p := range []string{older(path), path} {
			if !linesOf(p, yield) {
				return
			}
		}
	}
}

// linesOf reads one file and tells whether to go on.
func linesOf(path string, yield func(alert.Decision, error) bool) bool {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		yield(alert.Decision{}, fmt.Errorf("read journal: %w", err))
		return false
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		text, err := readLine(r)
		if d, ok := parse(text); ok && !yield(d, nil) {
			return false
		}
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(alert.Decision{}, fmt.Errorf("read journal %s: %w", path, err))
			return false
		}
	}
}

// readLine returns the next line, nil if it is too long.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for tooLong := false; ; {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > maxLine; tooLong {
			line = nil
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func parse(line []byte) (d alert.Decision, ok bool) {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return d, false
	}
	err := json.Unmarshal(line, &d)
	return d, err == nil && d.Kind != ""
}

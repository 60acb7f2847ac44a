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
	Fingerprint alert.Fingerprint          // also lines about its rule as a whole, if Rule is given
	About       map[alert.Fingerprint]bool // these instances, and everything that is about no instance; nil: all
	Mentions    string                     // lines that contain this text; a quick choice, before they are decoded
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
		f.About != nil && d.Fingerprint != 0 && !f.About[d.Fingerprint],
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, d.Kind),
		!f.From.IsZero() && d.Time.Before(f.From),
		!f.Until.IsZero() && !d.Time.Before(f.Until):
		return false
	}
	return f.Fingerprint == 0 || d.Fingerprint == f.Fingerprint || f.Rule != "" && d.Fingerprint == 0
}

// Read returns the chosen decisions of this journal, oldest first, all that were recorded before included.
func (j *Journal) Read(f Filter) ([]alert.Decision, error) {
	var found []alert.Decision
	for d, err := range j.Each(f) {
		if err != nil {
			return found, err
		}
		found = append(found, d)
	}
	return found, nil
}

// Each is Read without holding more than one decision: of a large journal, what is not chosen costs little.
func (j *Journal) Each(f Filter) iter.Seq2[alert.Decision, error] {
	return func(yield func(alert.Decision, error) bool) {
		j.Sync()
		if j.options.Path == "" {
			return
		}
		for d, err := range lines(j.options.Path, f.mayMatch()) {
			if (err != nil || f.Match(&d)) && !yield(d, err) {
				return
			}
		}
	}
}

// fingerprintKey comes before the fingerprint in a line.
var fingerprintKey = []byte(`"fingerprint":"`)

// mayMatch tells of lines that cannot be chosen, before they are decoded: decoding takes some twenty times as long.
func (f *Filter) mayMatch() func(line []byte) bool {
	about := f.About
	if about == nil && f.Fingerprint != 0 && f.Rule == "" {
		about = map[alert.Fingerprint]bool{f.Fingerprint: true}
	}
	wanted := make(map[string]bool, len(about))
	for fp := range about {
		wanted[fp.String()] = true
	}
	mentions := []byte(f.Mentions)
	return func(line []byte) bool {
		if !bytes.Contains(line, mentions) {
			return false
		}
		at := bytes.Index(line, fingerprintKey)
		if about == nil || at < 0 {
			return true
		}
		rest := line[at+len(fingerprintKey):]
		return len(rest) > 16 && wanted[string(rest[:16])]
	}
}

// Lines reads the journal at path, oldest first, whether somebody writes it or not. Lines that are torn or foreign
// are left out; an error ends it.
func Lines(path string) iter.Seq2[alert.Decision, error] {
	return lines(path, func([]byte) bool { return true })
}

// lines is Lines without those of which may says that nobody wants them.
func lines(path string, may func(line []byte) bool) iter.Seq2[alert.Decision, error] {
	return func(yield func(alert.Decision, error) bool) {
		for _, p := range []string{older(path), path} {
			if !linesOf(p, may, yield) {
				return
			}
		}
	}
}

// linesOf reads one file and tells whether to go on.
func linesOf(path string, may func([]byte) bool, yield func(alert.Decision, error) bool) bool {
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
		if may(text) {
			if d, ok := parse(text); ok && !yield(d, nil) {
				return false
			}
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

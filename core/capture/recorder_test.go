package capture

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// tally counts the answers, and those that are said to be lost.
func tally(t *testing.T, path string) (answers, failures, lost int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return answers, failures, lost
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case record.Answer != nil && record.Answer.Failure != "":
			failures++
		case record.Answer != nil:
			answers++
		}
		lost += record.Lost
	}
}

var page = source.Collection{Frame: frame.Frame{
	Layout: &frame.Layout{Series: []frame.Series{{Labels: frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "a"})}}}, Values: []float64{1},
}}

func TestRecorder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	file, _, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder(file, zerolog.Nop())
	for range 100 {
		r.Answered(Target{Address: "a"}, time.Now(), time.Millisecond, page, nil)
	}
	r.Answered(Target{Address: "a"}, time.Now(), time.Millisecond, source.Collection{}, errors.New("refused"))
	if lost, err := r.Close(); lost != 0 || err != nil {
		t.Errorf("%d lost, error %v", lost, err)
	}
	if answers, failures, lost := tally(t, path); answers != 100 || failures != 1 || lost != 0 {
		t.Errorf("%d answers, %d failures, %d lost; want 100, 1, 0", answers, failures, lost)
	}
}

// When the disk does not keep up nobody waits; what is left out is counted, and the capture says where.
func TestRecorderWithSlowDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	file, _, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{file: file, logger: zerolog.Nop(), wake: make(chan struct{}, 1), done: make(chan struct{})} // nobody writes yet
	for range maxWaiting + 7 {
		r.Answered(Target{Address: "a"}, time.Now(), 0, page, nil)
	}
	go r.run()
	if lost, err := r.Close(); lost != 7 || err != nil {
		t.Errorf("%d lost, error %v; want 7", lost, err)
	}
	if answers, _, lost := tally(t, path); answers != maxWaiting || lost != 7 {
		t.Errorf("%d answers, %d said to be lost; want %d and 7", answers, lost, maxWaiting)
	}
}

// When the disk takes nothing for a while, what comes after can be read, and what is missing is said.
func TestWriterAfterAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w, _, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(n int) {
		for range n {
			if err := w.Answer(time.Now(), Answer{Target: Target{Address: "a"}, Frame: page.Frame}); err != nil {
				t.Fatal(err)
			}
		}
	}
	answer(3)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	good := w.file
	if w.file, err = os.Open(path); err != nil { // cannot be written to
		t.Fatal(err)
	}
	answer(5)
	if err := w.Flush(); err == nil {
		t.Fatal("a file that cannot be written to took a block")
	}
	_ = w.file.Close()
	w.file = good
	answer(2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if answers, _, lost := tally(t, path); answers != 5 || lost != 5 || w.Dropped() != 5 {
		t.Errorf("%d answers, %d said to be lost, %d dropped; want 5 each", answers, lost, w.Dropped())
	}
}

// Whatever a capture holds, reading it ends, in bounds.
func FuzzReader(f *testing.F) {
	seed := func(raw bool, build func(w *Writer)) {
		path := filepath.Join(f.TempDir(), "x.capture")
		w, _, err := Create(path)
		if err != nil {
			f.Fatal(err)
		}
		build(w)
		if !raw {
			f.Add(false, w.block)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(true, content)
	}
	seed(false, func(w *Writer) {
		now, a := time.Unix(1e9, 0), Answer{Target: Target{Source: "http.x", Address: "a:1"}, Frame: page.Frame}
		_ = w.Answer(now, a)
		a.Frame = frame.Frame{Layout: &frame.Layout{Series: append([]frame.Series{{}}, page.Frame.Layout.Series...)}, Values: []float64{0.5, 2}, Times: []int64{1, 2}, Time: 9}
		_ = w.Answer(now, a)
		_ = w.Answer(now, Answer{Target: a.Target, Failure: "refused"})
		_ = w.Found(now, Found{Source: "http.x", Groups: []source.Group{{Targets: []source.Found{{Address: "a:1"}}}}})
		_ = w.Lost(now, 4)
	})
	compressor, err := newCompressor()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw bool, content []byte) {
		if !raw { // the content of a block: the checksum would keep a fuzzer out
			w := &Writer{compressor: compressor, block: content}
			path := filepath.Join(t.TempDir(), "x")
			if w.file, err = os.Create(path); err != nil {
				t.Fatal(err)
			}
			_, _ = w.file.Write(header())
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if content, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		r, err := NewReader(bytes.NewReader(content))
		if err != nil {
			return
		}
		defer r.Close()
		for {
			record, err := r.Next()
			if err != nil {
				return
			}
			if a := record.Answer; a != nil && a.Failure == "" {
				if err := a.Frame.Check(); err != nil {
					t.Fatalf("a frame that does not fit its layout: %v", err)
				}
			}
		}
	})
}

package capture

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// blockSize is how much is compressed together: enough for the compressor, little enough to be lost in a crash.
const blockSize = 256 << 10

// Writer writes a capture. It is not safe for concurrent use. After an error the file holds all blocks before it, and
// the writer can be used on: what follows stands for itself, as after a new start.
type Writer struct {
	file       *os.File
	offset     int64 // after the last block
	compressor *zstd.Encoder
	block      []byte // records that are not written yet
	packed     []byte

	answers int   // in block
	missing int   // answers of blocks that could not be written, not yet said in the file
	dropped int   // all of them
	begun   bool  // what is in block can be read on its own
	time    int64 // of the last record, Unix milliseconds
	targets map[Target]*written
}

// written is what the reader will know of a target.
type written struct {
	number uint64
	layout *frame.Layout
	values []float64
}

// New begins a capture in a file that must not be there.
func New(path string) (*Writer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin a capture: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("begin a capture: %w", err)
	}
	w, _, err := Create(path)
	return w, err
}

// Create opens a file to add to a capture, or to begin one. Of what a crash tore off at the end of an existing one the
// damage tells; it is cut off. A file that is no capture is not touched.
func Create(path string) (_ *Writer, cut *DamageError, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the capture: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the capture %s: %w", path, errors.Join(err, file.Close()))
		}
	}()
	w := &Writer{file: file, targets: map[Target]*written{}}
	if w.compressor, err = newCompressor(); err != nil {
		return nil, nil, err
	}
	if w.offset, cut, err = soundEnd(file); err != nil {
		return nil, nil, err
	}
	if err = w.cutOff(); err != nil {
		return nil, nil, err
	}
	if w.offset == 0 {
		if _, err = file.Write(header()); err != nil {
			return nil, nil, err
		}
		w.offset = headerSize
	}
	return w, cut, nil
}

// soundEnd finds the end of the last good block of a file, 0 for a file that is empty, or not even a whole header.
func soundEnd(file *os.File) (int64, *DamageError, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, nil, err
	}
	buffered := bufio.NewReaderSize(file, 1<<20)
	head := make([]byte, headerSize)
	n, err := io.ReadFull(buffered, head)
	switch {
	case errors.Is(err, io.EOF):
		return 0, nil, nil
	case errors.Is(err, io.ErrUnexpectedEOF) && string(head[:n]) == string(header()[:n]):
		return 0, &DamageError{Rest: int64(n), Reason: "its header was not written to the end"}, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil, err
	}
	if err := checkHeader(head[:n]); err != nil {
		return 0, nil, err
	}
	all := blocks{from: buffered, offset: headerSize}
	for {
		_, err := all.next()
		if errors.Is(err, io.EOF) {
			return all.offset, nil, nil
		}
		if damage, ok := errors.AsType[*DamageError](err); ok {
			damage.Rest = info.Size() - damage.Offset
			return damage.Offset, damage, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// cutOff ends the file at the last good block.
func (w *Writer) cutOff() error {
	if err := w.file.Truncate(w.offset); err != nil {
		return err
	}
	_, err := w.file.Seek(w.offset, io.SeekStart)
	return err
}

// Answer adds what came of a collection. The frame is not kept.
func (w *Writer) Answer(at time.Time, a Answer) error {
	t := w.target(at, a.Target)
	w.answers++
	if a.Frame.Layout == nil && len(a.Frame.Values) == 0 {
		a.Frame.Layout = &frame.Layout{} // of a page without series
	}
	layout := a.Frame.Layout
	switch {
	case a.Failure != "":
	case a.Frame.Check() != nil:
		a.Failure = "the source returned a broken frame"
	case layout != t.layout && !fits(layout):
		a.Failure = "the page has more series or longer labels than a capture takes"
	}
	if a.Failure != "" {
		w.record(kindFailure, at)
		w.number(t.number)
		w.number(uint64(max(a.Took, 0).Microseconds()))
		w.block = appendText(w.block, a.Failure)
		return w.full()
	}
	var flags byte
	var places []int
	if layout != t.layout && !layout.Equal(t.layout) {
		flags |= flagLayout
		places = placesIn(t.layout, layout)
		t.values = moved(t.values, places)
	}
	if a.Frame.Time != 0 {
		flags |= flagTime
	}
	if a.Frame.Times != nil {
		flags |= flagTimes
	}
	if a.Truncated {
		flags |= flagTruncated
	}
	w.record(kindAnswer, at)
	w.number(t.number)
	w.number(uint64(max(a.Took, 0).Microseconds()))
	w.block = append(w.block, flags)
	if flags&flagTime != 0 {
		w.signed(a.Frame.Time - w.time)
	}
	if flags&flagLayout != 0 {
		w.block = appendLayout(w.block, layout, places)
	}
	t.layout = layout
	w.block = appendValues(w.block, t.values, a.Frame.Values)
	copy(t.values, a.Frame.Values)
	for _, own := range a.Frame.Times {
		w.signed(own - w.time)
	}
	return w.full()
}

// Found adds what a discovery found.
func (w *Writer) Found(at time.Time, f Found) error {
	groups, err := json.Marshal(f.Groups)
	if err != nil {
		return fmt.Errorf("write what was found to the capture: %w", err)
	}
	w.record(kindFound, at)
	w.block = appendText(w.block, f.Source)
	w.number(uint64(f.Discovery))
	w.number(uint64(len(groups)))
	w.block = append(w.block, groups...)
	return w.full()
}

// Lost adds that so many answers up to that time are not in the capture.
func (w *Writer) Lost(at time.Time, answers int) error {
	w.record(kindLost, at)
	w.number(uint64(answers))
	return w.full()
}

// End adds that nobody asks any more.
func (w *Writer) End(at time.Time) error {
	w.record(kindEnd, at)
	return w.full()
}

// target is what is known of a target, which is introduced the first time.
func (w *Writer) target(at time.Time, id Target) *written {
	w.begin(at)
	t := w.targets[id]
	if t == nil {
		t = &written{number: uint64(len(w.targets)), layout: &frame.Layout{}}
		w.targets[id] = t
		w.block = appendText(appendText(append(w.block, kindTarget), id.Source), id.Address)
		w.number(uint64(max(id.Interval, 0).Milliseconds()))
	}
	return t
}

// begin makes what follows readable without what was before.
func (w *Writer) begin(at time.Time) {
	if w.begun {
		return
	}
	w.begun, w.time = true, at.UnixMilli()
	w.head(kindBegin, w.time)
	if w.missing > 0 {
		w.head(kindLost, 0)
		w.number(uint64(w.missing))
		w.missing = 0
	}
}

// record begins a record.
func (w *Writer) record(kind byte, at time.Time) {
	w.begin(at)
	ms := at.UnixMilli()
	w.head(kind, ms-w.time)
	w.time = ms
}

func (w *Writer) head(kind byte, n int64) { w.block = binary.AppendVarint(append(w.block, kind), n) }

func (w *Writer) signed(n int64) { w.block = binary.AppendVarint(w.block, n) }

func (w *Writer) number(n uint64) { w.block = binary.AppendUvarint(w.block, n) }

// full writes a block that is large enough.
func (w *Writer) full() error {
	if len(w.block) < blockSize {
		return nil
	}
	return w.Flush()
}

// Flush writes what was added to the file.
func (w *Writer) Flush() error {
	if len(w.block) == 0 {
		return nil
	}
	w.packed = append(w.packed[:0], make([]byte, frameSize)...)
	w.packed = w.compressor.EncodeAll(w.block, w.packed)
	content := w.packed[frameSize:]
	binary.LittleEndian.PutUint32(w.packed, uint32(len(content)))
	binary.LittleEndian.PutUint32(w.packed[4:], crc32.Checksum(content, castagnoli))
	answers := w.answers
	w.block, w.answers = w.block[:0], 0
	if _, err := w.file.Write(w.packed); err != nil {
		// Half a block may be there, and what follows would build on what is not.
		w.begun = false
		clear(w.targets)
		w.missing += answers
		w.dropped += answers
		return fmt.Errorf("write the capture: %w", errors.Join(err, w.cutOff()))
	}
	w.offset += int64(len(w.packed))
	return nil
}

// Dropped is how many answers could not be written.
func (w *Writer) Dropped() int { return w.dropped }

// Size is how long the file is.
func (w *Writer) Size() int64 { return w.offset }

// Close writes what was added and closes the file.
func (w *Writer) Close() error {
	err := w.Flush()
	if closed := w.file.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close the capture: %w", closed))
	}
	return err
}

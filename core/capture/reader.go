package capture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Reader reads a capture from its beginning to its end. It holds one block, and one row of each target.
type Reader struct {
	blocks       blocks
	decompressor *zstd.Decoder
	content      []byte
	block        decoder // what is left of the block
	start        int64   // of the block in the file

	begun   bool
	time    int64
	targets []*read
	columns int // of all targets
}

// read is what is known of a target.
type read struct {
	id     Target
	layout *frame.Layout
	values []float64
}

// NewReader begins to read. Close it in the end.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{blocks: blocks{from: bufio.NewReaderSize(from, 64<<10), offset: headerSize}}
	head := make([]byte, headerSize)
	n, err := io.ReadFull(r.blocks.from, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the capture: %w", err)
	}
	if err := checkHeader(head[:n]); err != nil {
		return nil, err
	}
	if r.decompressor, err = newDecompressor(); err != nil {
		return nil, err
	}
	return r, nil
}

// Close gives memory back.
func (r *Reader) Close() { r.decompressor.Close() }

// Next returns the next record. Its values are good until the next record; its layout is for good, and the same as
// before for as long as the target's columns are. io.EOF is the end, a *DamageError an end before its time.
func (r *Reader) Next() (Record, error) {
	for {
		for len(r.block.b) > 0 {
			record, whole, err := r.record()
			if err != nil {
				return Record{}, &DamageError{Offset: r.start, Rest: -1, Reason: err.Error()}
			}
			if whole {
				return record, nil
			}
		}
		r.start = r.blocks.offset
		packed, err := r.blocks.next()
		if err != nil {
			return Record{}, err
		}
		if r.content, err = r.decompressor.DecodeAll(packed, r.content[:0]); err != nil {
			return Record{}, &DamageError{Offset: r.start, Rest: -1, Reason: fmt.Sprintf("a block cannot be decompressed: %v", err)}
		}
		r.block = decoder{b: r.content}
	}
}

// record reads one record; whole is false if it is nothing by itself.
func (r *Reader) record() (record Record, whole bool, err error) {
	d := &r.block
	kind := d.byte()
	if kind != kindBegin && !r.begun {
		return Record{}, false, errWrong
	}
	switch kind {
	case kindBegin:
		r.begun, r.targets, r.columns = true, nil, 0
		r.time = d.varint()
		return Record{Time: r.now()}, true, d.err
	case kindTarget:
		id := Target{Source: d.text(), Address: d.text(), Interval: time.Duration(d.count(math.MaxInt32)) * time.Millisecond}
		if len(r.targets) >= maxTargets {
			return Record{}, false, errLarge
		}
		r.targets = append(r.targets, &read{id: id, layout: &frame.Layout{}})
		return Record{}, false, d.err
	}
	r.time += d.varint()
	record.Time = r.now()
	switch kind {
	case kindAnswer, kindFailure:
		record.Answer, err = r.answer(kind)
	case kindEnd:
		record.End = true
	case kindLost:
		record.Lost = d.count(math.MaxInt32)
	case kindFound:
		record.Found = &Found{Source: d.text(), Discovery: d.count(math.MaxInt32)}
		if groups := d.bytes(len(d.b)); d.err == nil {
			err = json.Unmarshal(groups, &record.Found.Groups)
		}
	default:
		err = errWrong
	}
	return record, true, errors.Join(d.err, err)
}

func (r *Reader) now() time.Time { return time.UnixMilli(r.time) }

// answer reads what came of a collection.
func (r *Reader) answer(kind byte) (*Answer, error) {
	d := &r.block
	number := d.uvarint()
	if d.err != nil || number >= uint64(len(r.targets)) {
		return nil, errWrong
	}
	t := r.targets[number]
	a := &Answer{Target: t.id, Took: time.Duration(d.count(math.MaxInt32)) * time.Microsecond}
	if kind == kindFailure {
		a.Failure = d.text()
		if a.Failure == "" {
			d.fail(errWrong)
		}
		return a, d.err
	}
	flags := d.byte()
	if flags >= flagTruncated<<1 {
		return nil, errWrong
	}
	a.Truncated = flags&flagTruncated != 0
	if flags&flagTime != 0 {
		a.Frame.Time = r.time + d.varint()
	}
	if flags&flagLayout != 0 {
		layout, places := d.layout(t.layout, maxColumns-r.columns+len(t.layout.Series))
		if d.err != nil {
			return nil, d.err
		}
		r.columns += len(layout.Series) - len(t.layout.Series)
		t.layout, t.values = layout, moved(t.values, places)
	}
	d.values(t.values)
	a.Frame.Layout, a.Frame.Values = t.layout, t.values
	if flags&flagTimes != 0 {
		for range t.values {
			if d.err != nil {
				break
			}
			a.Frame.Times = append(a.Frame.Times, r.time+d.varint())
		}
	}
	return a, d.err
}

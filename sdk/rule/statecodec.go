package rule

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// StateWriter writes a rule's state: values one after the other, without names, little-endian.
//
//	Uint, Int    8 bytes (two's complement)
//	Float        8 bytes, IEEE 754; which NaN it was may be lost
//	Byte         1 byte
//	Bool         1 byte, 0 or 1
//	Count        4 bytes
//	Bytes, Text  a Count and so many bytes
//
// What [StateReader] reads must be what was written, in the same order. When the state gets too large, what is too much
// is dropped and the whole snapshot fails: the one before stays the last.
type StateWriter struct {
	bytes []byte
	most  int
	full  bool
}

func (w *StateWriter) reset(most int) {
	if most <= 0 || most > abi.MaxStateBytes {
		most = abi.MaxStateBytes
	}
	w.bytes, w.most, w.full = w.bytes[:0], most, false
}

// room tells whether n more bytes are allowed.
func (w *StateWriter) room(n int) bool {
	if w.most == 0 {
		w.reset(0)
	}
	w.full = w.full || n > w.most-len(w.bytes)
	return !w.full
}

// Uint writes an unsigned integer.
func (w *StateWriter) Uint(v uint64) {
	if w.room(8) {
		w.bytes = binary.LittleEndian.AppendUint64(w.bytes, v)
	}
}

// Int writes an integer.
func (w *StateWriter) Int(v int64) { w.Uint(uint64(v)) }

// Float writes a number.
func (w *StateWriter) Float(v float64) { w.Uint(math.Float64bits(v)) }

// Byte writes a small number.
func (w *StateWriter) Byte(v byte) {
	if w.room(1) {
		w.bytes = append(w.bytes, v)
	}
}

// Bool writes a truth value.
func (w *StateWriter) Bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	w.Byte(b)
}

// Count writes how many of something follow.
func (w *StateWriter) Count(n int) {
	if n < 0 || uint64(n) > math.MaxUint32 {
		w.full = true
	}
	if w.room(4) {
		w.bytes = binary.LittleEndian.AppendUint32(w.bytes, uint32(n))
	}
}

// Bytes writes bytes with their number.
func (w *StateWriter) Bytes(b []byte) {
	w.Count(len(b))
	if w.room(len(b)) {
		w.bytes = append(w.bytes, b...)
	}
}

// Text writes a string with its length.
func (w *StateWriter) Text(s string) {
	w.Count(len(s))
	if w.room(len(s)) {
		w.bytes = append(w.bytes, s...)
	}
}

// StateReader reads what a [StateWriter] wrote. The first thing that is wrong is kept as the error, and everything read
// from then on is zero: a rule may read all it needs and look at Err once, but before it trusts any of it.
// No bytes make it panic, or allocate more than their own number.
type StateReader struct {
	rest []byte
	err  error
}

// NewStateReader reads state, which must not be changed meanwhile.
func NewStateReader(state []byte) *StateReader { return &StateReader{rest: state} }

// Err is the first error, nil for none.
func (r *StateReader) Err() error { return r.err }

// Fail says that what was read makes no sense. The first error stays.
func (r *StateReader) Fail(what string) {
	if r.err == nil {
		r.err = errors.New("the state makes no sense: " + what)
	}
	r.rest = nil
}

// take returns the next n bytes, nil when there are fewer.
func (r *StateReader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail("it ends too early")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// Uint reads an unsigned integer.
func (r *StateReader) Uint() uint64 {
	b := r.take(8)
	if r.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Int reads an integer.
func (r *StateReader) Int() int64 { return int64(r.Uint()) }

// Float reads a number. It may be NaN or infinite.
func (r *StateReader) Float() float64 { return math.Float64frombits(r.Uint()) }

// Byte reads a small number.
func (r *StateReader) Byte() byte {
	b := r.take(1)
	if r.err != nil {
		return 0
	}
	return b[0]
}

// Bool reads a truth value.
func (r *StateReader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.Fail("a truth value of " + strconv.Itoa(int(b)))
	}
	return b == 1
}

// Count reads how many elements follow, of which each has at least size bytes: a number that cannot be true is an
// error, so that memory may be reserved for it.
func (r *StateReader) Count(size int) int {
	b := r.take(4)
	if r.err != nil {
		return 0
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n)*uint64(max(1, size)) > uint64(len(r.rest)) {
		r.Fail(strconv.FormatUint(uint64(n), 10) + " elements, there is no room for them")
		return 0
	}
	return int(n)
}

// Bytes reads bytes into memory of their own.
func (r *StateReader) Bytes() []byte { return append([]byte(nil), r.take(r.Count(1))...) }

// Text reads a string.
func (r *StateReader) Text() string { return string(r.take(r.Count(1))) }

// end is the error of the whole: the first one, or that something is left over.
func (r *StateReader) end() error {
	if len(r.rest) > 0 {
		r.Fail(strconv.Itoa(len(r.rest)) + " bytes are left over")
	}
	return r.err
}

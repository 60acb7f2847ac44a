package meter

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

var errShort = errors.New("the module ends too early")

// reader reads a module. After an error every read returns zero values, so that callers may check once.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.at = len(r.b)
	}
}

func (r *reader) done() bool { return r.at >= len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	c := r.b[r.at]
	r.at++
	return c
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail(errShort)
		return nil
	}
	b := r.b[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// leb reads a LEB128 number of at most size bytes and returns its raw bits.
func (r *reader) leb(size int) (v uint64, shift uint) {
	for range size {
		c := r.byte()
		if r.err != nil {
			return 0, 0
		}
		v |= uint64(c&0x7f) << shift
		shift += 7
		if c&0x80 == 0 {
			return v, shift
		}
	}
	r.fail(errors.New("number is too long"))
	return 0, 0
}

func (r *reader) u32() uint32 {
	v, _ := r.leb(5)
	if v > 0xffffffff {
		r.fail(errors.New("number does not fit 32 bits"))
		return 0
	}
	return uint32(v)
}

// s33 reads the signed number of a block type.
func (r *reader) s33() int64 {
	v, shift := r.leb(5)
	if shift > 0 && v&(1<<(shift-1)) != 0 {
		return int64(v) | -(int64(1) << shift)
	}
	return int64(v)
}

// count reads the length of a vector whose elements take at least one byte each.
func (r *reader) count() uint32 {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail(fmt.Errorf("a vector of %d elements does not fit", n))
		return 0
	}
	return n
}

func (r *reader) name() string {
	b := r.bytes(r.u32())
	if !utf8.Valid(b) {
		r.fail(errors.New("a name is not UTF-8"))
		return ""
	}
	return string(b)
}

// writer builds a module.
type writer struct{ b []byte }

func (w *writer) raw(b []byte) { w.b = append(w.b, b...) }

func (w *writer) u32(v uint32) {
	for v >= 0x80 {
		w.b = append(w.b, byte(v)|0x80)
		v >>= 7
	}
	w.b = append(w.b, byte(v))
}

func (w *writer) s64(v int64) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			w.b = append(w.b, c)
			return
		}
		w.b = append(w.b, c|0x80)
	}
}

func (w *writer) name(s string) {
	w.u32(uint32(len(s)))
	w.b = append(w.b, s...)
}

// sized writes the length of b, then b.
func (w *writer) sized(b []byte) {
	w.u32(uint32(len(b)))
	w.raw(b)
}

func (w *writer) section(id byte, body []byte) {
	w.b = append(w.b, id)
	w.sized(body)
}

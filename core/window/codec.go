package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// encoder appends to a record. Numbers are varints, a string is written once and then named by its number, and values
// that follow each other are written as what changed, see [encoder.row].
type encoder struct {
	b       []byte
	symbols map[string]uint64 // from 1, in the order in which they were written
	before  frame.Labels      // written last
}

func (e *encoder) reset() {
	e.b, e.before = e.b[:0], nil
	clear(e.symbols)
}

func (e *encoder) byte(v byte)    { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)  { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)    { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) fixed(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func (e *encoder) sample(s sample) {
	e.int(s.t)
	e.fixed(math.Float64bits(s.v))
}

func (e *encoder) symbol(s string) {
	if n, ok := e.symbols[s]; ok {
		e.uint(n)
		return
	}
	if e.symbols == nil {
		e.symbols = make(map[string]uint64)
	}
	e.symbols[s] = uint64(len(e.symbols) + 1)
	e.uint(0)
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

// labels writes a set: which of its labels, up to the 64th, the set before has in the same place, and the others.
func (e *encoder) labels(ls frame.Labels) {
	same := uint64(0)
	for i := range min(len(ls), len(e.before), 64) {
		if ls[i] == e.before[i] {
			same |= 1 << i
		}
	}
	e.uint(uint64(len(ls)))
	e.uint(same)
	for i, l := range ls {
		if same>>i&1 == 0 {
			e.symbol(l.Name)
			e.symbol(l.Value)
		}
	}
	e.before = ls
}

func (e *encoder) series(s frame.Series) {
	e.byte(byte(s.Kind))
	e.labels(s.Labels)
}

// What a token of values means is in its lowest bits.
const (
	tokenSame = 0 // as many values as the rest says, and one, are as before
	tokenStep = 1 // the rest is how far the value is from what it was, zigzag
	tokenBits = 2 // the value's bits follow

	maxStep = 1 << 51 // of tokenStep
)

// row writes the values of some columns and keeps them in before. Most values are as they were or a small whole number
// from there, which takes a byte; the others take nine.
func (e *encoder) row(values []float64, columns []uint32, before []float64) {
	b, same := e.b, uint64(0)
	for i, col := range columns {
		v, was := values[col], before[i]
		if math.Float64bits(v) == math.Float64bits(was) {
			same++
			continue
		}
		if same > 0 {
			b = appendSame(b, same)
			same = 0
		}
		before[i] = v
		b = appendChange(b, was, v)
	}
	if same > 0 {
		b = appendSame(b, same)
	}
	e.b = b
}

func appendSame(b []byte, n uint64) []byte { return binary.AppendUvarint(b, (n-1)<<2|tokenSame) }

func appendChange(b []byte, was, v float64) []byte {
	if d := v - was; d > -maxStep && d < maxStep {
		if n := int64(d); math.Float64bits(was+float64(n)) == math.Float64bits(v) {
			return binary.AppendUvarint(b, (uint64(n)<<1^uint64(n>>63))<<2|tokenStep)
		}
	}
	return binary.LittleEndian.AppendUint64(append(b, tokenBits), math.Float64bits(v))
}

// errRecord is the error of a record that no store wrote.
var errRecord = errors.New("the record is damaged")

// decoder reads what an encoder wrote. After the first error everything is zero.
type decoder struct {
	b       []byte
	symbols []string
	before  frame.Labels
	err     error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: "+format, append([]any{errRecord}, args...)...)
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("it ends early")
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool() bool { return d.byte() != 0 }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("it ends early")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("it ends early")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.fail("it ends early")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) sample() sample { return sample{d.int(), math.Float64frombits(d.fixed())} }

// count reads how many things follow, each of which takes a byte at least.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("it has no room for %d of them", n)
		return 0
	}
	return int(n)
}

// number reads one that is at most limit.
func (d *decoder) number(limit uint32) uint32 {
	n := d.uint()
	if n > uint64(limit) {
		d.fail("%d is more than %d", n, limit)
		return 0
	}
	return uint32(n)
}

func (d *decoder) symbol() string {
	n := d.uint()
	if n > uint64(len(d.symbols)) {
		d.fail("it has no string %d", n)
		return ""
	}
	if n > 0 {
		return d.symbols[n-1]
	}
	size := d.count()
	s := string(d.b[:size])
	d.b = d.b[size:]
	d.symbols = append(d.symbols, s)
	return s
}

func (d *decoder) labels() frame.Labels {
	n, same := d.uint(), d.uint()
	if n > 64+uint64(len(d.b)) { // the others take two bytes at least
		d.fail("it has a series with %d labels", n)
		return nil
	}
	ls := make(frame.Labels, n)
	for i := range ls {
		switch {
		case same>>i&1 == 0:
			ls[i] = frame.Label{Name: d.symbol(), Value: d.symbol()}
		case i < len(d.before):
			ls[i] = d.before[i]
		}
	}
	d.before = ls
	return ls
}

func (d *decoder) series() frame.Series {
	kind := frame.Kind(d.byte())
	return frame.Series{Kind: kind, Labels: d.labels()}
}

// next reads a value, and how many there are of it, which is more than one only if it is what it was.
func (d *decoder) next(was float64) (v float64, n uint64) {
	switch token := d.uint(); token & 3 {
	case tokenSame:
		return was, token>>2 + 1
	case tokenStep:
		z := token >> 2
		return was + float64(int64(z>>1)^-int64(z&1)), 1
	case tokenBits:
		return math.Float64frombits(d.fixed()), 1
	default:
		d.fail("it has a value of an unknown form")
		return 0, 1
	}
}

// row reads what row wrote, over the values that were before.
func (d *decoder) row(before []float64) {
	for i := 0; i < len(before); {
		v, n := d.next(before[i])
		if d.err != nil || n > uint64(len(before)-i) {
			d.fail("its row is longer than its layout")
			return
		}
		before[i] = v
		i += int(n)
	}
}

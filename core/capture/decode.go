package capture

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

var (
	errShort = errors.New("a record ends in its midst")
	errWrong = errors.New("a record makes no sense")
	errLarge = errors.New("it has more series than this program takes")
)

// decoder takes a block apart. After the first mistake err is set, and all that it returns is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.b, d.err = nil, err
	}
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail(errShort)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.fail(errShort)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// count is a number of things, at most so many.
func (d *decoder) count(most int) int {
	v := d.uvarint()
	if v > uint64(most) {
		d.fail(errWrong)
		return 0
	}
	return int(v)
}

func (d *decoder) bytes(most int) []byte {
	n := d.count(most)
	if n > len(d.b) {
		d.fail(errShort)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string { return string(d.bytes(maxText)) }

// layout reads a layout of at most so many columns that is written as changes of an old one, and where in that its
// columns were.
func (d *decoder) layout(old *frame.Layout, most int) (*frame.Layout, []int) {
	columns := d.uvarint()
	if columns > uint64(most) {
		d.fail(errLarge)
	}
	layout, places := &frame.Layout{}, []int(nil)
	for d.err == nil && uint64(len(places)) < columns {
		head := d.uvarint()
		n := head >> 1
		if n == 0 || n > columns-uint64(len(places)) {
			d.fail(errWrong)
			break
		}
		if head&1 == 0 {
			from := d.uvarint()
			if from > uint64(len(old.Series)) || n > uint64(len(old.Series))-from {
				d.fail(errWrong)
				break
			}
			layout.Series = append(layout.Series, old.Series[from:from+n]...)
			for i := range n {
				places = append(places, int(from+i))
			}
			continue
		}
		for ; n > 0 && d.err == nil; n-- {
			layout.Series = append(layout.Series, d.series())
			places = append(places, -1)
		}
	}
	return layout, places
}

func (d *decoder) series() frame.Series {
	s := frame.Series{Kind: frame.Kind(d.byte())}
	if s.Kind > frame.StateSet {
		d.fail(errWrong)
	}
	var all []frame.Label
	for n := d.count(len(d.b) / 2); n > 0 && d.err == nil; n-- { // a label is two bytes at least
		all = append(all, frame.Label{Name: d.text(), Value: d.text()})
	}
	s.Labels = frame.NewLabels(all...)
	return s
}

// values changes a row by what differs.
func (d *decoder) values(row []float64) {
	at := uint64(0)
	for n := d.count(len(row)); n > 0 && d.err == nil; n-- {
		head := d.uvarint()
		if head>>1 >= uint64(len(row))-at {
			d.fail(errWrong)
			return
		}
		at += head >> 1
		if head&1 == 1 {
			row[at] = math.Float64frombits(math.Float64bits(row[at]) ^ d.fixed())
		} else {
			row[at] = float64(int64(row[at]) + d.varint())
		}
		at++
	}
}

package abi

import (
	"math"
	"strconv"
	"unsafe"
)

const (
	windowMagic  = 0x31575354 // "TSW1"
	windowHeader = 64
	inputSize    = 80
)

// WindowSize returns the size of w as a block, bytes. More than 4 GiB cannot be sent.
func WindowSize(w *Window) uint64 {
	l := layout{next: windowHeader + uint64(len(w.Inputs))*inputSize}
	for i := range w.Inputs {
		in := &w.Inputs[i]
		l.place(len(in.Times), 8)
		l.place(len(in.Values), 8)
		l.place(len(in.Series), 4)
		l.place(len(in.Spans), 8)
		l.place(len(in.TimeRef), 4)
		l.place(len(in.Flags), 1)
	}
	l.place(0, 8)
	return l.next
}

// PutWindow writes w as a block into dst, which is [WindowSize] bytes long.
func PutWindow(dst []byte, w *Window) {
	clear(dst[:windowHeader+len(w.Inputs)*inputSize])
	le.PutUint32(dst[0:], windowMagic)
	le.PutUint16(dst[4:], Major)
	le.PutUint16(dst[6:], windowHeader)
	le.PutUint32(dst[8:], uint32(len(dst)))
	le.PutUint32(dst[12:], w.Flags)
	le.PutUint64(dst[16:], w.Sequence)
	le.PutUint64(dst[24:], uint64(w.Time))
	le.PutUint64(dst[32:], w.Generation)
	le.PutUint32(dst[40:], uint32(len(w.Inputs)))
	le.PutUint32(dst[44:], windowHeader)
	le.PutUint16(dst[48:], inputSize)
	le.PutUint32(dst[52:], w.IntervalMS)

	l := layout{next: windowHeader + uint64(len(w.Inputs))*inputSize}
	for i := range w.Inputs {
		in := &w.Inputs[i]
		times, values := l.place(len(in.Times), 8), l.place(len(in.Values), 8)
		series, spans := l.place(len(in.Series), 4), l.place(len(in.Spans), 8)
		refs, flags := l.place(len(in.TimeRef), 4), l.place(len(in.Flags), 1)
		putArray(dst[times:], in.Times)
		putArray(dst[values:], in.Values)
		putArray(dst[series:], in.Series)
		putArray(dst[spans:], spanWords(in.Spans))
		putArray(dst[refs:], in.TimeRef)
		putArray(dst[flags:], in.Flags)

		d := dst[windowHeader+i*inputSize:][:inputSize]
		le.PutUint32(d[0:], uint32(i))
		le.PutUint32(d[4:], uint32(len(in.Series)))
		le.PutUint32(d[8:], uint32(series))
		le.PutUint32(d[12:], uint32(spans))
		le.PutUint32(d[16:], uint32(refs))
		le.PutUint32(d[20:], uint32(times))
		le.PutUint32(d[24:], uint32(values))
		le.PutUint32(d[28:], uint32(flags))
		le.PutUint64(d[32:], uint64(in.Start))
		le.PutUint64(d[40:], uint64(in.End))
		le.PutUint32(d[48:], uint32(len(in.Times)))
		le.PutUint32(d[52:], uint32(len(in.Values)))
		le.PutUint32(d[56:], in.TargetsExpected)
		le.PutUint32(d[60:], in.TargetsAnswered)
		le.PutUint16(d[64:], uint16(in.Reduce))
		le.PutUint64(d[72:], math.Float64bits(in.ReduceArg))
	}
}

// spanWords views spans as the words they are made of: {start, count} pairs.
func spanWords(spans []Span) []uint32 {
	if len(spans) == 0 {
		return nil
	}
	return unsafe.Slice(&spans[0].Start, 2*len(spans))
}

// DecodeWindow reads a block into w, reusing its memory. The columns are views into block where the machine allows it:
// they are valid, and must not be written, as long as block is not.
func DecodeWindow(block []byte, w *Window) error {
	if len(block) < windowHeader || le.Uint32(block) != windowMagic {
		return malformed("not a window")
	}
	if v := le.Uint16(block[4:]); v != Major {
		return malformed("window of version " + strconv.Itoa(int(v)))
	}
	total := le.Uint32(block[8:])
	if uint64(total) > uint64(len(block)) || total < windowHeader {
		return malformed("window is cut short")
	}
	block = block[:total]
	n, at, size := le.Uint32(block[40:]), le.Uint32(block[44:]), le.Uint16(block[48:])
	if size < inputSize || uint64(at)+uint64(n)*uint64(size) > uint64(len(block)) {
		return malformed("inputs pass the end of the window")
	}
	w.Flags, w.Sequence = le.Uint32(block[12:]), le.Uint64(block[16:])
	w.Time, w.Generation = int64(le.Uint64(block[24:])), le.Uint64(block[32:])
	w.IntervalMS = le.Uint32(block[52:])
	if uint32(cap(w.Inputs)) < n {
		w.Inputs = make([]Input, n)
	}
	w.Inputs = w.Inputs[:n]
	for i := range w.Inputs {
		d := block[uint64(at)+uint64(i)*uint64(size):][:inputSize]
		if err := decodeInput(block, d, &w.Inputs[i]); err != nil {
			return err
		}
	}
	return nil
}

func decodeInput(block, d []byte, in *Input) error {
	n := le.Uint32(d[4:])
	nTimes, nValues := le.Uint32(d[48:]), le.Uint32(d[52:])
	var errs [6]error
	in.Series, errs[0] = array[uint32](block, le.Uint32(d[8:]), n, "series")
	in.Spans, errs[1] = spanArray(block, le.Uint32(d[12:]), n)
	in.TimeRef, errs[2] = array[uint32](block, le.Uint32(d[16:]), n, "time references")
	in.Times, errs[3] = array[int64](block, le.Uint32(d[20:]), nTimes, "times")
	in.Values, errs[4] = array[float64](block, le.Uint32(d[24:]), nValues, "values")
	in.Flags, errs[5] = array[uint8](block, le.Uint32(d[28:]), n, "flags")
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	in.Start, in.End = int64(le.Uint64(d[32:])), int64(le.Uint64(d[40:]))
	in.TargetsExpected, in.TargetsAnswered = le.Uint32(d[56:]), le.Uint32(d[60:])
	in.Reduce, in.ReduceArg = Reduce(le.Uint16(d[64:])), math.Float64frombits(le.Uint64(d[72:]))
	return nil
}

// spanArray reads {start, count} pairs. They are aligned to eight bytes, as the pairs are read as one element.
func spanArray(block []byte, off, n uint32) ([]Span, error) {
	if n == 0 {
		return nil, nil
	}
	if n > math.MaxUint32/2 {
		return nil, malformed("spans: too many")
	}
	words, err := array[uint32](block, off, 2*n, "spans")
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*Span)(unsafe.Pointer(&words[0])), n), nil
}

// Check tells whether spans and references stay inside their columns and series inside a dictionary of n.
// A host that fills windows need not call it on the hot path; a guest trusts the host.
func (in *Input) Check(n int) error {
	if len(in.Spans) != len(in.Series) || len(in.TimeRef) != len(in.Series) || len(in.Flags) != len(in.Series) {
		return malformed("columns of an input differ in length")
	}
	for i, s := range in.Spans {
		if uint64(s.Start)+uint64(s.Count) > uint64(len(in.Values)) {
			return malformed("span passes the values")
		}
		if in.Reduce == Raw && s.Count > 0 && uint64(in.TimeRef[i])+uint64(s.Count) > uint64(len(in.Times)) {
			return malformed("span passes the times")
		}
		if uint64(in.Series[i]) >= uint64(n) {
			return malformed("series is not in the dictionary")
		}
	}
	return nil
}

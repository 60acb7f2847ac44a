package abi

import "math"

// ResultWriter builds a result. Reset and used again it does not allocate.
type ResultWriter struct {
	alerts []byte
	pairs  []byte
	text   []byte
	head   [resultHeader]byte
}

// Reset forgets all verdicts.
func (w *ResultWriter) Reset() { w.alerts, w.pairs, w.text = w.alerts[:0], w.pairs[:0], w.text[:0] }

// Len is the number of verdicts.
func (w *ResultWriter) Len() int { return len(w.alerts) / alertRecord }

// Add appends a verdict about series (NoIndex: about no single series). Its labels follow by [ResultWriter.Label].
func (w *ResultWriter) Add(series uint32, status Status, value float64) {
	var rec [alertRecord]byte
	le.PutUint32(rec[0:], series)
	rec[4] = byte(status)
	le.PutUint64(rec[8:], math.Float64bits(value))
	le.PutUint64(rec[16:], math.Float64bits(math.NaN()))
	le.PutUint32(rec[32:], uint32(len(w.pairs)/pairRecord))
	w.alerts = append(w.alerts, rec[:]...)
}

// Label adds a label to the identity of the last verdict.
func (w *ResultWriter) Label(name, value string) {
	rec := w.last()
	le.PutUint32(rec[36:], le.Uint32(rec[36:])+1)
	var p [pairRecord]byte
	w.put(p[0:8], name)
	w.put(p[8:16], value)
	w.pairs = append(w.pairs, p[:]...)
}

// Threshold says what the value of the last verdict was compared with.
func (w *ResultWriter) Threshold(t float64) { le.PutUint64(w.last()[16:], math.Float64bits(t)) }

// Severity sets the severity of the last verdict, 0 for the one of the configuration.
func (w *ResultWriter) Severity(s uint8) { w.last()[5] = s }

// Text explains the last verdict.
func (w *ResultWriter) Text(s string) { w.put(w.last()[40:48], s) }

func (w *ResultWriter) last() []byte { return w.alerts[len(w.alerts)-alertRecord:] }

// put appends s to the text and its reference, relative to the text until Parts, to ref.
func (w *ResultWriter) put(ref []byte, s string) {
	le.PutUint32(ref, uint32(len(w.text)))
	le.PutUint32(ref[4:], uint32(len(s)))
	w.text = append(w.text, s...)
}

// Parts completes the block and returns it in pieces to be emitted one after the other. Call it once, then Reset.
func (w *ResultWriter) Parts() [4][]byte {
	offPairs := uint32(resultHeader + len(w.alerts))
	offText := offPairs + uint32(len(w.pairs))
	shift := func(ref []byte) { le.PutUint32(ref, le.Uint32(ref)+offText) }
	for i := 0; i < len(w.alerts); i += alertRecord {
		shift(w.alerts[i+40:])
	}
	for i := 0; i < len(w.pairs); i += pairRecord {
		shift(w.pairs[i:])
		shift(w.pairs[i+8:])
	}
	le.PutUint32(w.head[0:], resultMagic)
	le.PutUint32(w.head[4:], uint32(w.Len()))
	le.PutUint32(w.head[8:], resultHeader)
	le.PutUint32(w.head[12:], uint32(len(w.pairs)/pairRecord))
	le.PutUint32(w.head[16:], offPairs)
	le.PutUint32(w.head[20:], offText)
	le.PutUint32(w.head[24:], uint32(len(w.text)))
	return [4][]byte{w.head[:], w.alerts, w.pairs, w.text}
}

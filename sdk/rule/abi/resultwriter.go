package abi

import (
	"math"
	"slices"
)

// ResultWriter builds a result. Reset and used again it does not allocate.
//
// Records are kept as the words that they consist of: in a guest, where each verdict counts, writing a word costs a
// fraction of what writing its bytes does.
type ResultWriter struct {
	alerts []uint32 // alertWords each
	pairs  []uint32 // pairWords each
	text   []byte
	block  []byte
}

const (
	alertWords = alertRecord / 4
	pairWords  = pairRecord / 4
)

// The words of an alert record that are set after it was added. Offsets of text are relative to the text until Block.
const (
	wordStatus    = 1 // and severity, in the second byte
	wordThreshold = 4
	wordPairs     = 9
	wordText      = 10
)

// noThreshold is NaN.
var noThreshold = math.Float64bits(math.NaN())

// Reset forgets all verdicts.
func (w *ResultWriter) Reset() { w.alerts, w.pairs, w.text = w.alerts[:0], w.pairs[:0], w.text[:0] }

// Len is the number of verdicts.
func (w *ResultWriter) Len() int { return len(w.alerts) / alertWords }

// Add appends a verdict about series (NoIndex: about no single series). Its labels follow by [ResultWriter.Label].
func (w *ResultWriter) Add(series uint32, status Status, value float64) {
	v := math.Float64bits(value)
	w.alerts = append(w.alerts, series, uint32(status), uint32(v), uint32(v>>32), uint32(noThreshold), uint32(noThreshold>>32),
		0, 0, uint32(len(w.pairs)/pairWords), 0, 0, 0)
}

// Label adds a label to the identity of the last verdict.
func (w *ResultWriter) Label(name, value string) {
	w.last()[wordPairs]++
	at := uint32(len(w.text))
	w.text = append(append(w.text, name...), value...)
	w.pairs = append(w.pairs, at, uint32(len(name)), at+uint32(len(name)), uint32(len(value)))
}

// Threshold says what the value of the last verdict was compared with.
func (w *ResultWriter) Threshold(t float64) {
	rec, v := w.last(), math.Float64bits(t)
	rec[wordThreshold], rec[wordThreshold+1] = uint32(v), uint32(v>>32)
}

// Severity sets the severity of the last verdict, 0 for the one of the configuration.
func (w *ResultWriter) Severity(s uint8) {
	rec := w.last()
	rec[wordStatus] = rec[wordStatus]&^0xff00 | uint32(s)<<8
}

// Text explains the last verdict.
func (w *ResultWriter) Text(s string) {
	rec := w.last()
	rec[wordText], rec[wordText+1] = uint32(len(w.text)), uint32(len(s))
	w.text = append(w.text, s...)
}

func (w *ResultWriter) last() []uint32 { return w.alerts[len(w.alerts)-alertWords:] }

// Block completes the result. Call it once, then Reset, after which the block is not valid any more.
func (w *ResultWriter) Block() []byte {
	offPairs := uint32(resultHeader + 4*len(w.alerts))
	offText := offPairs + 4*uint32(len(w.pairs))
	for i := wordText; i < len(w.alerts); i += alertWords {
		w.alerts[i] += offText
	}
	for i := 0; i < len(w.pairs); i += 2 {
		w.pairs[i] += offText
	}
	size := int(offText) + len(w.text)
	w.block = slices.Grow(w.block[:0], size)[:size]
	head := [resultHeader / 4]uint32{
		resultMagic, uint32(w.Len()), resultHeader, uint32(len(w.pairs) / pairWords), offPairs, offText, uint32(len(w.text)),
	}
	putArray(w.block, head[:])
	putArray(w.block[resultHeader:], w.alerts)
	putArray(w.block[offPairs:], w.pairs)
	copy(w.block[offText:], w.text)
	return w.block
}

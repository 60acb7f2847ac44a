package abi

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

const (
	resultMagic  = 0x31525354 // "TSR1"
	resultHeader = 32
	alertRecord  = 48
	pairRecord   = 16
)

// Status is what a verdict says of one instance.
type Status uint8

// The statuses, with their numbers on the wire.
const (
	Healthy Status = iota // evidence that all is well
	Active                // the condition holds
	Unknown               // cannot be told from these data
)

func (s Status) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Active:
		return "active"
	case Unknown:
		return "unknown"
	}
	return "status " + strconv.Itoa(int(s))
}

// Verdict is what a rule says about one instance in one evaluation.
type Verdict struct {
	Labels    frame.Labels // identity, without __name__; must not be changed
	Status    Status
	Value     float64
	Threshold float64 // NaN: none
	Severity  uint8   // 0: the one of the configuration
	Text      string
}

// ResultLimits bounds what a result may hold. Zero values stand for the defaults.
type ResultLimits struct {
	Alerts int // 10,000
	Pairs  int // labels of one verdict: 32
	Name   int // bytes of a label name: 128
	Value  int // bytes of a label value: 1 KiB
	Text   int // bytes: 4 KiB
}

func (l ResultLimits) withDefaults() ResultLimits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Alerts, 10_000)
	set(&l.Pairs, 32)
	set(&l.Name, 128)
	set(&l.Value, 1<<10)
	set(&l.Text, 4<<10)
	return l
}

// ResultDecoder reads results of one rule. It remembers the identities it has built, so that a rule which names the
// same instances each time costs no allocation. It trusts nothing: every count, offset, name and byte of text is checked.
type ResultDecoder struct {
	limits     ResultLimits
	series     []frame.Labels // identities by index of the dictionary
	dictionary *Dictionary
	named      map[string]frame.Labels // identities by the bytes that spelled them
	key        []byte
	seen       map[uint64]int32 // the last verdict whose identity has this hash
	earlier    []int32          // of each verdict: the one before it with the same hash, -1 for none
}

// NewResultDecoder returns a decoder.
func NewResultDecoder(limits ResultLimits) *ResultDecoder {
	return &ResultDecoder{limits: limits.withDefaults()}
}

// result is the header of a block.
type result struct {
	block             []byte
	nAlerts, offAlert uint64
	nPairs, offPairs  uint64
	offText, lenText  uint64
}

// Decode reads a block into verdicts, reusing its memory. Series indexes refer to d.
func (r *ResultDecoder) Decode(block []byte, d *Dictionary, verdicts []Verdict) ([]Verdict, error) {
	verdicts = verdicts[:0]
	h, err := r.header(block)
	if err != nil {
		return nil, err
	}
	if r.dictionary != d {
		r.dictionary = d
		r.series = make([]frame.Labels, len(d.Series))
		clear(r.named)
	}
	if len(r.named) > 2*r.limits.Alerts {
		clear(r.named)
	}
	if r.seen == nil {
		r.seen, r.named = map[uint64]int32{}, map[string]frame.Labels{}
	}
	clear(r.seen)
	r.earlier = r.earlier[:0]
	for i := range h.nAlerts {
		rec := block[h.offAlert+i*alertRecord:][:alertRecord]
		v, err := r.verdict(&h, rec)
		if err != nil {
			return nil, malformed("verdict " + strconv.FormatUint(i, 10) + ": " + err.Error())
		}
		hash := v.Labels.Hash()
		before, ok := r.seen[hash]
		if !ok {
			before = -1
		}
		for k := before; k >= 0; k = r.earlier[k] {
			if verdicts[k].Labels.Equal(v.Labels) {
				return nil, malformed("verdict " + strconv.FormatUint(i, 10) + ": instance " + v.Labels.String() + " was already given by verdict " + strconv.Itoa(int(k)))
			}
		}
		r.seen[hash] = int32(len(verdicts))
		r.earlier = append(r.earlier, before)
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

func (r *ResultDecoder) header(block []byte) (h result, err error) {
	if len(block) < resultHeader || le.Uint32(block) != resultMagic {
		return h, malformed("not a result")
	}
	h = result{
		block:   block,
		nAlerts: uint64(le.Uint32(block[4:])), offAlert: uint64(le.Uint32(block[8:])),
		nPairs: uint64(le.Uint32(block[12:])), offPairs: uint64(le.Uint32(block[16:])),
		offText: uint64(le.Uint32(block[20:])), lenText: uint64(le.Uint32(block[24:])),
	}
	end := uint64(len(block))
	switch {
	case h.nAlerts > uint64(r.limits.Alerts):
		return h, malformed(strconv.FormatUint(h.nAlerts, 10) + " verdicts, the limit is " + strconv.Itoa(r.limits.Alerts))
	case h.nAlerts > 0 && h.offAlert < resultHeader, h.offAlert+h.nAlerts*alertRecord > end:
		return h, malformed("verdicts are outside the block")
	case h.nPairs > 0 && h.offPairs < resultHeader, h.offPairs+h.nPairs*pairRecord > end:
		return h, malformed("labels are outside the block")
	case h.lenText > 0 && h.offText < resultHeader, h.offText+h.lenText > end:
		return h, malformed("text is outside the block")
	}
	return h, nil
}

func (r *ResultDecoder) verdict(h *result, rec []byte) (Verdict, error) {
	v := Verdict{
		Status:    Status(rec[4]),
		Severity:  rec[5],
		Value:     math.Float64frombits(le.Uint64(rec[8:])),
		Threshold: math.Float64frombits(le.Uint64(rec[16:])),
	}
	if v.Status > Unknown {
		return v, malformed(v.Status.String() + " does not exist")
	}
	var err error
	if v.Labels, err = r.identity(h, rec); err != nil {
		return v, err
	}
	words, err := h.text(le.Uint32(rec[40:]), le.Uint32(rec[44:]), r.limits.Text, "text")
	if err != nil {
		return v, err
	}
	if len(words) > 0 {
		v.Text = printable(words)
	}
	return v, nil
}

func (r *ResultDecoder) identity(h *result, rec []byte) (frame.Labels, error) {
	index, start, count := le.Uint32(rec[0:]), uint64(le.Uint32(rec[32:])), uint64(le.Uint32(rec[36:]))
	if count > uint64(r.limits.Pairs) {
		return nil, malformed(strconv.FormatUint(count, 10) + " labels, the limit is " + strconv.Itoa(r.limits.Pairs))
	}
	if start+count > h.nPairs {
		return nil, malformed("labels pass the end")
	}
	var base frame.Labels
	if index != NoIndex {
		if uint64(index) >= uint64(len(r.series)) {
			return nil, malformed("series " + strconv.FormatUint(uint64(index), 10) + " is not in the dictionary")
		}
		if r.series[index] == nil {
			r.series[index] = append(frame.Labels{}, r.dictionary.Series[index].Labels.Without(frame.MetricName)...)
		}
		base = r.series[index]
	}
	if count == 0 {
		return base, nil
	}
	r.key = le.AppendUint32(r.key[:0], index)
	for k := range count {
		p := h.block[h.offPairs+(start+k)*pairRecord:]
		name, err := h.text(le.Uint32(p[0:]), le.Uint32(p[4:]), r.limits.Name, "label name")
		if err != nil {
			return nil, err
		}
		value, err := h.text(le.Uint32(p[8:]), le.Uint32(p[12:]), r.limits.Value, "label value")
		if err != nil {
			return nil, err
		}
		r.key = append(le.AppendUint32(r.key, uint32(len(name))), name...)
		r.key = append(le.AppendUint32(r.key, uint32(len(value))), value...)
	}
	if known, ok := r.named[string(r.key)]; ok {
		return known, nil
	}
	labels, err := r.spelled(base, r.key[4:])
	if err != nil {
		return nil, err
	}
	r.named[string(r.key)] = labels
	return labels, nil
}

// spelled builds an identity from the labels of a series and the pairs in key (length, bytes, length, bytes, …).
func (r *ResultDecoder) spelled(base frame.Labels, key []byte) (frame.Labels, error) {
	next := func() []byte {
		n := le.Uint32(key)
		s := key[4 : 4+n]
		key = key[4+n:]
		return s
	}
	var added frame.Labels
	for len(key) > 0 {
		name, value := next(), next()
		if !labelName(name) {
			return nil, malformed("label name " + strconv.Quote(string(name)) + " is not allowed")
		}
		if !utf8.Valid(value) {
			return nil, malformed("the value of label " + string(name) + " is not UTF-8")
		}
		for _, l := range added {
			if l.Name == string(name) {
				return nil, malformed("label " + l.Name + " is given twice")
			}
		}
		added = append(added, frame.Label{Name: string(name), Value: string(value)})
	}
	return base.With(added...), nil
}

func (h *result) text(off, n uint32, limit int, what string) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if int64(n) > int64(limit) {
		return nil, malformed(what + " of " + strconv.FormatUint(uint64(n), 10) + " bytes, the limit is " + strconv.Itoa(limit))
	}
	if uint64(off) < h.offText || uint64(off)+uint64(n) > h.offText+h.lenText {
		return nil, malformed(what + " is outside the text")
	}
	s := h.block[off : uint64(off)+uint64(n)]
	if !utf8.Valid(s) {
		return nil, malformed(what + " is not UTF-8")
	}
	return s, nil
}

// labelName tells whether name is ^[a-zA-Z_][a-zA-Z0-9_]*$ and not the metric name.
func labelName(name []byte) bool {
	if len(name) == 0 || string(name) == frame.MetricName {
		return false
	}
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// printable replaces control characters other than newline and tab: text ends in logs, terminals and pages.
func printable(s []byte) string {
	out := make([]byte, len(s))
	for i, c := range s {
		if c < 0x20 && c != '\n' && c != '\t' || c == 0x7f {
			c = ' '
		}
		out[i] = c
	}
	return string(out)
}

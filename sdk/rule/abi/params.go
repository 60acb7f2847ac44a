package abi

import (
	"math"
	"strconv"
)

const (
	paramsMagic  = 0x31505354 // "TSP1"
	paramsHeader = 16
	paramRecord  = 20
)

// ParamType is the type of the elements of a parameter.
type ParamType uint8

// The types. A duration travels as nanoseconds.
const (
	ParamBool ParamType = 1 + iota
	ParamInt
	ParamFloat
	ParamString
	ParamDuration
)

// ParamShape tells a value from a list and a map.
type ParamShape uint8

// The shapes.
const (
	ParamScalar ParamShape = iota
	ParamList
	ParamMap
)

// Param is one parameter. Which of the columns is filled follows from Type; a scalar has one element.
type Param struct {
	Name   string
	Type   ParamType
	Shape  ParamShape
	Keys   []string // of a map
	Bools  []bool
	Ints   []int64 // also durations
	Floats []float64
	Texts  []string
}

// Len is the number of elements.
func (p *Param) Len() int {
	switch p.Type {
	case ParamBool:
		return len(p.Bools)
	case ParamInt, ParamDuration:
		return len(p.Ints)
	case ParamFloat:
		return len(p.Floats)
	default:
		return len(p.Texts)
	}
}

// PutParams writes parameters as a block.
func PutParams(params []Param) []byte {
	l := layout{next: paramsHeader + uint64(len(params))*paramRecord}
	block := make([]byte, l.next)
	room := func(n int, size uint64) (at uint64) {
		at = l.place(n, size)
		block = append(block, make([]byte, l.next-uint64(len(block)))...)
		return at
	}
	str := func(s string) (off, n uint32) {
		at := room(len(s), 1)
		copy(block[at:], s)
		return uint32(at), uint32(len(s))
	}
	strs := func(list []string) {
		at := room(2*len(list), 4)
		for i, s := range list {
			off, n := str(s)
			le.PutUint32(block[at+8*uint64(i):], off)
			le.PutUint32(block[at+8*uint64(i)+4:], n)
		}
	}
	for i := range params {
		p := &params[i]
		nameOff, nameLen := str(p.Name)
		n := p.Len()
		room(0, 8)
		off := l.next
		if p.Shape == ParamMap { // the references of the keys stand before the values, the text behind both
			room(2*n, 4)
			room(0, 8)
		}
		switch p.Type {
		case ParamBool:
			at := room(n, 1)
			for k, v := range p.Bools {
				if v {
					block[at+uint64(k)] = 1
				}
			}
		case ParamInt, ParamDuration:
			at := room(n, 8)
			putArray(block[at:], p.Ints)
		case ParamFloat:
			at := room(n, 8)
			putArray(block[at:], p.Floats)
		default:
			strs(p.Texts)
		}
		if p.Shape == ParamMap {
			for k, key := range p.Keys {
				ko, kn := str(key)
				le.PutUint32(block[off+8*uint64(k):], ko)
				le.PutUint32(block[off+8*uint64(k)+4:], kn)
			}
		}
		rec := block[paramsHeader+i*paramRecord:]
		le.PutUint32(rec[0:], nameOff)
		le.PutUint32(rec[4:], nameLen)
		rec[8], rec[9] = byte(p.Type), byte(p.Shape)
		le.PutUint32(rec[12:], uint32(n))
		le.PutUint32(rec[16:], uint32(off))
	}
	room(0, 8)
	le.PutUint32(block[0:], paramsMagic)
	le.PutUint16(block[4:], Major)
	le.PutUint16(block[6:], paramsHeader)
	le.PutUint32(block[8:], uint32(len(block)))
	le.PutUint32(block[12:], uint32(len(params)))
	return block
}

// DecodeParams reads a block. Everything is copied.
func DecodeParams(block []byte) ([]Param, error) {
	if len(block) < paramsHeader || le.Uint32(block) != paramsMagic {
		return nil, malformed("not parameters")
	}
	if v := le.Uint16(block[4:]); v != Major {
		return nil, malformed("parameters of version " + strconv.Itoa(int(v)))
	}
	total := le.Uint32(block[8:])
	if uint64(total) > uint64(len(block)) || total < paramsHeader {
		return nil, malformed("parameters are cut short")
	}
	block = block[:total]
	at, n := uint64(le.Uint16(block[6:])), le.Uint32(block[12:])
	if at+uint64(n)*paramRecord > uint64(len(block)) {
		return nil, malformed("parameters pass the end")
	}
	params := make([]Param, n)
	for i := range params {
		if err := decodeParam(block, block[at+uint64(i)*paramRecord:][:paramRecord], &params[i]); err != nil {
			return nil, err
		}
	}
	return params, nil
}

func decodeParam(block, rec []byte, p *Param) error {
	name, ok := text(block, le.Uint32(rec[0:]), le.Uint32(rec[4:]))
	if !ok {
		return malformed("name of a parameter")
	}
	p.Name = string([]byte(name))
	p.Type, p.Shape = ParamType(rec[8]), ParamShape(rec[9])
	n, off := le.Uint32(rec[12:]), le.Uint32(rec[16:])
	if p.Shape > ParamMap || p.Shape == ParamScalar && n != 1 {
		return malformed("shape of parameter " + p.Name)
	}
	var err error
	if p.Shape == ParamMap {
		if p.Keys, err = texts(block, off, n); err != nil {
			return err
		}
		next := (uint64(off) + 8*uint64(n) + 7) &^ 7
		if next > math.MaxUint32 {
			return malformed("parameter " + p.Name)
		}
		off = uint32(next)
	}
	switch p.Type {
	case ParamBool:
		var raw []uint8
		raw, err = array[uint8](block, off, n, "parameter "+p.Name)
		for _, b := range raw {
			p.Bools = append(p.Bools, b != 0)
		}
	case ParamInt, ParamDuration:
		var raw []int64
		raw, err = array[int64](block, off, n, "parameter "+p.Name)
		p.Ints = append(p.Ints, raw...)
	case ParamFloat:
		var raw []float64
		raw, err = array[float64](block, off, n, "parameter "+p.Name)
		p.Floats = append(p.Floats, raw...)
	case ParamString:
		p.Texts, err = texts(block, off, n)
	default:
		return malformed("type of parameter " + p.Name)
	}
	return err
}

// texts copies n strings whose references stand at off.
func texts(block []byte, off, n uint32) ([]string, error) {
	if n > math.MaxUint32/2 {
		return nil, malformed("strings: too many")
	}
	refs, err := array[uint32](block, off, 2*n, "strings")
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, n)
	for i := range n {
		s, ok := text(block, refs[2*i], refs[2*i+1])
		if !ok {
			return nil, malformed("string passes the end")
		}
		list = append(list, string([]byte(s)))
	}
	return list, nil
}

// Command faulty is a rule module that keeps the contract in every point except one. Which one, its memory says: the
// test writes it there. The rule counts for how many evaluations a value has been above a limit.
package main

import (
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

const manifest = `{"abi":{"major":1,"min_minor":0},"name":"faulty","shared":true,"state":{"version":1},` +
	`"params":[{"name":"above","type":"float","default":1,"min":0,"max":10}],"inputs":[{"name":"values"}]}`

// main prints the manifest, as "tocsin rule build" expects.
func main() { _, _ = os.Stdout.WriteString(manifest) }

var fault = [32]byte{'f', 'a', 'u', 'l', 't', ':'}

func has(name string) bool { return strings.TrimRight(string(fault[6:31]), "\x00") == name }

type session struct {
	above  float64
	table  *abi.SeriesTable
	counts map[uint64]int // evaluations above the limit by fingerprint
}

var (
	slots    [abi.Slots][]uint64
	sessions = map[int32]*session{}
	leaked   [][]byte
)

func buffer(slot, size int32) uintptr {
	if has("pretend") && uint32(size) > 1<<27 {
		return uintptr(unsafe.Pointer(&slots[0]))
	}
	words := int(uint32(size)/8) + 2
	if words > 1<<23 {
		return 0
	}
	if has("overlap") && slot == 1 {
		slot = 0
	}
	if cap(slots[slot]) < words {
		slots[slot] = make([]uint64, words)
		if has("grow") {
			for _, s := range sessions {
				clear(s.counts)
			}
		}
	}
	at := uintptr(unsafe.Pointer(&slots[slot][0]))
	if has("misaligned") {
		at += 4
	}
	return at
}

func view(ptr, size int32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(uint32(ptr)))), int(uint32(size)))
}

func find(handle int32) *session {
	if has("one") {
		handle = 0
	}
	s := sessions[handle]
	if s == nil && has("eager") {
		return &session{above: 1, counts: map[uint64]int{}}
	}
	return s
}

func configure(handle int32, block []byte) abi.StatusCode {
	params, err := abi.DecodeParams(block)
	switch {
	case err == nil:
	case has("params"):
		params = nil
	default:
		return abi.BadConfig
	}
	s := &session{above: 1, counts: map[uint64]int{}}
	for _, p := range params {
		if p.Name == "above" && p.Type == abi.ParamFloat {
			s.above = p.Floats[0]
		}
	}
	if has("one") {
		handle = 0
	}
	sessions[handle] = s
	if s.above == 10 { // allowed by the manifest, and yet of no use
		return abi.BadConfig
	}
	return abi.OK
}

func series(s *session, block []byte) abi.StatusCode {
	words := make([]uint64, len(block)/8+1)
	kept := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(block))
	copy(kept, block)
	table, err := abi.DecodeDictionary(kept)
	if err != nil && has("series") {
		return abi.OK
	}
	if err != nil {
		return abi.BadInput
	}
	s.table = table
	return abi.OK
}

func eval(s *session, block []byte, maxAlerts, maxBytes int64) (abi.StatusCode, []byte) {
	var w abi.Window
	var out abi.ResultWriter
	err := abi.DecodeWindow(block, &w)
	switch {
	case has("status"):
		return 7, out.Block()
	case err != nil && has("loop"):
		for err != nil { //nolint:revive // what it is for
		}
	case err != nil && has("window"):
		return abi.OK, out.Block()
	case err != nil, len(w.Inputs) != 1, block[6] != 64 && has("header"), len(w.Inputs[0].Series) == 0 && has("empty"):
		return abi.BadInput, out.Block()
	case s.table == nil, s.table.Generation != w.Generation && !has("stale"):
		return abi.BadInput, out.Block()
	}
	if has("leak") {
		leaked = append(leaked, make([]byte, 4<<10))
	}
	if has("scribble") && slots[3] != nil {
		slots[3][5]++
	}
	in := &w.Inputs[0]
	for i, index := range in.Series {
		if in.Spans[i].Count == 0 || int64(out.Len()) >= maxAlerts && !has("many") {
			continue
		}
		v := in.Values[in.Spans[i].Start]
		if has("packed") {
			v = in.Values[i]
		}
		key := s.table.UID[index]
		if has("index") {
			key = uint64(index)
		}
		if v > s.above {
			s.counts[key]++
			out.Add(index, abi.Active, v)
		} else {
			s.counts[key] = 0
			out.Add(index, abi.Healthy, v)
		}
		out.Text(strconv.Itoa(s.counts[key]))
	}
	result := out.Block()
	if int64(len(result)) > maxBytes && !has("large") {
		return abi.Internal, result
	}
	if has("twins") && out.Len() > 0 {
		result[32+5] = fault[31] // the severity of the first verdict
	}
	return abi.OK, result
}

func drop(handle int32) {
	if !has("keep") {
		delete(sessions, handle)
	}
}

// snapshot is a fingerprint and a count for each series, in order.
func snapshot(s *session) (state []byte) {
	for _, key := range slices.Sorted(maps.Keys(s.counts)) {
		state = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(state, key), uint64(s.counts[key]))
	}
	if has("moody") {
		s.above++
		state = append(state, byte(s.above))
	}
	return state
}

func restore(s *session, state []byte) abi.StatusCode {
	if len(state)%16 != 0 && has("endless") {
		for len(state) > 0 { //nolint:revive // what it is for
		}
	}
	for ; len(state) >= 16 && !has("amnesia"); state = state[16:] {
		key := binary.LittleEndian.Uint64(state)
		if _, twice := s.counts[key]; twice {
			return abi.BadInput
		}
		s.counts[key] = int(binary.LittleEndian.Uint64(state[8:]))
	}
	if len(state) > 0 && !has("amnesia") && !has("sloppy") {
		return abi.BadInput
	}
	return abi.OK
}

func described() string {
	if has("describe") {
		return strings.Replace(manifest, "faulty", "other", 1)
	}
	return manifest
}

package meter

import (
	"cmp"
	"slices"
)

// dataGap is how many zero bytes may be written between two data segments to make one of them. Go's linker cuts its
// data wherever eight zeros stand: tens of thousands of segments, which cost the runtime more memory than what is in them.
const dataGap = 128

type segment struct {
	at    uint64
	bytes []byte
}

// mergeData returns the data section with segments joined that are nearly adjacent, or body itself where that could
// make a difference: segments that are named by instructions, overlap, or do not go into zeroed memory of the module's own.
func (m *Module) mergeData(body []byte) []byte {
	if m.namesData || m.bodyOf(sectionDataCount) != nil || len(m.memories) != 1 || m.memories[0].imported {
		return body
	}
	segments, ok := readSegments(body)
	if !ok {
		return body
	}
	slices.SortStableFunc(segments, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	var merged []segment
	for _, s := range segments {
		if len(merged) == 0 {
			merged = append(merged, s)
			continue
		}
		last := &merged[len(merged)-1]
		end := last.at + uint64(len(last.bytes))
		switch {
		case s.at < end:
			return body
		case s.at-end <= dataGap:
			last.bytes = append(append(last.bytes, make([]byte, s.at-end)...), s.bytes...)
		default:
			merged = append(merged, s)
		}
	}
	out := &writer{}
	out.u32(uint32(len(merged)))
	for _, s := range merged {
		out.raw([]byte{0, opI32Const})
		out.s64(int64(int32(uint32(s.at))))
		out.raw([]byte{opEnd})
		out.u32(uint32(len(s.bytes)))
		out.raw(s.bytes)
	}
	return out.b
}

// readSegments returns copies of the segments; ok is false where one is not written to a fixed address.
func readSegments(body []byte) (segments []segment, ok bool) {
	r := &reader{b: body}
	for range r.count() {
		if r.u32() != 0 || r.byte() != opI32Const {
			return nil, false
		}
		at, shift := r.leb(5)
		if shift > 0 && shift < 32 && at&(1<<(shift-1)) != 0 {
			at |= ^uint64(0) << shift
		}
		if r.byte() != opEnd {
			return nil, false
		}
		segments = append(segments, segment{uint64(uint32(at)), slices.Clone(r.bytes(r.u32()))})
	}
	return segments, r.err == nil
}

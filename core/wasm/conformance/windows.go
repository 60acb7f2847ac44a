package conformance

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

var le = binary.LittleEndian

func checkEmpty(s *suite) error {
	m := s.module.Manifest()
	none := workload.Dictionary(m, 1, 0)
	some := workload.Dictionary(m, 2, 5)
	holes := workload.Window(m, some, 1, usualSamples)
	for i := range holes.Inputs {
		in := &holes.Inputs[i]
		clear(in.Spans)
		in.Values, in.Times = nil, nil
	}
	nothing := workload.Window(m, none, 0, usualSamples) // over as long a time
	for i := range nothing.Inputs {
		nothing.Inputs[i].Times = nil
	}
	silent := workload.Window(m, some, 2, usualSamples)
	silent.Flags |= abi.WindowMissing
	for i := range silent.Inputs {
		in := &silent.Inputs[i]
		in.TargetsAnswered = 0
		for k := range in.Flags {
			in.Flags[k] = abi.FlagMissing
		}
	}
	for _, tt := range []struct {
		name string
		step step
	}{
		{"no series", step{dictionary: none, window: nothing}},
		{"series without samples", step{dictionary: some, window: holes}},
		{"series whose targets are silent", step{dictionary: some, window: silent}},
	} {
		if _, err := s.reference([]step{tt.step}); err != nil {
			return fmt.Errorf("%s: %w", tt.name, err)
		}
	}
	g, err := s.ready()
	if err != nil {
		return err
	}
	next := *nothing
	next.Sequence, next.Time = 1, nothing.Time+workload.Interval
	_, err = g.play(0, step{dictionary: some, window: workload.Window(m, some, 0, usualSamples)}, step{dictionary: none, window: &next})
	if err != nil {
		return fmt.Errorf("series, and then none: %w", err)
	}
	return nil
}

// checkLayout evaluates windows whose values lie in another order, with what is no value between them, and with times of
// their own for each series.
func checkLayout(s *suite) error {
	packed := s.usual(usualSeries)
	want, err := s.telling(packed)
	if err != nil {
		return err
	}
	var loose []step
	for _, st := range packed {
		loose = append(loose, step{dictionary: st.dictionary, window: scatter(st.window)})
	}
	got, err := s.reference(loose)
	if err != nil {
		return err
	}
	return same(got, want)
}

func scatter(w *abi.Window) *abi.Window {
	const gap = 3
	out := *w
	out.Inputs = nil
	for _, in := range w.Inputs {
		moved := in
		moved.Values, moved.Times = nil, nil
		moved.Spans, moved.TimeRef = slices.Clone(in.Spans), slices.Clone(in.TimeRef)
		for k := range in.Spans {
			i := (k*7 + 3) % len(in.Spans) // 7 and the number of series have no common factor
			for g := range gap {
				moved.Values = append(moved.Values, math.Pow(-1e30, float64(g+1)))
				moved.Times = append(moved.Times, -1)
			}
			span, ref := in.Spans[i], in.TimeRef[i]
			moved.Spans[i].Start = uint32(len(moved.Values))
			moved.Values = append(moved.Values, in.Values[span.Start:span.Start+span.Count]...)
			if in.Reduce == abi.Raw {
				moved.TimeRef[i] = uint32(len(moved.Times))
				moved.Times = append(moved.Times, in.Times[ref:ref+span.Count]...)
			}
		}
		if in.Reduce != abi.Raw {
			moved.Times = in.Times
		}
		out.Inputs = append(out.Inputs, moved)
	}
	return &out
}

// Offsets of the fields of blocks that the suite itself writes.
const (
	atMagic, atMajor, atHeaderSize, atTotal = 0, 4, 6, 8

	windowInputs, windowOffInputs, windowDescSize = 40, 44, 48

	dictionaryCounts, dictionaryOffsets = 32, 44
)

// checkHeaders evaluates blocks as a later minor version of the engine would write them.
func checkHeaders(s *suite) error {
	usual := s.usual(usualSeries)
	want, err := s.telling(usual)
	if err != nil {
		return err
	}
	g, err := s.ready()
	if err != nil {
		return err
	}
	block, err := abi.EncodeDictionary(usual[0].dictionary, nil)
	if err != nil {
		return err
	}
	a, err := g.send(abi.ExportSeries, 0, abi.SlotSeries, longerDictionary(block))
	if err == nil {
		err = refused(abi.ExportSeries, a)
	}
	if err != nil {
		return fmt.Errorf("a dictionary with a longer header: %w", err)
	}
	g.sent[0] = usual[0].dictionary
	var longer []step
	for _, st := range usual {
		longer = append(longer, step{dictionary: st.dictionary, block: longerWindow(encode(st.window))})
	}
	got, err := g.play(0, longer...)
	if err == nil {
		err = same(got, want)
	}
	if err != nil {
		return fmt.Errorf("a window with a longer header and longer inputs: %w", err)
	}
	return nil
}

const tail = 16 // bytes that a header or record grows by

func longerDictionary(block []byte) []byte {
	header := le.Uint16(block[atHeaderSize:])
	out := slices.Concat(block[:header], make([]byte, tail), block[header:])
	le.PutUint16(out[atHeaderSize:], header+tail)
	le.PutUint32(out[atTotal:], uint32(len(out)))
	for i := range 7 {
		at := dictionaryOffsets + 4*i
		le.PutUint32(out[at:], le.Uint32(out[at:])+tail)
	}
	return out
}

func longerWindow(block []byte) []byte {
	header, size, n := le.Uint16(block[atHeaderSize:]), le.Uint16(block[windowDescSize:]), le.Uint32(block[windowInputs:])
	moved := tail * (1 + n)
	out := slices.Concat(block[:header], make([]byte, tail))
	rest := block[header:]
	for range n {
		out = append(append(out, rest[:size]...), make([]byte, tail)...)
		desc := out[len(out)-int(size)-tail:]
		for at := 8; at < 32; at += 4 {
			le.PutUint32(desc[at:], le.Uint32(desc[at:])+moved)
		}
		rest = rest[size:]
	}
	out = append(out, rest...)
	le.PutUint16(out[atHeaderSize:], header+tail)
	le.PutUint32(out[atTotal:], uint32(len(out)))
	le.PutUint32(out[windowOffInputs:], uint32(header+tail))
	le.PutUint16(out[windowDescSize:], size+tail)
	return out
}

// checkGrowth lets windows grow a thousandfold and shrink again, once with a slot that grows with them, once with one that
// was large from the start: nothing that the guest keeps may get lost on the way.
func checkGrowth(s *suite) error {
	m := s.module.Manifest()
	const most = 4000
	d := workload.Dictionary(m, 1, most)
	var steps []step
	for i, n := range []int{1, 3, 100, most, 100, 7} {
		w := workload.Window(m, d, uint64(i), usualSamples)
		var keep []int
		for k := range m.Inputs {
			for at := range n {
				keep = append(keep, k*most+at)
			}
		}
		if n < most {
			w = renumber(w, keep, nil)
		}
		steps = append(steps, step{dictionary: d, window: w})
	}
	growing, err := s.telling(steps)
	if err != nil {
		return err
	}
	g, err := s.ready()
	if err != nil {
		return err
	}
	if _, err := g.buffer(abi.SlotWindow, 2*uint32(abi.WindowSize(steps[3].window))); err != nil {
		return err
	}
	large, err := g.play(0, steps...)
	if err != nil {
		return err
	}
	return same(growing, large)
}

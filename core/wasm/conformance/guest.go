package conformance

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// guest is an instance that is treated as the engine treats one, except that the caller decides on each call.
type guest struct {
	*wasm.Guest
	s     *suite
	slots [abi.Slots]slot
	sent  map[uint32]*abi.Dictionary // by handle
}

type slot struct{ ptr, size uint32 }

// open makes an instance. It is closed after the check.
func (s *suite) open() (*guest, error) {
	g, err := s.module.NewGuest(s.ctx)
	if err != nil {
		return nil, err
	}
	if s.opened != nil {
		s.opened(g)
	}
	opened := &guest{Guest: g, s: s, sent: map[uint32]*abi.Dictionary{}}
	s.guests = append(s.guests, opened)
	return opened, nil
}

// ready makes an instance with one configured rule.
func (s *suite) ready() (*guest, error) {
	g, err := s.open()
	if err != nil {
		return nil, err
	}
	return g, g.configure(0)
}

// buffer asks for a slot and checks what comes back.
func (g *guest) buffer(number, size uint32) (slot, error) {
	a, err := g.Call(abi.ExportBuffer, number, size)
	if err != nil {
		return slot{}, fmt.Errorf("%s(%d, %d): %w", abi.ExportBuffer, number, size, err)
	}
	got := slot{uint32(a.Code), size}
	what := fmt.Sprintf("%s(%d, %d) returned %d", abi.ExportBuffer, number, size, got.ptr)
	switch {
	case got.ptr == 0:
		return slot{}, fmt.Errorf("%s: no memory", what)
	case got.ptr%8 != 0:
		return slot{}, fmt.Errorf("%s, which is not a multiple of 8", what)
	case got.end() > uint64(len(g.Memory())):
		return slot{}, fmt.Errorf("%s, which with its size is beyond the memory of %d bytes", what, len(g.Memory()))
	}
	g.slots[number] = got
	for i, other := range g.slots {
		if uint32(i) != number && other.size > 0 && uint64(other.ptr) < got.end() && uint64(got.ptr) < other.end() {
			return slot{}, fmt.Errorf("%s, which overlaps slot %d (%d bytes at %d)", what, i, other.size, other.ptr)
		}
	}
	return got, nil
}

func (s slot) end() uint64 { return uint64(s.ptr) + uint64(s.size) }

// send calls an export with a block in a slot. Like the engine it asks for the slot only when the block does not fit.
func (g *guest) send(export string, handle, number uint32, block []byte) (wasm.Answer, error) {
	size := uint32(max(8, len(block)))
	if g.slots[number].size < size {
		if _, err := g.buffer(number, size); err != nil {
			return wasm.Answer{}, err
		}
	}
	at := g.slots[number].ptr
	copy(g.Memory()[at:], block)
	a, err := g.Call(export, handle, at, uint32(len(block)))
	if err != nil {
		return a, err
	}
	return a, known(export, a.Code)
}

// known tells whether the code is a status that the export may return.
func known(export string, code int32) error {
	if code > 0 && (export != abi.ExportEval || abi.StatusCode(code) != abi.NoVerdict) || code < int32(abi.OutOfFuel) {
		return fmt.Errorf("%s returned %d, which is not a status", export, code)
	}
	return nil
}

// refused makes an error of a status below zero.
func refused(export string, a wasm.Answer) error {
	if a.Code >= 0 {
		return nil
	}
	return refusal(fmt.Sprintf("%s: %s: %q", export, abi.StatusCode(a.Code), a.Said))
}

// refusal is a status below zero with what was said about it.
type refusal string

func (r refusal) Error() string { return string(r) }

func (g *guest) configure(handle uint32) error {
	a, err := g.send(abi.ExportConfigure, handle, abi.SlotParams, g.s.params)
	if err != nil {
		return err
	}
	return refused(abi.ExportConfigure, a)
}

func (g *guest) name(handle uint32, d *abi.Dictionary) error {
	block, err := abi.EncodeDictionary(d, g.sent[handle])
	if err != nil {
		return err
	}
	a, err := g.send(abi.ExportSeries, handle, abi.SlotSeries, block)
	if err != nil {
		return err
	}
	g.sent[handle] = d
	return refused(abi.ExportSeries, a)
}

// judgement is what an evaluation yielded.
type judgement struct {
	lines   []string // a verdict each, sorted
	emitted []byte
	fuel    uint64
}

// step is one evaluation: a window over the series of a dictionary. block stands for the window where it is not nil.
type step struct {
	dictionary *abi.Dictionary
	window     *abi.Window
	block      []byte
}

// play evaluates steps one after the other.
func (g *guest) play(handle uint32, steps ...step) ([]judgement, error) {
	var all []judgement
	for i, st := range steps {
		if g.sent[handle] != st.dictionary {
			if err := g.name(handle, st.dictionary); err != nil {
				return nil, fmt.Errorf("evaluation %d: %w", i, err)
			}
		}
		block := st.block
		if block == nil {
			block = encode(st.window)
		}
		a, err := g.send(abi.ExportEval, handle, abi.SlotWindow, block)
		if err == nil {
			err = refused(abi.ExportEval, a)
		}
		if err != nil {
			return nil, fmt.Errorf("evaluation %d: %w", i, err)
		}
		j, err := judge(a, st.dictionary)
		if err != nil {
			return nil, fmt.Errorf("evaluation %d: %w", i, err)
		}
		all = append(all, j)
	}
	return all, nil
}

func encode(w *abi.Window) []byte {
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	return block
}

// errResult is wrapped by errors about a result that the engine would refuse.
var errResult = errors.New("the engine would refuse the result")

func judge(a wasm.Answer, d *abi.Dictionary) (judgement, error) {
	j := judgement{emitted: slices.Clone(a.Emitted), fuel: a.Fuel}
	if abi.StatusCode(a.Code) == abi.NoVerdict {
		j.lines = []string{"no verdict"}
		return j, nil
	}
	if len(a.Emitted) == 0 {
		return j, nil
	}
	verdicts, err := abi.NewResultDecoder(abi.ResultLimits{Alerts: math.MaxInt32}).Decode(j.emitted, d, nil)
	if err != nil {
		return j, fmt.Errorf("%w: %w", errResult, err)
	}
	for _, v := range verdicts {
		number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
		j.lines = append(j.lines, fmt.Sprintf("%s %s %s threshold %s severity %d %q", v.Labels, v.Status, number(v.Value), number(v.Threshold), v.Severity, v.Text))
	}
	slices.Sort(j.lines)
	return j, nil
}

// same tells where two runs of what should be the same evaluations differ.
func same(got, want []judgement) error {
	for i := range want {
		if slices.Equal(got[i].lines, want[i].lines) {
			continue
		}
		g, w := without(got[i].lines, want[i].lines), without(want[i].lines, got[i].lines)
		return fmt.Errorf("evaluation %d: got %s, want %s", i, first(g), first(w))
	}
	return nil
}

func without(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return slices.Contains(others, l) })
}

func first(lines []string) string {
	switch len(lines) {
	case 0:
		return "nothing"
	case 1:
		return lines[0]
	}
	return fmt.Sprintf("%s (and %d more)", lines[0], len(lines)-1)
}

const (
	usualSeries  = 40
	usualSamples = 6
	usualSteps   = 4
)

// usual are a few evaluations over one dictionary.
func (s *suite) usual(n int) []step {
	d := workload.Dictionary(s.module.Manifest(), 1, n)
	var steps []step
	for i := range usualSteps {
		steps = append(steps, step{dictionary: d, window: workload.Window(s.module.Manifest(), d, uint64(i), usualSamples)})
	}
	return steps
}

// reference plays steps in an instance of their own.
func (s *suite) reference(steps []step) ([]judgement, error) {
	g, err := s.ready()
	if err != nil {
		return nil, err
	}
	return g.play(0, steps...)
}

// telling plays steps and reports as not applicable what would prove nothing: a rule that has nothing to say of them.
func (s *suite) telling(steps []step) ([]judgement, error) {
	want, err := s.reference(steps)
	if err != nil {
		return nil, err
	}
	for _, j := range want {
		if len(j.lines) > 0 && j.lines[0] != "no verdict" {
			return want, nil
		}
	}
	return nil, notApplicable("the rule has nothing to say of the series that the suite makes up: give it other parameters")
}

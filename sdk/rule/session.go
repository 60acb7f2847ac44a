package rule

import (
	"errors"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Session is one configured rule with its blocks, on the side of the guest. Authors do not need it: the exports of a
// module and package ruletest are made of it.
type Session struct {
	rule   Rule
	inputs []*Input
	table  *table
	window abi.Window
	out    Verdicts
	state  StateWriter

	MaxAlerts int // verdicts of one evaluation
	MaxBytes  int // of one result
}

// NewSession configures a rule with a params block.
func NewSession(r Rule, params []byte) (*Session, error) {
	v, err := structOf(r)
	if err != nil {
		return nil, err
	}
	given, err := abi.DecodeParams(params)
	if err != nil {
		return nil, err
	}
	if err := setParams(v, given); err != nil {
		return nil, err
	}
	if c, ok := r.(Configurer); ok {
		if err := c.Configure(); err != nil {
			return nil, err
		}
	}
	return &Session{rule: r, inputs: inputsOf(v), MaxAlerts: 10_000, MaxBytes: 1 << 20}, nil
}

// Series takes the dictionary of a new generation. The block is copied: the slot serves other rules too.
func (s *Session) Series(block []byte) error {
	words := make([]uint64, (len(block)+7)/8) // aligned, and without pointers to look for
	if len(words) == 0 {
		return errors.New("an empty dictionary")
	}
	kept := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[:len(block)]
	copy(kept, block)
	series, err := abi.DecodeDictionary(kept)
	if err != nil {
		return err
	}
	s.table = &table{series: series}
	return nil
}

// Eval judges a window. The block is read in place.
func (s *Session) Eval(block []byte) (abi.StatusCode, error) {
	if err := abi.DecodeWindow(block, &s.window); err != nil {
		return abi.BadInput, err
	}
	switch {
	case s.table == nil || s.table.series.Generation != s.window.Generation:
		return abi.BadInput, errors.New("a window of generation " + strconv.FormatUint(s.window.Generation, 10) + ", whose series were not given")
	case len(s.window.Inputs) != len(s.inputs):
		return abi.BadInput, errors.New(strconv.Itoa(len(s.window.Inputs)) + " inputs, the rule has " + strconv.Itoa(len(s.inputs)))
	}
	for i, in := range s.inputs {
		in.in, in.table = &s.window.Inputs[i], s.table
	}
	w := Window{&s.window}
	s.out.reset(w.Complete(), s.MaxAlerts, s.MaxBytes)
	err := s.rule.Eval(w, &s.out)
	switch {
	case errors.Is(err, ErrNoVerdict):
		return abi.NoVerdict, nil
	case err != nil:
		return abi.Internal, err
	}
	return abi.OK, nil
}

// Result is what the last Eval said, as a block that is valid until the next one. Call it once for each Eval.
func (s *Session) Result() []byte { return s.out.w.Block() }

// Dropped is how many verdicts of the last Eval were too many.
func (s *Session) Dropped() int { return s.out.dropped }

// typeName is the name of a rule's struct, for messages.
func typeName(r Rule) string {
	t := reflect.TypeOf(r)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

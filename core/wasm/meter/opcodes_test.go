package meter_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
)

// TestEveryOpcode tries every number that an instruction could have, with everything that could follow it, behind an
// unreachable instruction, where every type fits: the meter must take for valid what the runtime takes for version 2,
// and nothing else.
func TestEveryOpcode(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer func() { _ = r.Close(context.Background()) }()
	compiles := func(code []byte) bool {
		c, err := r.CompileModule(t.Context(), code)
		return err == nil && c.Close(t.Context()) == nil
	}
	// What may follow: ends of blocks, indexes, alignments, types, constants. The index 0 exists of everything.
	follow := [][]byte{nil, {0x40, 0x0b}, {0x70}, {1, 0x7f}, bytes.Repeat([]byte{0}, 4), bytes.Repeat([]byte{0}, 8), bytes.Repeat([]byte{0}, 16), {0}, {0, 0}, {0, 0, 0}}
	var opcodes [][]byte
	for i := range 256 {
		switch op := byte(i); op {
		case 0x05, 0x0b: // else and end, which stand for nothing alone
		default:
			opcodes = append(opcodes, []byte{op}, []byte{0xfc, op}, []byte{0xfd, op}, []byte{0xfd, op, 1}, []byte{0xfe, op})
		}
	}
	const sentinel = "\x41\x0b\x1a" // i32.const 11, drop: whoever is one byte off takes the 11 for an end
	both, neither := 0, 0
	for _, op := range opcodes {
		for _, after := range follow {
			code := everything(slices.Concat([]byte{0}, op, after, []byte(sentinel), []byte{0}))
			m, err := meter.Parse(code)
			var metered []byte
			if err == nil {
				metered, err = m.Meter(1)
			}
			valid := compiles(code)
			switch {
			case err == nil && valid:
				both++
				if !compiles(metered) {
					t.Errorf("%x %x: the metered module is not valid", op, after)
				}
			case err == nil && compiles(metered):
				t.Errorf("%x %x: the metered module is valid, the original is not", op, after)
			case err != nil && valid && !beyond(op):
				t.Errorf("%x %x: %v", op, after, err)
			default:
				neither++
			}
		}
	}
	t.Logf("%d spellings are accepted by both, %d by neither", both, neither)
	if both < 400 {
		t.Errorf("only %d spellings are accepted", both)
	}
}

// beyond tells what the meter refuses though the runtime takes it: table.grow, however it is spelled, and vector instructions from 0x80 that are
// not spelled in their shortest form, which the runtime does not read as the specification says.
func beyond(op []byte) bool {
	return op[0] == 0xfc && op[1]&0x7f == 15 || op[0] == 0xfd && op[1] >= 0x80 && len(op) == 2
}

// everything is a module that has one of everything, and a function of this code.
func everything(code []byte) []byte {
	m := withLocals([]byte{1, 1, 0x7f}, code,
		[]byte{4, 4, 1, 0x70, 0, 1},           // a table
		[]byte{5, 3, 1, 0, 1},                 // a memory
		[]byte{6, 6, 1, 0x7f, 1, 0x41, 0, 11}, // a global
		[]byte{9, 5, 1, 1, 0, 1, 0},           // elements: function 0
		[]byte{12, 1, 1},                      // as many data segments
	)
	return append(m, 11, 4, 1, 1, 1, 'x')
}

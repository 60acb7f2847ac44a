package meter_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
)

// tiny is a module with one function type () -> (), one function with this code (without locals and end), and whatever
// sections come before the code.
func tiny(code []byte, before ...[]byte) []byte { return withLocals([]byte{0}, code, before...) }

func withLocals(locals, code []byte, before ...[]byte) []byte {
	body := slices.Concat(locals, code, []byte{0x0b})
	sized := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	m := []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0}
	m = append(m, slices.Concat(before...)...)
	return append(append(m, 10), sized(append([]byte{1}, sized(body)...))...)
}

func metered(t *testing.T, code []byte) []byte {
	t.Helper()
	m, err := meter.Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Meter(0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPayments(t *testing.T) {
	pay := func(n byte) []byte { // what a check of n looks like with global 0, local 0 and function 1
		return []byte{0x23, 0, 0x42, n, 0x7d, 0x22, 0, 0x24, 0, 0x20, 0, 0x42, 0, 0x53, 0x04, 0x40, 0x10, 1, 0x0b}
	}
	quiet := func(n ...byte) []byte { return slices.Concat([]byte{0x23, 0, 0x42}, n, []byte{0x7d, 0x24, 0}) }
	nops := bytes.Repeat([]byte{0x41, 0, 0x1a}, 40) // 80 instructions: i32.const 0, drop
	small := []byte{0x41, 0, 0x1a}
	tests := map[string]struct{ code, want []byte }{
		"empty":         {nil, pay(2)},
		"nops are free": {[]byte{1, 1}, slices.Concat(pay(2), []byte{1, 1})},
		"straight":      {small, slices.Concat(pay(4), small)},
		"loop pays for itself": {
			slices.Concat([]byte{0x03, 0x40}, small, []byte{0x0c, 0, 0x0b}, small),
			slices.Concat(pay(4), []byte{0x03, 0x40}, pay(4), small, []byte{0x0c, 0, 0x0b}, small),
		},
		"nested loops": {
			slices.Concat([]byte{0x03, 0x40, 0x03, 0x40}, small, []byte{0x0b, 0x0b}),
			slices.Concat(pay(2), []byte{0x03, 0x40}, pay(1), []byte{0x03, 0x40}, pay(3), small, []byte{0x0b, 0x0b}),
		},
		"both arms": {
			slices.Concat([]byte{0x41, 0, 0x04, 0x40}, small, []byte{0x05}, small, []byte{0x0b}),
			slices.Concat(pay(8), []byte{0x41, 0, 0x04, 0x40}, small, []byte{0x05}, small, []byte{0x0b}),
		},
		"a small body is paid for at once": {
			slices.Concat([]byte{0x02, 0x40, 0x0c, 0}, small, []byte{0x0b}, small),
			slices.Concat(pay(7), []byte{0x02, 0x40, 0x0c, 0}, small, []byte{0x0b}, small),
		},
		"a large one piece by piece, where blocks end": {
			slices.Concat([]byte{0x02, 0x40, 0x0c, 0, 0x0b}, nops),
			slices.Concat(pay(3), []byte{0x02, 0x40, 0x0c, 0, 0x0b}, quiet(0xd0, 0), nops),
		},
		"not where nothing branches to": {
			slices.Concat([]byte{0x02, 0x40, 0x0b}, nops[:3*32]),
			slices.Concat([]byte{0x23, 0, 0x42, 0xc2, 0}, pay(0)[4:], []byte{0x02, 0x40, 0x0b}, nops[:3*32]),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := metered(t, tiny(tt.code))
			want := slices.Concat([]byte{1, 1, 0x7e}, tt.want, []byte{0x0b}) // one more local, i64
			if !bytes.Contains(got, want) {
				t.Errorf("got  %x\nwant …%x…", got, want)
			}
		})
	}
}

func TestCustomSections(t *testing.T) {
	custom := func(name, content string) []byte {
		body := append(append([]byte{byte(len(name))}, name...), content...)
		return append([]byte{0, byte(len(body))}, body...)
	}
	code := slices.Concat(tiny(nil), custom("name", "n"), custom("secret", "s"), custom("tocsin.manifest", "{}"))
	m, err := meter.Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := m.Custom("tocsin.manifest"); !ok || string(got) != "{}" {
		t.Errorf("got %q, %v", got, ok)
	}
	plain, err := m.Strip()
	if err != nil || !bytes.Equal(plain, tiny(nil)) {
		t.Errorf("got %x, %v, want what the module is without them", plain, err)
	}
	if out := metered(t, code); !bytes.Equal(out, metered(t, tiny(nil))) {
		t.Errorf("got %x, want what the module is without them", out)
	}
}

func TestRefused(t *testing.T) {
	memory, table := []byte{5, 3, 1, 0, 1}, []byte{4, 4, 1, 0x70, 0, 1}
	tests := map[string]struct {
		code []byte
		want string
	}{
		"tail call":            {tiny([]byte{0x12, 0}), "opcode 0x12"},
		"atomic":               {tiny([]byte{0xfe, 0, 0, 0}), "opcode 0xfe"},
		"relaxed SIMD":         {tiny([]byte{0xfd, 0x80, 0x02}), "opcode fd 0x80"},
		"SIMD hole":            {tiny([]byte{0xfd, 0x9a, 0x01}), "opcode fd 0x9a"},
		"SIMD in long form":    {tiny([]byte{0xfd, 0x8c, 0x00}), "not in its shortest form"},
		"try":                  {tiny([]byte{0x06, 0x40, 0x0b}), "opcode 0x6"},
		"table.grow":           {tiny([]byte{0xd0, 0x70, 0x41, 1, 0xfc, 15, 0, 0x1a}, table), "table.grow is not allowed"},
		"unknown function":     {tiny([]byte{0x10, 9}), "function 9 does not exist"},
		"counter read":         {tiny([]byte{0x23, 0, 0x1a}), "global 0 does not exist"},
		"temporary read":       {tiny([]byte{0x20, 0, 0x1a}), "local 0 does not exist"},
		"branch too far":       {tiny([]byte{0x0c, 1}), "branch to depth 1"},
		"second memory":        {tiny([]byte{0x3f, 1, 0x1a}, memory), "second memory"},
		"64-bit memory":        {tiny(nil, []byte{5, 3, 1, 4, 1}), "64-bit"},
		"shared memory":        {tiny(nil, []byte{5, 4, 1, 3, 1, 1}), "shared"},
		"tag section":          {tiny(nil, []byte{13, 1, 0}), "section 13"},
		"sections out of turn": {tiny(nil, memory, table), "out of order"},
		"unclosed block":       {tiny([]byte{0x02, 0x40}), "ends too early"},
		"after the end":        {tiny([]byte{0x0b, 1}), "bytes follow the end"},
		"too many locals": {
			slices.Concat(tiny(nil)[:18], []byte{10, 10, 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b}), "locals",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := meter.Parse(tt.code)
			if err == nil {
				_, err = m.Meter(0)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDataIsMerged(t *testing.T) {
	segment := func(at byte, data string) []byte { return append([]byte{0, 0x41, at, 0x0b, byte(len(data))}, data...) }
	data := func(segments ...[]byte) []byte {
		body := append([]byte{byte(len(segments))}, slices.Concat(segments...)...)
		return append([]byte{11, byte(len(body))}, body...)
	}
	memory := []byte{5, 3, 1, 0, 1}
	tests := map[string]struct {
		code     []byte
		in, want []byte
	}{
		"neighbours": {nil, data(segment(8, "ab"), segment(10, "c"), segment(14, "d")), data(segment(8, "abc\x00\x00\x00d"))},
		"overlap":    {nil, data(segment(8, "ab"), segment(9, "c")), data(segment(8, "ab"), segment(9, "c"))},
		"descending": {nil, data(segment(9, "c"), segment(8, "a")), data(segment(8, "ac"))},
		"far apart": {
			nil, data(segment(8, "a"), []byte{0, 0x41, 0x80, 0x20, 0x0b, 1, 'b'}), data(segment(8, "a"), []byte{0, 0x41, 0x80, 0x20, 0x0b, 1, 'b'}),
		},
		"negative offset": {
			nil, data(segment(8, "a"), []byte{0, 0x41, 0x7f, 0x0b, 1, 'b'}), data(segment(8, "a"), []byte{0, 0x41, 0x7f, 0x0b, 1, 'b'}),
		},
		"named by an instruction": {
			[]byte{0xfc, 9, 0}, data(segment(8, "a"), segment(9, "c")), data(segment(8, "a"), segment(9, "c")),
		},
		"passive": {nil, data([]byte{1, 1, 'x'}, segment(9, "c")), data([]byte{1, 1, 'x'}, segment(9, "c"))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := metered(t, append(tiny(tt.code, memory), tt.in...))
			if !bytes.HasSuffix(got, tt.want) {
				t.Errorf("got  …%x\nwant …%x", got[len(got)-len(tt.want):], tt.want)
			}
		})
	}
}

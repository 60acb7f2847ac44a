package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// damage is a block with something wrong in it.
type damage struct {
	what  string
	block []byte
	how   demand
}

// demand is what a guest must do about damage. Whatever it does, it must do it in finite time.
type demand int

const (
	refuse   demand = iota // with a negative status, or trap
	noHarm                 // or judge as if nothing were wrong: it did not look there
	anything               // entries of arrays: the host has laid them out, a guest may trust them
)

// cut is damage that every block can suffer: all of it is in the first words, which no guest may skip.
func cut(block []byte) []damage {
	all := []damage{
		{"of no bytes", nil, refuse},
		{"of three bytes", block[:3], refuse},
		{"without its last byte", block[:len(block)-1], refuse},
		{"with another magic", patched(block, atMagic, 0x21212121), refuse},
		{"of another major version", patched16(block, atMajor, 2), refuse},
		{"that claims to be longer than it is", patched(block, atTotal, uint32(len(block))+8), refuse},
		{"that claims to have 4 GiB", patched(block, atTotal, ^uint32(0)), refuse},
		{"that claims to have 8 bytes", patched(block, atTotal, 8), refuse},
	}
	if half := len(block) / 2 &^ 7; half > int(le.Uint16(block[atHeaderSize:])) {
		all = append(all, damage{"cut in the middle", block[:half], refuse},
			damage{"cut in the middle that claims to be whole", patched(block[:half], atTotal, uint32(half)), noHarm})
	}
	return all
}

func patched(block []byte, at int, v uint32) []byte {
	out := slices.Clone(block)
	le.PutUint32(out[at:], v)
	return out
}

func patched16(block []byte, at int, v uint16) []byte {
	out := slices.Clone(block)
	le.PutUint16(out[at:], v)
	return out
}

// wild are offsets and counts that lead astray in a block of n bytes: past its end, over the edge of 32 bits. Where they
// lead elsewhere in the block nobody could tell.
func wild(n int) []uint32 {
	return []uint32{uint32(n), 1 << 30, 1<<31 - 1, 1 << 31, ^uint32(7), ^uint32(0)}
}

// endless returns the error of a call that had no end: any other way to fail is a fair answer to garbage.
func endless(err error) error {
	if failure, ok := errors.AsType[*wasm.Error](err); ok {
		if failure.Class == wasm.FuelExhausted {
			return failure
		}
		return nil
	}
	return err
}

// withstand gives each damaged block to a guest of its own, which must refuse it, or trap, or end with the verdicts
// that it gives without damage.
func (s *suite) withstand(damages []damage, deliver func(*guest, []byte) (status int32, err error), then []step) error {
	want, err := s.reference(then)
	if err != nil {
		return err
	}
	for _, d := range damages {
		if err := s.withstandOne(d, deliver, then, want); err != nil {
			return fmt.Errorf("a block %s: %w", d.what, err)
		}
		s.closeGuests()
	}
	return nil
}

func (s *suite) withstandOne(d damage, deliver func(*guest, []byte) (int32, error), then []step, want []judgement) error {
	g, err := s.open()
	if err != nil {
		return err
	}
	code, err := deliver(g, d.block)
	if err != nil || code < 0 {
		return endless(err)
	}
	if d.how == refuse {
		return fmt.Errorf("the guest returned %d, it must refuse this with a negative status", code)
	}
	got, err := g.play(0, then...)
	if err != nil || d.how == anything {
		return endless(later(err)) // refused later, or trapped: no verdict came of it
	}
	if err := same(got, want); err != nil {
		return fmt.Errorf("the guest took it and gave other verdicts: %w", err)
	}
	return nil
}

// later forgives a refusal by the guest or by the engine.
func later(err error) error {
	if _, ok := errors.AsType[refusal](err); ok || errors.Is(err, errResult) {
		return nil
	}
	return err
}

func checkParamsHostile(s *suite) error {
	const record, header = 20, 16
	damages := cut(s.params)
	damages = append(damages, damage{"of 4 billion records", patched(s.params, 12, ^uint32(0)), refuse})
	for i := range int(le.Uint32(s.params[12:])) {
		at := header + record*i
		for _, v := range wild(len(s.params)) {
			name := " of parameter " + strconv.Itoa(i) + " at " + strconv.FormatUint(uint64(v), 10)
			damages = append(damages, damage{"with the name" + name, patched(s.params, at, v), noHarm},
				damage{"with the value" + name, patched(s.params, at+16, v), noHarm})
		}
	}
	return s.withstand(damages, func(g *guest, block []byte) (int32, error) {
		a, err := g.send(abi.ExportConfigure, 0, abi.SlotParams, block)
		return a.Code, err
	}, s.usual(usualSeries))
}

func checkSeriesHostile(s *suite) error {
	usual := s.usual(usualSeries)
	block, err := abi.EncodeDictionary(usual[0].dictionary, nil)
	if err != nil {
		return err
	}
	damages := cut(block)
	for i, name := range []string{"series", "strings", "pairs"} {
		damages = append(damages, damage{"of 4 billion " + name, patched(block, dictionaryCounts+4*i, ^uint32(0)), noHarm})
	}
	for i, name := range []string{"string offsets", "string bytes", "pairs", "series", "fingerprints", "remap", "kinds"} {
		at := dictionaryOffsets + 4*i
		for _, v := range wild(len(block)) {
			damages = append(damages, damage{"with " + name + " at " + strconv.FormatUint(uint64(v), 10), patched(block, at, v), noHarm})
		}
		how := noHarm
		if name == "string bytes" {
			how = anything // other names, other verdicts
		}
		damages = append(damages, damage{"whose " + name + " are wild numbers", patched(block, int(le.Uint32(block[at:])), 0xfffffff1), how})
	}
	return s.withstand(damages, func(g *guest, block []byte) (int32, error) {
		if err := g.configure(0); err != nil {
			return 0, err
		}
		a, err := g.send(abi.ExportSeries, 0, abi.SlotSeries, block)
		g.sent[0] = usual[0].dictionary
		return a.Code, err
	}, usual)
}

func checkWindowHostile(s *suite) error {
	usual := s.usual(usualSeries)[:1]
	block := encode(usual[0].window)
	want, err := s.reference(usual)
	if err != nil {
		return err
	}
	for _, d := range windowDamages(block) {
		g, err := s.ready()
		if err == nil {
			err = g.name(0, usual[0].dictionary)
		}
		if err != nil {
			return err
		}
		if err := g.judged(d, usual[0].dictionary, want); err != nil {
			return fmt.Errorf("a window %s: %w", d.what, err)
		}
		s.closeGuests()
	}
	return nil
}

// judged tells whether a damaged window was refused, by the guest or by the engine, or judged as if nothing were wrong.
func (g *guest) judged(d damage, dictionary *abi.Dictionary, want []judgement) error {
	a, err := g.send(abi.ExportEval, 0, abi.SlotWindow, d.block)
	if err != nil || a.Code < 0 {
		return endless(err)
	}
	if d.how == refuse {
		return fmt.Errorf("the guest returned %d, it must refuse this with a negative status", a.Code)
	}
	got, err := judge(a, dictionary)
	if d.how == anything || errors.Is(err, errResult) {
		return nil
	}
	if err := same([]judgement{got}, want); err != nil {
		return fmt.Errorf("the guest took it and gave other verdicts: %w", err)
	}
	return nil
}

func windowDamages(block []byte) []damage {
	n, inputs, size := le.Uint32(block[windowInputs:]), int(le.Uint32(block[windowOffInputs:])), int(le.Uint16(block[windowDescSize:]))
	damages := cut(block)
	damages = append(damages,
		damage{"of 4 billion inputs", patched(block, windowInputs, ^uint32(0)), refuse},
		damage{"with an input too many", patched(block, windowInputs, n+1), refuse},
		damage{"with an input too few", patched(block, windowInputs, n-1), refuse},
		damage{"with inputs at its end", patched(block, windowOffInputs, uint32(len(block))), refuse},
		damage{"with inputs at the end of 32 bits", patched(block, windowOffInputs, ^uint32(7)), refuse},
		damage{"with inputs of 8 bytes", patched16(block, windowDescSize, 8), refuse},
		damage{"with inputs of 64 KiB", patched16(block, windowDescSize, 0xfff8), noHarm})
	for i := range int(n) {
		desc := inputs + size*i
		in := "input " + strconv.Itoa(i) + " with "
		for _, count := range []struct {
			at   int
			name string
		}{{4, "series"}, {48, "times"}, {52, "values"}} {
			damages = append(damages, damage{in + "4 billion " + count.name, patched(block, desc+count.at, ^uint32(0)), noHarm},
				damage{in + "2^29 " + count.name, patched(block, desc+count.at, 1<<29), noHarm})
		}
		if count := le.Uint32(block[desc+52:]); count > 0 {
			damages = append(damages, damage{in + "half its values", patched(block, desc+52, count/2), noHarm})
		}
		for k, name := range []string{"series", "spans", "time references", "times", "values", "flags"} {
			at := desc + 8 + 4*k
			off := le.Uint32(block[at:])
			if off == 0 || name == "times" && le.Uint32(block[desc+48:]) == 0 {
				continue // no such array
			}
			astray := append(wild(len(block)), uint32(len(block))-4) // it is longer than that
			if width := map[string]uint32{"times": 8, "values": 8, "flags": 1}[name]; width != 1 {
				astray = append(astray, off+max(width, 4)/2) // askew
			}
			for _, v := range astray {
				damages = append(damages, damage{in + name + " at " + strconv.FormatUint(uint64(v), 10), patched(block, at, v), noHarm})
			}
		}
		spans, refs, series := int(le.Uint32(block[desc+12:])), int(le.Uint32(block[desc+16:])), int(le.Uint32(block[desc+8:]))
		for _, v := range wild(len(block)) {
			text := strconv.FormatUint(uint64(v), 10)
			damages = append(damages,
				damage{in + "a span that starts at " + text, patched(block, spans+8, v), anything},
				damage{in + "a span of " + text, patched(block, spans+12, v), anything},
				damage{in + "times from " + text, patched(block, refs+4, v), anything},
				damage{in + "series " + text, patched(block, series+4, v), anything})
		}
	}
	return damages
}

// checkGarbage sends blocks with bytes changed at random. Nothing is known of what should come of them, except that
// something comes of them, within the budget, and is a status.
func checkGarbage(s *suite) error {
	const blocks = 60
	usual := s.usual(usualSeries)
	dictionary, err := abi.EncodeDictionary(usual[0].dictionary, nil)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, kind := range []struct {
		export string
		slot   uint32
		block  []byte
	}{
		{abi.ExportConfigure, abi.SlotParams, s.params},
		{abi.ExportSeries, abi.SlotSeries, dictionary},
		{abi.ExportEval, abi.SlotWindow, encode(usual[0].window)},
	} {
		var g *guest
		for i := range blocks {
			if g == nil {
				if g, err = s.ready(); err != nil {
					return err
				}
				if err = g.name(0, usual[0].dictionary); err != nil {
					return err
				}
			}
			_, err := g.send(kind.export, 0, kind.slot, garbled(kind.block, random, i))
			if bad := endless(err); bad != nil {
				return fmt.Errorf("garbage %d for %s: %w", i, kind.export, bad)
			}
			if err != nil {
				s.closeGuests()
				g = nil
			}
		}
	}
	return nil
}

// garbled changes some bytes, mostly where counts and offsets stand, or all of them.
func garbled(block []byte, random *rand.Rand, i int) []byte {
	out := slices.Clone(block)
	if i%10 == 9 {
		for k := min(12, len(out)); k < len(out); k++ {
			out[k] = byte(random.Uint32())
		}
		return out
	}
	for range 1 + random.IntN(4) {
		within := len(out)
		if random.IntN(2) == 0 {
			within = min(within, 224)
		}
		out[random.IntN(within)] = byte(random.Uint32())
	}
	return out
}

package conformance

import (
	"fmt"

	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// sizes go up and down, past every page and power of two that an allocator may stumble over.
var sizes = []uint32{8, 1, 63, 64, 4096, 65_535, 65_537, 200, 1 << 20, 1<<20 + 24, 3 << 20, 16}

func checkBufferAlignment(s *suite) error {
	for number := range abi.Slots {
		g, err := s.open() // as the first call too
		if err != nil {
			return err
		}
		for _, size := range sizes {
			if _, err := g.buffer(number, size); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBufferSeparation fills whole slots, so that one that reaches into another, or into what the guest itself needs,
// shows.
func checkBufferSeparation(s *suite) error {
	g, err := s.ready()
	if err != nil {
		return err
	}
	for i, size := range sizes {
		for number := range abi.Slots {
			if _, err := g.buffer(number, max(8, size/(1+(number+uint32(i))%3))); err != nil {
				return err
			}
			g.paint(number)
			if err := g.painted(fmt.Sprintf("after slot %d was asked for", number)); err != nil {
				return err
			}
		}
	}
	_, err = g.play(0, s.usual(usualSeries)...)
	return err
}

// paint fills a slot with a pattern of its own.
func (g *guest) paint(number uint32) {
	view := g.Memory()[g.slots[number].ptr:g.slots[number].end()]
	for i := range view {
		view[i] = byte(number*61+1) ^ byte(i*7)
	}
}

// painted tells whether all slots hold their patterns.
func (g *guest) painted(when string) error {
	for number, sl := range g.slots {
		for i, b := range g.Memory()[sl.ptr:sl.end()] {
			if b != byte(number*61+1)^byte(i*7) {
				return fmt.Errorf("slot %d (%d bytes at %d): byte %d was changed %s", number, sl.size, sl.ptr, i, when)
			}
		}
	}
	return nil
}

// checkBufferLifetime leaves the slot for state alone during evaluations over more and more series, and asks for no
// other slot twice when it is large enough.
func checkBufferLifetime(s *suite) error {
	g, err := s.ready()
	if err != nil {
		return err
	}
	const number = abi.SlotState
	if _, err := g.buffer(number, 100_000); err != nil {
		return err
	}
	g.paint(number)
	m := s.module.Manifest()
	for i, n := range []int{10, 2000, 5, 500, 1} {
		d := workload.Dictionary(m, uint64(i+1), n)
		var steps []step
		for k := range 3 {
			steps = append(steps, step{dictionary: d, window: workload.Window(m, d, uint64(3*i+k), usualSamples)})
		}
		if _, err := g.play(0, steps...); err != nil {
			return err
		}
		only := guest{Guest: g.Guest}
		only.slots[number] = g.slots[number]
		if err := only.painted("by an evaluation"); err != nil {
			return err
		}
	}
	return nil
}

// checkBufferExhaustion asks for more than an instance may have. A trap is an answer too: the engine starts afresh.
func checkBufferExhaustion(s *suite) error {
	for _, size := range []uint32{1 << 28, 1<<31 - 8, 1 << 31, 1<<32 - 8, 1<<32 - 1} {
		g, err := s.open()
		if err != nil {
			return err
		}
		a, err := g.Call(abi.ExportBuffer, abi.SlotWindow, size)
		if err == nil && a.Code != 0 && uint64(uint32(a.Code))+uint64(size) > uint64(len(g.Memory())) {
			return fmt.Errorf("%s(%d, %d) returned %d, the memory has %d bytes", abi.ExportBuffer, abi.SlotWindow, size, uint32(a.Code), len(g.Memory()))
		}
		if err := endless(err); err != nil {
			return err
		}
	}
	return nil
}

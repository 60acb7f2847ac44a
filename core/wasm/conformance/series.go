package conformance

import (
	"fmt"
	"slices"

	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// checkGenerations evaluates the same windows twice: with one dictionary that knew all series from the start, and with
// dictionaries that change in between as those of the engine do. Verdicts name their instances, so they must be equal;
// a rule that remembers something of a series must find it again under its new index.
func checkGenerations(s *suite) error {
	m := s.module.Manifest()
	all := workload.Dictionary(m, 1, usualSeries)
	half := make([]int, 0, len(all.Series)) // some series of every input
	rest := []int{}
	for i := range all.Series {
		if i%4 == 3 {
			rest = append(rest, i)
		} else {
			half = append(half, i)
		}
	}
	full := slices.Concat(half, rest)
	reversed := slices.Clone(full)
	slices.Reverse(reversed)
	orders := []struct {
		name   string
		places []int // of the dictionary: indexes into all
		in     []int // the window: indexes into all
	}{
		{"full", half, half},
		{"the same", half, half},
		{"append-only", full, full},
		{"renumbered", reversed, full},
		{"fewer, renumbered", half, half},
		{"append-only again", full, half}, // what had left the dictionary may have been forgotten
	}
	var still, moving []step
	var dictionary *abi.Dictionary
	for i, o := range orders {
		if i == 0 || !slices.Equal(o.places, orders[i-1].places) {
			dictionary = pick(all, o.places, uint64(10+i))
		}
		w := workload.Window(m, all, uint64(i), usualSamples)
		still = append(still, step{dictionary: all, window: renumber(w, o.in, nil)})
		moved := renumber(w, o.in, o.places)
		moved.Generation = dictionary.Generation
		moving = append(moving, step{dictionary: dictionary, window: moved})
	}
	want, err := s.telling(still)
	if err != nil {
		return err
	}
	got, err := s.reference(moving)
	if err != nil {
		return err
	}
	for i, o := range orders {
		if err := same(got[i:i+1], want[i:i+1]); err != nil {
			return fmt.Errorf("after the dictionary %q: %w", o.name, err)
		}
	}
	return nil
}

// pick makes a dictionary of some series of another.
func pick(all *abi.Dictionary, places []int, generation uint64) *abi.Dictionary {
	d := &abi.Dictionary{Generation: generation}
	for _, i := range places {
		d.Series = append(d.Series, all.Series[i])
	}
	return d
}

// renumber keeps the series of a window that are in keep, and writes their indexes as places into a dictionary; nil
// places leave them as they are. The order of the window stays.
func renumber(w *abi.Window, keep, places []int) *abi.Window {
	out := *w
	out.Inputs = nil
	for _, in := range w.Inputs {
		kept := in
		kept.Series, kept.Spans, kept.TimeRef, kept.Flags = nil, nil, nil, nil
		for i, index := range in.Series {
			if !slices.Contains(keep, int(index)) {
				continue
			}
			at := int(index)
			if places != nil {
				at = slices.Index(places, int(index))
			}
			kept.Series = append(kept.Series, uint32(at))
			kept.Spans = append(kept.Spans, in.Spans[i])
			kept.TimeRef, kept.Flags = append(kept.TimeRef, in.TimeRef[i]), append(kept.Flags, in.Flags[i])
		}
		out.Inputs = append(out.Inputs, kept)
	}
	return &out
}

// checkOrder makes calls that the engine never makes in this order. A verdict would be one over the wrong parameters or
// the wrong series.
func checkOrder(s *suite) error {
	steps := s.usual(usualSeries)
	block := encode(steps[0].window)
	late := *steps[0].window
	late.Generation = 99
	for _, tt := range []struct {
		name    string
		prepare func(*guest) error
		block   []byte
	}{
		{"before any parameters", func(*guest) error { return nil }, block},
		{"before any series", func(g *guest) error { return g.configure(0) }, block},
		{"over series of generation 99, which were not given", func(g *guest) error {
			if err := g.configure(0); err != nil {
				return err
			}
			return g.name(0, steps[0].dictionary)
		}, encode(&late)},
	} {
		g, err := s.open()
		if err != nil {
			return err
		}
		if err := tt.prepare(g); err != nil {
			return err
		}
		a, err := g.send(abi.ExportEval, 0, abi.SlotWindow, tt.block)
		if err == nil && a.Code >= 0 {
			return fmt.Errorf("an evaluation %s returned %d, it must be a negative status", tt.name, a.Code)
		}
		if err := endless(err); err != nil {
			return fmt.Errorf("an evaluation %s: %w", tt.name, err)
		}
	}
	return nil
}

package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// stateful tells why the checks of state do not apply to a module, nil if they do.
func (g *guest) stateful() error {
	if m := g.s.module.Manifest(); m.State.Version == 0 || !g.Has(abi.ExportSnapshot) || !g.Has(abi.ExportRestore) {
		return notApplicable("the module keeps no state: it declares no version of it, or lacks an export")
	}
	return nil
}

// snapshot takes a rule's state, twice: the same state must give the same bytes.
func (g *guest) snapshot(handle uint32) ([]byte, error) {
	var states [2][]byte
	for i := range states {
		a, err := g.Call(abi.ExportSnapshot, handle)
		if err == nil {
			err = known(abi.ExportSnapshot, a.Code)
		}
		if err == nil {
			err = refused(abi.ExportSnapshot, a)
		}
		if err != nil {
			return nil, err
		}
		states[i] = slices.Clone(a.Emitted)
	}
	if !bytes.Equal(states[0], states[1]) {
		return nil, fmt.Errorf("the same state gave %d bytes, and then other %d", len(states[0]), len(states[1]))
	}
	return states[0], nil
}

// checkState breaks a run of evaluations off and goes on in another instance, in which the series have other indexes.
// The verdicts must be those of the run that was not broken off.
func checkState(s *suite) error {
	const before = 2
	g, err := s.ready()
	if err == nil {
		err = g.stateful()
	}
	if err != nil {
		return err
	}
	steps := s.usual(usualSeries)
	want, err := s.telling(steps)
	if err != nil {
		return err
	}
	if _, err := g.play(0, steps[:before]...); err != nil {
		return err
	}
	state, err := g.snapshot(0)
	if err != nil {
		return err
	}
	if len(state) == 0 {
		return notApplicable("after a few evaluations there is nothing that the rule must not lose")
	}
	if err := s.unchanged(g, steps[before:], want[before:]); err != nil {
		return fmt.Errorf("a snapshot changed what came after it: %w", err)
	}
	other, err := s.ready()
	if err != nil {
		return err
	}
	a, err := other.send(abi.ExportRestore, 0, abi.SlotState, state)
	if err == nil {
		err = refused(abi.ExportRestore, a)
	}
	if err == nil {
		err = s.unchanged(other, reversed(steps[before:]), want[before:])
	}
	if err != nil {
		return fmt.Errorf("restored in another instance: %w", err)
	}
	return nil
}

func (s *suite) unchanged(g *guest, steps []step, want []judgement) error {
	got, err := g.play(0, steps...)
	if err != nil {
		return err
	}
	return same(got, want)
}

// reversed numbers the series of steps backwards.
func reversed(steps []step) []step {
	all := steps[0].dictionary
	var places, keep []int
	for i := range all.Series {
		keep = append(keep, i)
		places = append(places, len(all.Series)-1-i)
	}
	d := pick(all, places, all.Generation+1)
	var out []step
	for _, st := range steps {
		w := renumber(st.window, keep, places)
		w.Generation = d.Generation
		out = append(out, step{dictionary: d, window: w})
	}
	return out
}

// checkStateHostile restores what no snapshot ever was. The engine's envelope keeps damage away and the rule may believe
// its own format, so any answer is a fair one that comes in finite time. One damage every format can notice, and must: a
// last byte that is not there.
func checkStateHostile(s *suite) error {
	g, err := s.ready()
	if err == nil {
		err = g.stateful()
	}
	if err != nil {
		return err
	}
	steps := s.usual(usualSeries)
	if _, err := g.play(0, steps...); err != nil {
		return err
	}
	state, err := g.snapshot(0)
	if err != nil || len(state) == 0 {
		return err
	}
	random := rand.New(rand.NewPCG(3, 4))
	damages := []damage{
		{"without its last byte", state[:len(state)-1], refuse},
		{"cut in the middle", state[:len(state)/2], anything},
		{"twice", slices.Concat(state, state), anything},
		{"of 0xff", bytes.Repeat([]byte{0xff}, len(state)), anything},
	}
	for i := range 40 {
		damages = append(damages, damage{fmt.Sprintf("changed at random (%d)", i), garbled(state, random, i), anything})
	}
	for _, d := range damages {
		g, err := s.ready()
		if err != nil {
			return err
		}
		a, err := g.send(abi.ExportRestore, 0, abi.SlotState, d.block)
		if err == nil && a.Code >= 0 {
			if d.how == refuse {
				return fmt.Errorf("a state %s: the guest returned %d, it must refuse this with a negative status", d.what, a.Code)
			}
			_, err = g.play(0, steps...)
			err = later(err)
		}
		if err := endless(err); err != nil {
			return fmt.Errorf("a state %s: %w", d.what, err)
		}
		s.closeGuests()
	}
	return nil
}

package conformance

import (
	"fmt"

	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// company are rules of one instance, each with series of its own, a different number of them.
func (s *suite) company() [][]step {
	m := s.module.Manifest()
	var all [][]step
	for i := range 5 {
		d := workload.Dictionary(m, uint64(i+1), usualSeries-7*i)
		var steps []step
		for k := range usualSteps {
			steps = append(steps, step{dictionary: d, window: workload.Window(m, d, uint64(k), usualSamples)})
		}
		all = append(all, steps)
	}
	return all
}

// checkHandles lets rules take turns in one instance and compares their verdicts with those they give alone.
func checkHandles(s *suite) error {
	if !s.shared() {
		return notApplicable("the manifest does not say shared: each rule gets an instance")
	}
	g, err := s.open()
	if err != nil {
		return err
	}
	company := s.company()
	for i := range company {
		if err := g.configure(uint32(10 * i)); err != nil {
			return err
		}
	}
	got := make([][]judgement, len(company))
	for k := range usualSteps {
		for i, steps := range company {
			j, err := g.play(uint32(10*i), steps[k])
			if err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
			got[i] = append(got[i], j...)
		}
	}
	for i, steps := range company {
		want, err := s.telling(steps)
		if err != nil {
			return err
		}
		if err := same(got[i], want); err != nil {
			return fmt.Errorf("rule %d of %d, compared with what it says alone: %w", i, len(company), err)
		}
	}
	return nil
}

func checkDrop(s *suite) error {
	g, err := s.open()
	if err != nil {
		return err
	}
	if !g.Has(abi.ExportDrop) {
		return notApplicable("no export " + abi.ExportDrop)
	}
	if !s.shared() {
		return notApplicable("the manifest does not say shared: the instance goes with its rule")
	}
	company := s.company()[:2]
	want, err := s.telling(company[1])
	if err != nil {
		return err
	}
	for i := range company {
		if err := g.configure(uint32(i)); err != nil {
			return err
		}
	}
	if _, err := g.play(0, company[0]...); err != nil {
		return err
	}
	before, err := g.play(1, company[1][:2]...)
	if err != nil {
		return err
	}
	a, err := g.Call(abi.ExportDrop, 0)
	if err == nil {
		err = refused(abi.ExportDrop, a)
	}
	if err != nil {
		return err
	}
	a, err = g.send(abi.ExportEval, 0, abi.SlotWindow, encode(company[0][0].window))
	if err != nil {
		return fmt.Errorf("an evaluation of a dropped rule: %w", err)
	}
	if a.Code >= 0 {
		return fmt.Errorf("an evaluation of a dropped rule returned %d, it must be a negative status", a.Code)
	}
	after, err := g.play(1, company[1][2:]...)
	if err != nil {
		return fmt.Errorf("the other rule, after the drop: %w", err)
	}
	if err := same(append(before, after...), want); err != nil {
		return fmt.Errorf("the other rule, after the drop: %w", err)
	}
	return nil
}

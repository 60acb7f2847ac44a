package conformance

import (
	"bytes"
	"fmt"

	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// checkMemory evaluates in rounds, with a new generation of series now and then. A guest that grows in the last of many
// rounds will go on growing.
func checkMemory(s *suite) error {
	const rounds, evaluations, generations = 6, 300, 10
	g, err := s.ready()
	if err != nil {
		return err
	}
	m := s.module.Manifest()
	sequence := uint64(0)
	var held [rounds]int
	for round := range rounds {
		var d *abi.Dictionary
		for i := range evaluations {
			if i%(evaluations/generations) == 0 {
				d = workload.Dictionary(m, sequence+1, usualSeries+i%3)
			}
			if _, err := g.play(0, step{dictionary: d, window: workload.Window(m, d, sequence, usualSamples)}); err != nil {
				return fmt.Errorf("after %d evaluations: %w", sequence, err)
			}
			sequence++
		}
		held[round] = len(g.Memory())
	}
	grown := 0
	for i := 1; i < rounds; i++ {
		if held[i] > held[i-1] {
			grown++
		}
	}
	if grown == rounds-1 {
		return fmt.Errorf("memory grows for ever: %d bytes after %d evaluations, %d after %d", held[0], evaluations, held[rounds-1], rounds*evaluations)
	}
	return nil
}

// checkDeterminism plays the same in two instances.
func checkDeterminism(s *suite) error {
	steps := s.usual(usualSeries)
	first, err := s.reference(steps)
	if err != nil {
		return err
	}
	second, err := s.reference(steps)
	if err != nil {
		return err
	}
	for i := range first {
		switch {
		case !bytes.Equal(first[i].emitted, second[i].emitted):
			return fmt.Errorf("evaluation %d: other bytes in another instance", i)
		case first[i].fuel != second[i].fuel:
			return fmt.Errorf("evaluation %d: %d fuel in one instance, %d in another", i, first[i].fuel, second[i].fuel)
		}
	}
	return nil
}

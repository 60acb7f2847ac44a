package wasm

import (
	"context"
	"errors"
	"runtime"
	"slices"
)

// fill is how many rules an instance takes before another one is made beside it: instances cost memory, and a second
// one only helps when rules are evaluated at the same time.
const fill = 16

// place finds or makes the instance that serves a rule.
func (m *Module) place(ctx context.Context, alone bool) (*instance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return nil, errors.New("the module is closed")
	}
	alone = alone || !m.manifest.Shared
	if !alone {
		m.mu.shared = slices.DeleteFunc(m.mu.shared, func(in *instance) bool { return in.dead.Load() })
		var best *instance
		for _, in := range m.mu.shared {
			if best == nil || in.rules < best.rules {
				best = in
			}
		}
		if best != nil && (best.rules < fill || len(m.mu.shared) >= max(1, runtime.GOMAXPROCS(0)-1)) {
			best.rules++
			return best, nil
		}
	}
	in, err := m.instantiate(ctx)
	if err != nil {
		return nil, err
	}
	in.rules = 1
	if !alone {
		m.mu.shared = append(m.mu.shared, in)
	}
	return in, nil
}

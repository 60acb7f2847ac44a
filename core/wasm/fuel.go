package wasm

import (
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
)

// counter is the fuel of an instance, in the two globals that the meter added: see the package meter. The zero value is
// that of a module which is trusted and not metered.
type counter struct{ fuel, rest api.MutableGlobal }

func counterOf(mod api.Module) (c counter, err error) {
	fuel, ok := mod.ExportedGlobal(meter.FuelExport).(api.MutableGlobal)
	rest, also := mod.ExportedGlobal(meter.RestExport).(api.MutableGlobal)
	if !ok || !also {
		return counter{}, errors.New("the metered module has no fuel counter")
	}
	return counter{fuel, rest}, nil
}

func (c counter) metered() bool { return c.fuel != nil }

func (c counter) set(budget uint64) {
	if c.metered() {
		fuel, rest := meter.Split(budget)
		c.fuel.Set(fuel)
		c.rest.Set(rest)
	}
}

// left is what is left of the budget, below zero when more was asked for.
func (c counter) left() int64 { return int64(c.fuel.Get()) + int64(c.rest.Get()) }

func (c counter) take(fuel uint64) {
	if c.metered() {
		c.fuel.Set(c.fuel.Get() - fuel)
	}
}

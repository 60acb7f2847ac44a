package wasm

import (
	"strconv"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Limits bounds what a module may use. Zero values stand for the defaults.
type Limits struct {
	ModuleBytes int    // size of the module: 16 MiB
	Memory      int64  // of an instance, bytes: 64 MiB
	Fuel        uint64 // of one call, about one an instruction: 200 million
	EmitBytes   int    // of one result: 1 MiB
	Alerts      int    // verdicts of one evaluation: 10,000
	Series      int    // of one window: 1,000,000
	Samples     int    // of one window: 50 million
	LogLines    int    // a second and rule: 20
	LogBytes    int    // of one line: 8 KiB
	Trusted     bool   // no metering: nothing stops an endless loop
}

// DefaultFuel is the budget of one call of a module that is given no other.
const DefaultFuel = 200_000_000

const (
	pageSize     = 64 << 10
	maxFunctions = 50_000
	maxTable     = 65_536
	maxFailBytes = 4 << 10
	maxEmitParts = 4096
	initFuel     = 1_000_000_000 // what a module may spend on its initialization: about a second at worst
	startFuel    = 100_000_000   // and on a start function, which most have not
)

func (l Limits) withDefaults() Limits {
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.ModuleBytes, 16<<20)
	set(&l.EmitBytes, 1<<20)
	set(&l.Alerts, 10_000)
	set(&l.Series, 1_000_000)
	set(&l.Samples, 50_000_000)
	set(&l.LogLines, 20)
	set(&l.LogBytes, 8<<10)
	if l.Memory <= 0 {
		l.Memory = 64 << 20
	}
	l.Memory = min(l.Memory, 4<<30-pageSize) / pageSize * pageSize
	if l.Fuel == 0 {
		l.Fuel = DefaultFuel
	}
	l.Fuel = min(l.Fuel, 1<<60)
	return l
}

// policy is what a module must be before any of its code runs.
func (l Limits) policy() meter.Policy {
	const handle = "i32 i32 i32"
	return meter.Policy{
		Bytes: l.ModuleBytes, Functions: maxFunctions, MemoryPages: uint32(l.Memory / pageSize), Table: maxTable,
		Memory: abi.ExportMemory, Reactor: "_initialize", Import: allowed(),
		Exports: []meter.Signature{
			{Name: abi.ExportMarker},
			{Name: abi.ExportBuffer, Params: "i32 i32", Results: "i32"},
			{Name: abi.ExportConfigure, Params: handle, Results: "i32"},
			{Name: abi.ExportSeries, Params: handle, Results: "i32"},
			{Name: abi.ExportEval, Params: handle, Results: "i32"},
			{Name: abi.ExportDescribe, Results: "i32", Optional: true},
			{Name: abi.ExportSnapshot, Params: "i32", Results: "i32", Optional: true},
			{Name: abi.ExportRestore, Params: handle, Results: "i32", Optional: true},
			{Name: abi.ExportDrop, Params: "i32", Results: "i32", Optional: true},
			{Name: "_initialize", Optional: true},
		},
	}
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

package wasm

import (
	"context"
	"errors"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Inspection is what can be told of a module without giving it anything to judge.
type Inspection struct {
	Bytes       int          `json:"bytes"`
	SHA256      string       `json:"sha256"`
	Section     bool         `json:"manifest_in_section"` // else the module was asked for it, which runs its code
	Functions   int          `json:"functions"`
	Imports     []string     `json:"imports"`
	Exports     []string     `json:"exports"`
	MemoryStart uint64       `json:"memory_minimum_bytes"` // that it begins with
	MemoryReady int          `json:"memory_ready_bytes"`   // after its initialization
	FuelStart   uint64       `json:"fuel_initialization"`
	Manifest    abi.Manifest `json:"manifest"`
}

// Inspect loads a module and starts it once. The error says everything that is wrong with it.
func (h *Host) Inspect(ctx context.Context, name string, code []byte) (i Inspection, err error) {
	m, err := h.Load(ctx, name, code, Limits{})
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, m.Close(ctx)) }()
	parsed, err := meter.Parse(code)
	if err != nil {
		return i, err
	}
	g, err := m.NewGuest(ctx)
	if err != nil {
		return i, err
	}
	defer g.Close(ctx)
	_, section := parsed.Custom(abi.ManifestSection)
	i = Inspection{
		Bytes: len(code), SHA256: m.Hash(), Section: section, Functions: parsed.Functions(), Exports: parsed.Exports(),
		MemoryStart: uint64(parsed.MemoryPages()) * pageSize, MemoryReady: len(g.Memory()), FuelStart: g.Start, Manifest: m.Manifest(),
	}
	for _, imported := range parsed.Imports() {
		i.Imports = append(i.Imports, imported.String())
	}
	return i, nil
}

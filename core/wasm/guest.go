package wasm

import (
	"context"
	"fmt"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Guest is an instance of a module whose exports are called one by one, without the order that [Rule] keeps and without
// the checks it makes: for a suite that holds modules to the contract, and for benchmarks. It is used by one goroutine
// at a time. After a trap there is nothing more to learn from it.
type Guest struct {
	Start uint64 // fuel that the module's start and initialization took

	in *instance
}

// Answer is what a call of an export yielded.
type Answer struct {
	Code    int32 // what the export returned: a status, of [abi.ExportBuffer] a pointer
	Emitted []byte
	Said    string // by fail
	Fuel    uint64
}

// NewGuest makes an instance and runs its initialization.
func (m *Module) NewGuest(ctx context.Context) (*Guest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return nil, &Error{Class: BadModule, Module: m.name, Detail: "the module is closed"}
	}
	in, err := m.instantiate(ctx)
	if err != nil {
		return nil, m.named("", err)
	}
	m.mu.rules++
	spent := startFuel - in.left() // by a start function
	if in.mod.ExportedFunction("_initialize") != nil {
		spent = initFuel - in.left()
	}
	return &Guest{Start: spent, in: in}, nil
}

// phases tells what an export may emit.
var phases = map[string]phase{
	abi.ExportDescribe:  describing,
	abi.ExportConfigure: configuring,
	abi.ExportSeries:    naming,
	abi.ExportEval:      evaluating,
	abi.ExportSnapshot:  snapshotting,
	abi.ExportRestore:   restoring,
	abi.ExportDrop:      dropping,
}

// Has tells whether the module exports the function.
func (g *Guest) Has(export string) bool { return g.in.mod.ExportedFunction(export) != nil }

// Call runs an export of the contract with a full budget. An error means that it trapped, ran out of fuel or emitted
// what it may not; its type is *[Error]. A status below zero is no error here.
func (g *Guest) Call(export string, args ...uint32) (Answer, error) {
	in := g.in
	f := exportOf(in.mod, export)
	if f.Function == nil {
		return Answer{}, in.module.named("", fmt.Errorf("the module has no export %s", export))
	}
	words := make([]uint64, len(args))
	for i, a := range args {
		words[i] = uint64(a)
	}
	in.begin(phases[export], nil, in.module.limits.Fuel)
	defer func() { in.phase = idle }()
	code, err := in.call(&f, words...)
	answer := Answer{Code: code, Emitted: in.emitted, Said: in.lastWords(), Fuel: in.budget - in.left()}
	if err != nil {
		return answer, in.module.named("", err)
	}
	return answer, nil
}

// Memory is the guest's memory as it is: a view that ends with the next call.
func (g *Guest) Memory() []byte {
	mem := g.in.mod.Memory()
	view, _ := mem.Read(0, mem.Size())
	return view
}

// Close ends the instance.
func (g *Guest) Close(ctx context.Context) {
	g.in.close(ctx)
	m := g.in.module
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.rules--
}

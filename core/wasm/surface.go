package wasm

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

const (
	vi32 = api.ValueTypeI32
	vi64 = api.ValueTypeI64
)

// hostFunc is a function that guests may import. The stack holds the arguments and takes the result.
type hostFunc struct {
	name    string
	params  []api.ValueType
	results []api.ValueType
	call    func(in *instance, stack []uint64)
}

// hostModule is what guests import functions from.
type hostModule struct {
	name  string
	funcs []hostFunc
}

// surface is all that guests can reach outside of their memory.
func surface() []hostModule {
	return []hostModule{{abi.ImportModule, tocsinFuncs}, {wasiModule, wasiFuncs()}, {"env", assemblyScriptFuncs()}}
}

func (m hostModule) define(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(m.name)
	for _, f := range m.funcs {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			f.call(caller(ctx), stack)
		}), f.params, f.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// allowed returns what tells how a function that a module wants to import is called here, if it may.
func allowed() func(meter.Import) (meter.Signature, bool) {
	known := map[meter.Import]meter.Signature{}
	for _, m := range surface() {
		for _, f := range m.funcs {
			known[meter.Import{Module: m.name, Name: f.name}] = f.signature()
		}
	}
	return func(i meter.Import) (meter.Signature, bool) {
		s, ok := known[i]
		return s, ok
	}
}

func (f hostFunc) signature() meter.Signature {
	spell := func(types []api.ValueType) string {
		var words []string
		for _, t := range types {
			words = append(words, api.ValueTypeName(t))
		}
		return strings.Join(words, " ")
	}
	return meter.Signature{Name: f.name, Params: spell(f.params), Results: spell(f.results)}
}

package wasm_test

import (
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm"
)

func TestFailures(t *testing.T) {
	sorry := `(data (i32.const 1024) "sorry")`
	tests := map[string]struct {
		source source
		class  wasm.Class
		detail string
	}{
		"crashes":                       {source{eval: `unreachable`}, wasm.Trap, "unreachable"},
		"divides by zero":               {source{eval: `(i32.div_s (i32.const 1) (i32.const 0))`}, wasm.Trap, "integer divide by zero"},
		"reads outside its memory":      {source{eval: `(i32.load (i32.const -8))`}, wasm.Trap, "out of bounds memory access"},
		"says that it fails":            {source{eval: `(call $fail (i32.const -2) (i32.const 1024) (i32.const 5)) (i32.const -2)`, more: sorry}, wasm.GuestFailed, `internal error; the guest said: "sorry"`},
		"does not like its parameters":  {source{configure: `(i32.const -1)`}, wasm.GuestFailed, "tocsin_configure: bad configuration"},
		"stops for lack of fuel":        {source{eval: `(i32.const -6)`}, wasm.FuelExhausted, "fuel exhausted"},
		"says that it has no memory":    {source{eval: `(i32.const -4)`}, wasm.MemoryLimit, "out of memory"},
		"returns an unknown status":     {source{eval: `(i32.const 7)`}, wasm.BadResult, "returned 7"},
		"has no verdict on its series":  {source{series: `(i32.const 1)`}, wasm.BadResult, "tocsin_series returned 1"},
		"cannot be reached by a number": {source{eval: `(i32.const 9) (i32.const 0) call_indirect`, more: `(table 1 funcref)`}, wasm.Trap, "invalid table access"},
	}
	s := newStage(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { s.try(t, tt.source, wasm.Limits{}, tt.class, tt.detail) })
	}
}

func TestRefusedModules(t *testing.T) {
	tests := map[string]struct {
		code []byte
		want string
	}{
		"nothing":      {nil, "not a WebAssembly binary"},
		"text":         {[]byte("(module)"), "not a WebAssembly binary"},
		"component":    {[]byte("\x00asm\x0d\x00\x01\x00"), "not components"},
		"cut short":    {source{}.assemble(t)[:100], "ends too early"},
		"no manifest":  {source{manifest: "-"}.assemble(t), "neither a section tocsin.manifest"},
		"another ABI":  {source{manifest: `{"abi":{"major":2},"name":"x"}`}.assemble(t), "needs ABI 2.0"},
		"bad manifest": {source{manifest: `{`}.assemble(t), "read manifest"},
		"no memory":    {source{memory: "(global i32 (i32.const 0))"}.assemble(t), `export its memory as "memory"`},
		"command": {
			source{change: map[string]string{`"tocsin_abi_v1"`: `"_start"`}}.assemble(t),
			"this is a command module: build a reactor (Go: -buildmode=c-shared)",
		},
		"missing export": {source{change: map[string]string{`"tocsin_series"`: `"series"`}}.assemble(t), "must export the function tocsin_series"},
		"wrong signature": {
			source{change: map[string]string{`"tocsin_series") (param $rule i32)`: `"tocsin_series") (param $rule i64)`}}.assemble(t),
			"export tocsin_series is (i64 i32 i32) -> (i32), it must be (i32 i32 i32) -> (i32)",
		},
		"takes the fuel counter":     {source{eval: `(global.set 0 (i64.const 0)) (i32.const 0)`}.assemble(t), "global 0 does not exist"},
		"takes what is kept beside":  {source{eval: `(global.set 1 (i64.const 0)) (i32.const 0)`}.assemble(t), "global 1 does not exist"},
		"calls what fills it again":  {source{eval: `(call 8) (i32.const 0)`}.assemble(t), "function 8 does not exist"},
		"exports the fuel counter":   {source{more: `(export "mine" (global 0))`}.assemble(t), `export "mine" names something that does not exist`},
		"uses the counter's name":    {source{change: map[string]string{`"tocsin_abi_v1"`: `"tocsin_fuel"`}}.assemble(t), "reserved"},
		"type error":                 {source{eval: `(i64.const 0)`}.assemble(t), "compile:"},
		"the end of another section": {append(source{}.assemble(t), 1), "ends too early"},
	}
	s := newStage(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { s.refuse(t, tt.code, wasm.Limits{}, tt.want) })
	}
}

func TestDescribe(t *testing.T) {
	src := source{manifest: "-", more: `(func (export "tocsin_describe") (result i32) (call $emit (i32.const 3) (i32.const 1024) (i32.const 77)))
		(data (i32.const 1024) "{\"abi\":{\"major\":1,\"min_minor\":0},\"name\":\"hostile\",\"inputs\":[{\"name\":\"in\"}]}")`}
	host := newHost(t, wasm.Options{})
	if got := load(t, host, src, wasm.Limits{}).Manifest().Name; got != "hostile" {
		t.Errorf("got the manifest of %q", got)
	}
	code := src.assemble(t)
	if _, err := wasm.ReadManifest(code); err == nil || !strings.Contains(err.Error(), "tocsin rule build") {
		t.Errorf("a module without a section: got %v", err)
	}
	packed, err := host.WithManifest(t.Context(), "hostile", code)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := wasm.ReadManifest(packed); err != nil || m.Name != "hostile" || len(m.Inputs) != 1 {
		t.Errorf("with its manifest: got %+v, %v", m, err)
	}
	if _, err := host.WithManifest(t.Context(), "hostile", []byte("hello")); err == nil {
		t.Error("a manifest is given to something else")
	}
}

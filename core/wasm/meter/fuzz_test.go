package meter_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
)

// FuzzMeter: whatever the bytes are, reading and rewriting them ends with a module or an error, and what comes out is
// valid exactly if what went in was.
func FuzzMeter(f *testing.F) {
	f.Add(tiny(nil))
	f.Add(tiny([]byte{0x03, 0x40, 0x0c, 0, 0x0b}))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\n\x04\xf3\xf3\xf3\xf3")) // a count that ends too early
	f.Add(tiny([]byte{0x41, 0, 0x41, 0, 0x41, 9, 0xfc, 11, 0}, []byte{5, 3, 1, 0, 1}))
	f.Add(tiny([]byte{0x02, 0x40, 0x41, 0, 0x0e, 1, 0, 0, 0x0b}))
	f.Add(tiny([]byte{0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a}))
	f.Add(everything([]byte{0x03, 0x40, 0x41, 1, 0x40, 0, 0x1a, 0xd2, 0, 0x1a, 0x20, 0, 0x0d, 0, 0x0b}))
	addSamples(f)
	r := wazero.NewRuntimeWithConfig(f.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	f.Cleanup(func() { _ = r.Close(context.Background()) })
	compiles := func(t *testing.T, code []byte) error {
		c, err := r.CompileModule(t.Context(), code)
		if err != nil {
			return err
		}
		return c.Close(t.Context())
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		m, err := meter.Parse(code)
		if err != nil {
			return
		}
		_ = m.Check(meter.Policy{
			Memory: "memory", Bytes: 1 << 20, Functions: 10, Table: 10, MemoryPages: 10,
			Exports: []meter.Signature{{Name: "f", Params: "i32"}}, Import: func(i meter.Import) (meter.Signature, bool) { return meter.Signature{}, i.Name == "f" },
		})
		out, err := m.Meter(1)
		if err != nil {
			return
		}
		if _, err := meter.Parse(out); err == nil || !strings.Contains(err.Error(), "reserved") {
			t.Fatalf("a metered module is not recognized: %v", err)
		}
		again, err := meter.Parse(bytes.ReplaceAll(out, []byte(meter.FuelExport), []byte("tocsin-fuel")))
		if err != nil {
			t.Fatalf("the metered module cannot be read: %v", err)
		}
		if again.Functions() != m.Functions()+1 || len(again.Imports()) != len(m.Imports()) {
			t.Error("functions or imports were lost")
		}
		if _, err := again.Meter(1); err != nil && !strings.Contains(err.Error(), "limit") && !strings.Contains(err.Error(), "too long to compile") {
			t.Errorf("the metered module's code cannot be read: %v", err)
		}
		if len(code) > 16<<10 || m.MemoryPages() > 1<<10 {
			return // the runtime would take its time
		}
		plain, err := m.Strip() // custom sections may be anything
		if err != nil {
			t.Fatalf("it can be metered, but not: %v", err)
		}
		before, after := compiles(t, plain), compiles(t, out)
		if (before == nil) != (after == nil) {
			t.Errorf("as it was: %v; metered: %v", before, after)
		}
	})
}

// addSamples adds small modules of the official test suite, where the sources of wazero are here.
func addSamples(f *testing.F) {
	f.Helper()
	out, err := exec.CommandContext(f.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		return
	}
	files, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest", "v2", "testdata", "*.1.wasm"))
	for _, file := range files {
		if code, err := os.ReadFile(file); err == nil && len(code) < 2<<10 {
			f.Add(code)
		}
	}
}

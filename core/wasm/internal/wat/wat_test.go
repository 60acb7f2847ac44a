package wat_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/tocsinhq/tocsin/core/wasm/internal/wat"
)

func TestAssemble(t *testing.T) {
	const text = `(module
		(; in this (; comment )
		;) ;; folded and not, named and by number
		(memory (export "memory") 1 2)
		(table $t 3 funcref)
		(global $g (mut i64) (i64.const -5))
		(elem (i32.const 1) func $double $sum)
		(data $d "abc")
		(func $double (export "double") (param $n i32) (result i32)
			(i32.mul (local.get $n) (i32.const 2)))
		(func $sum (export "sum") (param $n i32) (result i32) (local $s i32)
			(block $out
				(loop $again
					(br_if $out (i32.eqz (local.get $n)))
					local.get $s
					local.get 0
					i32.add
					local.set $s
					(local.set $n (i32.sub (local.get $n) (i32.const 1)))
					br $again))
			(local.get $s))
		(func (export "pick") (param $which i32) (param $n i32) (result i32)
			(call_indirect (param i32) (result i32) (local.get $n) (local.get $which)))
		(func (export "which") (param i32) (result f64)
			(if (result f64) (i32.gt_s (local.get 0) (i32.const 0x10)) (then (f64.const 1.5)) (else (f64.const -0.25))))
		(func (export "letter") (param i32) (result i32)
			(memory.init $d (i32.const 8) (i32.const 0) (i32.const 3))
			(memory.fill (i32.const 11) (i32.const 0x7a) (i32.const 1))
			(i32.load8_u offset=8 (local.get 0)))
		(func (export "global") (result i64) (global.set $g (i64.add (global.get $g) (i64.const 1))) (global.get $g))
		(func (export "two") (result i32) (local i32)
			block $a
			block $b
			i32.const 1
			br_table $b $a
			end
			(local.set 0 (i32.const 7))
			(return (i32.const 9))
			end
			(i32.const 2)))`
	code, err := wat.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(t.Context()) }()
	m, err := r.Instantiate(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []uint64
		want uint64
	}{
		{"double", []uint64{21}, 42},
		{"sum", []uint64{10}, 55},
		{"pick", []uint64{1, 6}, 12},
		{"pick", []uint64{2, 4}, 10},
		{"which", []uint64{17}, 0x3ff8000000000000},
		{"which", []uint64{16}, 0xbfd0000000000000},
		{"letter", []uint64{1}, 'b'},
		{"letter", []uint64{3}, 'z'},
		{"global", nil, 0xfffffffffffffffc},
		{"two", nil, 2},
	} {
		got, err := m.ExportedFunction(tt.name).Call(t.Context(), tt.args...)
		if err != nil || len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s%v is %x, %v, want %x", tt.name, tt.args, got, err, tt.want)
		}
	}
}

// TestSamples assembles the text of modules that ship with wazero, as far as it is written in what is known here: the
// runtime must take them, as it takes what other assemblers make of them.
func TestSamples(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Skipf("the sources of wazero are not here: %v", err)
	}
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(t.Context()) }()
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "engine", "testdata", "*.wat"))
	if err != nil {
		t.Fatal(err)
	}
	assembled := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code, err := wat.Assemble(string(text))
		if err != nil {
			t.Logf("%s: %v", filepath.Base(file), err)
			continue
		}
		assembled++
		if _, err := r.CompileModule(t.Context(), code); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	t.Logf("%d of %d were assembled", assembled, len(files))
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "one (module …) is expected",
		"(module":                                "not closed",
		"(module) x":                             "one (module …) is expected",
		"(module\n(func\n(i32.addd)))":           `line 3: instruction "i32.addd" is not known`,
		"(module (func (call $f)))":              "func $f is not known",
		"(module (func (br $l)))":                "label $l is not known",
		"(module (func (param $x i31)))":         `type "i31" is not known`,
		"(module (func block))":                  "a block is not ended",
		"(module (func end))":                    "end without a block",
		"(module (func (i32.const 4294967296)))": "is no number",
		`(module (data "\zz"))`:                  `escape \zz`,
		`(module (data "x`:                       "not closed",
		"(module (func (i32.const)))":            "needs an immediate",
		"(module (thing))":                       `field "thing"`,
		"(module (func (nop 1)))":                "nop does not take",
	} {
		if _, err := wat.Assemble(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

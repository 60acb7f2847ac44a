package ruleswasm_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

func TestModule(t *testing.T) {
	for _, name := range []string{"nobody", "", "../embed", "README.md", "a/b", "built"} {
		if _, err := ruleswasm.Module(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	for _, name := range ruleswasm.Names() { // none before "make rules"
		if code, err := ruleswasm.Module(name); err != nil || !strings.HasPrefix(string(code), "\x00asm") {
			t.Errorf("%s: %d bytes, %v", name, len(code), err)
		}
	}
}

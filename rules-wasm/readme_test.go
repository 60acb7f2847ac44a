package ruleswasm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/core/wasm"
	ruleswasm "github.com/tocsinhq/tocsin/rules-wasm"
)

// around makes a configuration of the rules of a README.
const around = `
source "http" "any" { targets = ["127.0.0.1:1"] }
notifier "webhook" "ops" { url = env("OPS") }
route { to = [notifier.webhook.ops] }
`

// What the README of a module shows can be copied, and it speaks of every parameter and input.
func TestReadmes(t *testing.T) {
	overview := read(t, "README.md")
	if len(ruleswasm.Names()) == 0 {
		t.Skip(`no modules are built in: run "make rules"`)
	}
	for _, name := range ruleswasm.Names() {
		t.Run(name, func(t *testing.T) {
			readme := read(t, filepath.Join(name, "README.md"))
			if !strings.Contains(overview, "["+name+"]("+name+"/README.md)") {
				t.Error("the overview does not name it")
			}
			blocks := blocksOf(readme)
			if len(blocks) == 0 {
				t.Error("no block of HCL")
			}
			for _, block := range blocks {
				check(t, name, block)
			}
			code, err := ruleswasm.Module(name)
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := wasm.ReadManifest(code)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range manifest.Params {
				if !strings.Contains(readme, "`"+p.Name+"`") || p.Description == "" {
					t.Errorf("parameter %s is not described", p.Name)
				}
			}
			for _, in := range manifest.Inputs {
				if !strings.Contains(readme, "`"+in.Name+"`") || in.Description == "" {
					t.Errorf("input %s is not described", in.Name)
				}
			}
		})
	}
}

// The table of common alerts and the blocks that it leads to are the same.
func TestCommonAlerts(t *testing.T) {
	if len(ruleswasm.Names()) == 0 {
		t.Skip(`no modules are built in: run "make rules"`)
	}
	const folder = "../examples/common-alerts"
	c, diags := config.Load([]string{folder}, config.Options{Catalog: engine.Catalog})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := map[string]string{}
	for _, r := range c.Rules {
		want[r.Name] = r.Module + " in " + filepath.Base(r.Range.File)
	}
	got := map[string]string{}
	row := regexp.MustCompile(`(?m)^\|[^|]+\|[^|]+\| (\w+) \| \[(\w+)\]\(` + regexp.QuoteMeta(folder) + `/(.+)\) \|$`)
	for _, cells := range row.FindAllStringSubmatch(read(t, "README.md"), -1) {
		got[cells[2]] = cells[1] + " in " + cells[3]
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 20 {
		t.Errorf("%d rows in the table (-blocks +table):\n%s", len(got), diff)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf are the blocks of HCL in a text.
func blocksOf(text string) (blocks []string) {
	for _, part := range strings.Split(text, "```hcl\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

// check loads a block; one that shows only the inside of a rule is put into one.
func check(t *testing.T, module, block string) {
	t.Helper()
	if !strings.HasPrefix(block, "rule ") {
		if !strings.Contains(block, "input ") {
			block = "input \"series\" { select = \"m\" }\n" + block
		}
		block = "rule \"Part\" {\n  module = \"" + module + "\"\n" + block + "}\n"
	}
	file := filepath.Join(t.TempDir(), "readme.hcl")
	if err := os.WriteFile(file, []byte(block+around), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(string) (string, bool) { return "https://ops.example.org", true }
	if _, diags := config.Load([]string{file}, config.Options{Catalog: engine.Catalog, Env: env}); len(diags) > 0 {
		t.Errorf("%v\n%s", diags, block)
	}
}

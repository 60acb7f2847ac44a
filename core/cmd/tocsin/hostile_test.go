package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/wasm/pack"
)

// Modules that never end are stopped and reported as what they are; the rule beside them pages as if they were not there.
func TestHostileModulesHarmNobody(t *testing.T) {
	t.Parallel()
	reported := map[string]string{
		"loop":    "fuel exhausted",
		"recurse": "stack overflow",
		"grow":    "memory",
	}
	g, p := newGateway(t), newPager(t)
	var rules strings.Builder
	for name := range reported {
		fmt.Fprintf(&rules, `
rule "Hostile_%s" {
  module = %q
  input "requests" { select = "http_requests_total" }
}
`, name, name)
	}
	dir := writeConfig(t, pipeline(g, p, rules.String()))
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name := range reported {
		if err := pack.Build(t.Context(), filepath.Join("testdata", "hostile", name), filepath.Join(dir, "rules", name+".wasm")); err != nil {
			t.Fatal(err)
		}
	}
	engine := start(t, dir)
	for name, says := range reported {
		eventually(t, fmt.Sprintf("the log says %q of %s", says, name), func() bool {
			for line := range strings.Lines(engine.log.String()) {
				if strings.Contains(line, "Hostile_"+name) && strings.Contains(strings.ToLower(line), says) {
					return true
				}
			}
			return false
		})
	}
	g.fail(0.3)
	eventually(t, "PagerDuty gets a trigger", func() bool { return p.actions() == "trigger" })
	g.fail(0)
	eventually(t, "PagerDuty gets a resolve", func() bool { return p.actions() == "trigger resolve" })
	p.checkIncident(t)
}

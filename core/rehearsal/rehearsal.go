// Package rehearsal runs configurations against tests: the production engine on a virtual clock, with samples from the
// test instead of targets, and with services in memory that take what notifiers send, or refuse it as the test says.
//
// Only the surroundings are played (see [engine.World]): the clock (bubble.go), targets (target.go), services
// (service.go) and the durable state, which survives crashes as a disk would. Scraping, windows, rule modules, states,
// routing, the ledger and the built-in notifiers with their payloads are what runs in production. A test with the same
// seed takes the same course each time.
package rehearsal

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/core/wasm"
)

// Options of a [Director].
type Options struct {
	Bubble  Bubble     // required
	Modules *wasm.Host // required; it is shared by all tests
	Update  bool       // write golden files instead of comparing with them
}

// Director runs tests, one at a time.
type Director struct {
	options Options
	configs map[string]*config.Config // by what they were loaded from
}

// New returns a director.
func New(o Options) *Director {
	return &Director{options: o, configs: map[string]*config.Config{}}
}

// Result is what came of a test.
type Result struct {
	Test     *config.Test
	Failures []Failure
	Warnings []Failure
	Events   []Event // what happened, in the order of time
	Coverage Coverage
	Virtual  time.Duration // how long it lasted on its own clock
	Took     time.Duration // and on ours
}

// Failure is something that is not as the test says.
type Failure struct {
	Range config.Range
	Text  string // may have several lines
}

// Run runs a test. Diagnostics are what keeps it from being run: the configuration, or a test that speaks of what the
// configuration does not have.
func (d *Director) Run(test *config.Test) (result Result, diags config.Diagnostics) {
	began := time.Now()
	result.Test = test
	versions, diags := d.load(test)
	if diags.HasErrors() {
		return result, diags
	}
	if diags = append(diags, test.Check(versions...)...); diags.HasErrors() {
		return result, diags
	}
	p := newPlay(test, versions, d.options.Modules)
	p.perform(d.options.Bubble)
	result.Events = p.script()
	result.Virtual = p.duration
	result.Failures = p.judge(d.options.Update)
	result.Warnings = p.warnings()
	result.Coverage = p.coverage(result.Events)
	result.Took = time.Since(began)
	return result, diags
}

// load loads the configuration of a test, and after it those of its reloads.
func (d *Director) load(test *config.Test) (all []*config.Config, diags config.Diagnostics) {
	paths, vars := test.Configs, test.Vars
	for i := -1; i < len(test.Faults); i++ {
		if i >= 0 {
			f := test.Faults[i]
			if f.What != config.FaultReload {
				continue
			}
			paths, vars = test.Configs, test.Vars
			if f.Configs != nil {
				paths = f.Configs
			}
			if f.Vars != nil {
				vars = f.Vars
			}
		}
		cfg, more := d.config(test.Dir, paths, vars)
		diags = append(diags, more...)
		all = append(all, cfg)
	}
	return all, diags
}

func (d *Director) config(dir string, paths []string, vars map[string]string) (*config.Config, config.Diagnostics) {
	var under []string
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		under = append(under, path)
	}
	key := fmt.Sprintf("%q %q", under, vars) // maps are printed in the order of their keys
	if cfg := d.configs[key]; cfg != nil {
		return cfg, nil
	}
	cfg, diags := config.Load(under, config.Options{Vars: vars, Catalog: engine.Catalog})
	if cfg != nil {
		d.configs[key] = cfg
	}
	return cfg, diags
}

// since writes a time of a test to the millisecond, without zeros at the end: 6m30s, 1h.
func since(d time.Duration) string {
	text := d.Round(time.Millisecond).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Package conformance holds a rule module to the contract between modules and engine, whatever language it was written
// in and whatever it judges: memory, blocks, generations of series, limits, garbage.
//
// It cannot know which verdicts a rule should give. It knows, though, which sequences of windows say the same in another
// layout, under other indexes or in another company, and that the verdicts must then be the same.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Outcome is how a check ended.
type Outcome string

// The outcomes.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip" // it does not apply to the module; Result.Detail says why
)

// Result is what a check found.
type Result struct {
	Check   string  `json:"check"`
	Asks    string  `json:"asks"` // what the contract asks for
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"`
}

// Options for [Run].
type Options struct {
	Params json.RawMessage // of the rule, a JSON object: those that are required and missing are made up
}

// check is one thing that a module must do. What it opens in a suite is closed after it.
type check struct {
	name, asks string
	run        func(*suite) error
}

var checks = []check{
	{"manifest", "defaults are allowed values, and the rule takes its parameters", checkManifest},
	{"describe", "tocsin_describe says what the section says", checkDescribe},
	{"buffer-alignment", "every slot begins at a multiple of 8, inside the memory", checkBufferAlignment},
	{"buffer-separation", "no slot overlaps another, whatever their sizes and order", checkBufferSeparation},
	{"buffer-lifetime", "a slot keeps its bytes until it is asked for again", checkBufferLifetime},
	{"buffer-exhaustion", "0 for what there is no memory for", checkBufferExhaustion},
	{"order", "no verdict before parameters, before series, or over series of another generation", checkOrder},
	{"params-hostile", "damaged parameters are refused", checkParamsHostile},
	{"series-generations", "verdicts follow their series when series are added, dropped and renumbered", checkGenerations},
	{"series-hostile", "a damaged dictionary is refused", checkSeriesHostile},
	{"window-empty", "no series and no samples are no failure", checkEmpty},
	{"window-layout", "values may lie in any order, with gaps between them", checkLayout},
	{"window-headers", "headers and records may grow at their end", checkHeaders},
	{"window-growth", "windows may grow and shrink", checkGrowth},
	{"window-hostile", "a damaged window is refused", checkWindowHostile},
	{"garbage", "arbitrary bytes cost neither endless time nor the engine", checkGarbage},
	{"limit-alerts", "not more verdicts than the host takes", checkLimitAlerts},
	{"limit-emit", "not more bytes than the host takes", checkLimitEmit},
	{"handles", "the rules of a shared instance know nothing of each other", checkHandles},
	{"drop", "a rule that was dropped is gone, the others stay", checkDrop},
	{"state", "a rule that is restored elsewhere goes on as if nothing had happened", checkState},
	{"state-hostile", "damaged state costs no endless time, and is refused if its last byte is missing", checkStateHostile},
	{"memory-steady", "memory does not grow with the number of evaluations and generations", checkMemory},
	{"determinism", "the same calls yield the same bytes for the same fuel", checkDeterminism},
}

// Run holds a module to the contract and returns what each check found, in order. A module that does not load fails the
// first check, and there are no others.
func Run(ctx context.Context, host *wasm.Host, name string, code []byte, opts Options) []Result {
	return run(ctx, &suite{host: host, name: name, code: code, given: opts.Params}, checks)
}

func run(ctx context.Context, s *suite, checks []check) []Result {
	load := Result{Check: "load", Asks: "size, exports, imports, memory, manifest, parameters", Outcome: Pass}
	s.ctx = ctx
	if err := s.load(); err != nil {
		load.Outcome, load.Detail = Fail, err.Error()
		return []Result{load}
	}
	defer s.close()
	results := []Result{load}
	for _, c := range checks {
		r := Result{Check: c.name, Asks: c.asks, Outcome: Pass}
		if err := ctx.Err(); err != nil {
			r.Outcome, r.Detail = Skip, err.Error()
			results = append(results, r)
			continue
		}
		err := c.run(s)
		s.closeGuests()
		if skipped, ok := errors.AsType[notApplicable](err); ok {
			r.Outcome, r.Detail = Skip, string(skipped)
		} else if err != nil {
			r.Outcome, r.Detail = Fail, err.Error()
		}
		results = append(results, r)
	}
	return results
}

// Failed tells whether a check failed.
func Failed(results []Result) bool {
	for _, r := range results {
		if r.Outcome == Fail {
			return true
		}
	}
	return false
}

// notApplicable says why a check has nothing to check.
type notApplicable string

func (n notApplicable) Error() string { return string(n) }

// suite is a module under test.
type suite struct {
	ctx    context.Context //nolint:containedctx // of the run that the suite was made for
	host   *wasm.Host
	name   string
	code   []byte
	given  json.RawMessage
	module *wasm.Module
	params []byte // block
	guests []*guest
	opened func(*wasm.Guest) // for tests of the suite itself: called with every new instance
}

func (s *suite) load() (err error) {
	if s.module, err = s.host.Load(s.ctx, s.name, s.code, wasm.Limits{}); err != nil {
		return err
	}
	values, err := workload.Params(s.module.Manifest(), s.given)
	if err == nil && len(s.module.Manifest().Inputs) == 0 {
		err = errors.New("the manifest names no inputs: the rule would never see a sample")
	} else if err == nil {
		s.params, err = abi.EncodeParams(s.module.Manifest().Params, values)
	}
	if err != nil {
		_ = s.module.Close(s.ctx) // nothing is open in it
		return err
	}
	return s.acceptable()
}

// acceptable tells whether the rule takes the parameters. Those that were made up may contradict each other, which the
// manifest cannot say; then no other check would say anything else.
func (s *suite) acceptable() error {
	g, err := s.open()
	if err == nil {
		err = g.configure(0)
	}
	if _, ok := errors.AsType[refusal](err); !ok {
		s.closeGuests() // other failures are for the checks
		return nil
	}
	s.close()
	return fmt.Errorf("the rule refuses its parameters, give it others (tocsin rule conformance -params): %w", err)
}

func (s *suite) close() {
	s.closeGuests()
	_ = s.module.Close(s.ctx) // nothing is open in it any more
}

func (s *suite) closeGuests() {
	for _, g := range s.guests {
		g.Close(s.ctx)
	}
	s.guests = nil
}

// limited loads the module once more, under other limits. The manifest goes into a section: the limits are meant for
// results.
func (s *suite) limited(limits wasm.Limits) (*suite, error) {
	manifest, err := json.Marshal(s.module.Manifest())
	if err != nil {
		return nil, err
	}
	code, err := pack.Attach(s.code, manifest)
	if err != nil {
		return nil, err
	}
	m, err := s.host.Load(s.ctx, s.name, code, limits)
	if err != nil {
		return nil, err
	}
	l := *s
	l.module, l.guests = m, nil
	return &l, nil
}

func (s *suite) shared() bool { return s.module.Manifest().Shared }

package wasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// RuleOptions is a rule as it is configured.
type RuleOptions struct {
	ID     string          // stable: seeds the randomness, names the rule in logs and errors
	Params json.RawMessage // a JSON object
	State  []byte          // what [Rule.Snapshot] returned in an earlier run, nil for none: restored if it fits
}

// Rule is one configured rule. It is used by one goroutine at a time; rules of one instance take turns.
type Rule struct {
	module  *Module
	id      string
	hash    uint64 // of id
	params  []byte // block
	handle  uint32
	logger  zerolog.Logger
	logs    *rate.Limiter
	dropped int // log lines; guarded by the instance's mu

	mu         sync.Mutex
	in         *instance
	alone      bool // it failed in company once
	closed     bool
	configured bool // in this instance
	first      bool // the rule starts afresh: nothing was restored or evaluated in this instance
	restoring  bool // its state is being given back
	sent       *abi.Dictionary
	evaluated  uint64 // sequence of the last evaluation that succeeded
	kept       kept
	results    *abi.ResultDecoder
	verdicts   []abi.Verdict
	window     abi.Window
	twin       *Rule // nil: not verified; guarded by mu, its own mu is not used
}

// Evaluation is what one evaluation yielded.
type Evaluation struct {
	Verdicts  []abi.Verdict // valid until the next evaluation of the rule
	NoVerdict bool          // insufficient data: states stay as they are
	Fuel      uint64        // used; the same on every machine
}

// NewRule checks the parameters and configures the rule in an instance, so that a wrong parameter is found at once.
func (m *Module) NewRule(ctx context.Context, opts RuleOptions) (*Rule, error) {
	params, err := abi.EncodeParams(m.manifest.Params, opts.Params)
	if err != nil {
		return nil, &Error{Class: GuestFailed, Module: m.name, Rule: opts.ID, Detail: err.Error()}
	}
	r := newRule(m, opts.ID, params)
	r.remember(opts.State)
	r.evaluated = r.kept.sequence
	m.mu.Lock()
	if m.mu.closed {
		m.mu.Unlock()
		return nil, &Error{Class: BadModule, Module: m.name, Rule: opts.ID, Detail: "the module is closed"}
	}
	m.mu.rules++
	if m.manifest.Shared {
		m.mu.next++
		r.handle = m.mu.next
	}
	m.mu.Unlock()

	r.mu.Lock()
	if m.host.verify {
		r.pair()
	}
	err = r.inInstance(ctx, func(*instance) error { return nil })
	r.mu.Unlock()
	if err != nil {
		return nil, errors.Join(m.named(opts.ID, err), r.Close(ctx))
	}
	return r, nil
}

func newRule(m *Module, id string, params []byte) *Rule {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return &Rule{
		module: m, id: id, hash: h.Sum64(), params: params,
		logger:  m.host.logger.With().Str("rule", id).Str("module", m.name).Logger(),
		logs:    rate.NewLimiter(rate.Limit(m.limits.LogLines), m.limits.LogLines),
		results: abi.NewResultDecoder(abi.ResultLimits{Alerts: m.limits.Alerts}),
	}
}

// Eval evaluates the rule over a window whose series are named by dict. A dictionary must not be changed after it was
// passed: another one, of another generation, takes its place. After an error, whose type is *[Error], the rule is
// configured anew at the next call.
func (r *Rule) Eval(ctx context.Context, dict *abi.Dictionary, w *abi.Window) (Evaluation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.twin != nil {
		return r.verified(ctx, func(ctx context.Context, r *Rule) (Evaluation, error) { return r.eval(ctx, dict, w) })
	}
	return r.eval(ctx, dict, w)
}

func (r *Rule) eval(ctx context.Context, dict *abi.Dictionary, w *abi.Window) (Evaluation, error) {
	var result Evaluation
	if err := ctx.Err(); err != nil {
		return result, fmt.Errorf("evaluate rule %s: %w", r.id, err)
	}
	if err := r.checkWindow(w); err != nil {
		return result, r.module.named(r.id, err)
	}
	err := r.inInstance(ctx, func(in *instance) (err error) {
		result, err = r.evaluate(in, dict, w)
		return err
	})
	if err != nil {
		if r.kept.failures++; r.kept.failures == maxStateFailures && r.kept.encoded != nil {
			r.startAfresh(fmt.Sprintf("%d evaluations in a row failed, which may be for what it remembers: %s", maxStateFailures, err))
		}
		return Evaluation{}, r.module.named(r.id, err)
	}
	r.evaluated, r.kept.news, r.kept.failures = w.Sequence, true, 0
	return result, nil
}

// Close gives the rule's place back.
func (r *Rule) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	for _, r := range []*Rule{r, r.twin} {
		if r != nil {
			r.closed = true
			if r.in != nil {
				r.drop(ctx)
			}
		}
	}
	r.module.mu.Lock()
	r.module.mu.rules--
	r.module.mu.Unlock()
	return nil
}

// drop tells a shared instance that the rule is gone.
func (r *Rule) drop(ctx context.Context) {
	in := r.in
	in.mu.Lock()
	if !in.dead.Load() && in.guest.drop.Function != nil && r.configured {
		in.begin(dropping, r, r.module.limits.Fuel)
		if _, err := in.call(&in.guest.drop, uint64(r.handle)); err != nil {
			in.close(ctx)
		}
		in.phase, in.rule = idle, nil
	}
	in.mu.Unlock()
	r.module.leave(ctx, in)
	r.in = nil
}

// inInstance runs work in a live instance in which the rule is configured. Whatever fails costs the instance.
func (r *Rule) inInstance(ctx context.Context, work func(*instance) error) error {
	if r.closed {
		return failed(GuestFailed, "the rule is closed")
	}
	for {
		if r.in == nil {
			in, err := r.module.place(ctx, r.alone)
			if err != nil {
				return err
			}
			r.in, r.configured, r.first, r.sent = in, false, true, nil
		}
		in := r.in
		in.mu.Lock()
		if in.dead.Load() { // another rule has brought it down
			in.mu.Unlock()
			r.module.leave(ctx, in)
			r.in = nil
			continue
		}
		r.restoring = false
		err := r.run(in, work)
		if err != nil {
			in.close(ctx)
		}
		in.phase, in.rule = idle, nil
		in.mu.Unlock()
		if err == nil {
			return nil
		}
		r.module.leave(ctx, in)
		r.in = nil
		r.alone = true
		if !r.restoring {
			return err
		}
		r.startAfresh(during("restore", err).Error()) // what it remembered brought it down: once more without
	}
}

func (r *Rule) run(in *instance, work func(*instance) error) error {
	if !r.configured {
		if err := r.configure(in); err != nil {
			return err
		}
		if r.kept.encoded != nil {
			r.restoring = true
			err := r.restore(in)
			in.flush()
			if err != nil {
				return err
			}
			r.restoring = false
		}
		r.configured = true
	}
	err := work(in)
	in.flush()
	return err
}

// configure gives the guest the rule's parameters.
func (r *Rule) configure(in *instance) error {
	in.begin(configuring, r, r.module.limits.Fuel)
	in.seed, in.random = seedOf(r.id, 0), nil
	ptr, view, err := in.buffer(abi.SlotParams, uint64(len(r.params)))
	if err != nil {
		return err
	}
	copy(view, r.params)
	code, err := in.call(&in.guest.configure, uint64(r.handle), uint64(ptr), uint64(len(r.params)))
	if err == nil {
		err = in.status(abi.ExportConfigure, code)
	}
	in.flush()
	return err
}

func (r *Rule) checkWindow(w *abi.Window) error {
	series, samples := 0, 0
	for i := range w.Inputs {
		series += len(w.Inputs[i].Series)
		samples += len(w.Inputs[i].Values)
	}
	switch limits := r.module.limits; {
	case series > limits.Series:
		return failed(MemoryLimit, "the window has %d series, the limit is %d: narrow the selector", series, limits.Series)
	case samples > limits.Samples:
		return failed(MemoryLimit, "the window has %d samples, the limit is %d: narrow the selector or the window", samples, limits.Samples)
	}
	return nil
}

// evaluate sends what is new and calls the guest once.
func (r *Rule) evaluate(in *instance, dict *abi.Dictionary, w *abi.Window) (Evaluation, error) {
	in.begin(naming, r, r.module.limits.Fuel)
	in.now = w.Time
	in.seed, in.random = seedOf(r.id, w.Sequence), nil
	r.window = *w
	r.window.Generation = dict.Generation
	if r.window.Flags &^= abi.WindowFirst; r.first {
		r.window.Flags |= abi.WindowFirst
	}
	naming := uint64(0)
	if r.sent == nil || r.sent != dict && r.sent.Generation != dict.Generation {
		if err := r.name(in, dict); err != nil {
			return Evaluation{}, err
		}
		naming = in.budget - in.left()
		in.refuel(r.module.limits.Fuel) // the budget is one of each call
		r.window.Flags |= abi.WindowSeriesChanged
	}
	size := abi.WindowSize(&r.window)
	ptr, view, err := in.buffer(abi.SlotWindow, size)
	if err != nil {
		return Evaluation{}, err
	}
	abi.PutWindow(view, &r.window)
	in.phase = evaluating
	code, err := in.call(&in.guest.eval, uint64(r.handle), uint64(ptr), size)
	if err == nil {
		err = in.status(abi.ExportEval, code)
	}
	if err != nil {
		return Evaluation{}, err
	}
	result := Evaluation{Fuel: naming + in.budget - in.left()}
	r.first = false
	if abi.StatusCode(code) == abi.NoVerdict {
		result.NoVerdict = true
		return result, nil
	}
	if len(in.emitted) == 0 {
		return result, nil // nothing to say: all is well
	}
	if r.verdicts, err = r.results.Decode(in.emitted, dict, r.verdicts); err != nil {
		return Evaluation{}, failed(BadResult, "result: %s", err)
	}
	result.Verdicts = r.verdicts
	return result, nil
}

// name sends the dictionary.
func (r *Rule) name(in *instance, dict *abi.Dictionary) error {
	block, err := abi.EncodeDictionary(dict, r.sent)
	if err != nil {
		return failed(MemoryLimit, "%s", err)
	}
	ptr, view, err := in.buffer(abi.SlotSeries, uint64(len(block)))
	if err != nil {
		return err
	}
	copy(view, block)
	code, err := in.call(&in.guest.series, uint64(r.handle), uint64(ptr), uint64(len(block)))
	if err == nil {
		err = in.status(abi.ExportSeries, code)
	}
	if err != nil {
		return err
	}
	r.sent = dict
	return nil
}

package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// openRules loads the modules that rules name, each once, and binds every rule to its windows.
func (e *Engine) openRules(ctx context.Context) (err error) {
	cfg := e.options.Config
	if e.wasm = e.options.World.Modules; e.wasm == nil {
		cache := cmp.Or(e.options.CacheDir, filepath.Join(cfg.Engine.DataDir, "cache"))
		if e.wasm, err = wasm.New(ctx, wasm.Options{CacheDir: cache, Logger: e.logger}); err != nil {
			return err
		}
		e.opened.push("wasm", e.wasm.Close)
	}

	found := modules{blocks: cfg.Modules, dirs: cfg.Engine.ModuleDirs}
	loaded := map[string]*wasm.Module{}
	for _, r := range cfg.Rules {
		module, ok := loaded[r.Module]
		if !ok {
			if module, err = e.loadModule(ctx, found, r.Module); err != nil {
				return fmt.Errorf("%s: rule %q: %w", r.Range, r.Name, err)
			}
			loaded[r.Module] = module
		}
		definition, err := e.define(ctx, r, module)
		if err != nil {
			return fmt.Errorf("%s: rule %q: %w", r.Range, r.Name, err)
		}
		e.definitions = append(e.definitions, definition)
	}
	e.rules = rule.New(rule.Options{
		Alerts: e.alerts, Record: e.journal.Record, OnChange: e.reroute, Logger: e.logger, Workers: e.options.World.Workers,
	})
	return nil
}

func (e *Engine) loadModule(ctx context.Context, found modules, name string) (*wasm.Module, error) {
	code, err := found.code(name)
	if err != nil {
		return nil, err
	}
	memory, fuel := found.limits(name)
	return e.wasm.Load(ctx, name, code, wasm.Limits{Memory: memory, Fuel: fuel})
}

// define makes the rule manager's view of a configured rule: when it is due, what it is called, and its program.
func (e *Engine) define(ctx context.Context, r config.Rule, module *wasm.Module) (rule.Definition, error) {
	cfg := e.options.Config
	queries, names, err := bind(r, module.Manifest())
	if err != nil {
		return rule.Definition{}, err
	}
	judge, err := module.NewRule(ctx, wasm.RuleOptions{ID: r.Name, Params: r.Params})
	if err != nil {
		return rule.Definition{}, err
	}
	sources, interval := sourcesOf(r.Inputs, cfg.Sources)
	p := &program{view: e.windows.Bind(queries), rule: judge, inputs: names}
	p.window.IntervalMS = uint32(interval.Milliseconds())
	e.opened.push("rule "+r.Name, p.Close)
	return rule.Definition{
		Name: r.Name, Labels: r.Labels, Annotations: r.Annotations,
		Severities: module.Manifest().Outputs.Severities,
		For:        r.For, KeepFiringFor: r.KeepFiringFor, Every: r.Every, OnMissing: r.OnMissing,
		Shadow: r.Mode == config.ModeShadow, Limit: r.Limit,
		Sources: sources, Interval: interval, Program: p, ExternalURL: cfg.Engine.ExternalURL,
	}, nil
}

// nothing matches no series: none has an empty metric name.
var nothing = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, frame.MetricName, "")}

// bind pairs the inputs that a module declares, in its order, with those that the rule configures.
func bind(r config.Rule, manifest abi.Manifest) ([]window.Query, []string, error) {
	configured := map[string]config.Input{}
	for _, in := range r.Inputs {
		configured[in.Name] = in
	}
	var queries []window.Query
	var names []string
	for _, declared := range manifest.Inputs {
		in, ok := configured[declared.Name]
		if !ok && declared.Optional {
			queries, names = append(queries, window.Query{Matchers: nothing}), append(names, "")
			continue
		}
		if !ok {
			return nil, nil, fmt.Errorf("module %s needs an input %q: add a block input %q { select = … window = … }", r.Module, declared.Name, declared.Name)
		}
		delete(configured, declared.Name)
		how := cmp.Or(in.Reduce, declared.Reduce)
		reduce, known := abi.ParseReduce(how)
		if !known {
			return nil, nil, fmt.Errorf("module %s, input %q asks for reduce %q, which this engine does not know", r.Module, declared.Name, how)
		}
		queries = append(queries, window.Query{Matchers: in.Matchers, Window: in.Window, Reduce: reduce, ReduceArg: declared.ReduceArg})
		names = append(names, declared.Name)
	}
	if len(configured) > 0 {
		return nil, nil, fmt.Errorf("module %s has no input %q", r.Module, slices.Sorted(maps.Keys(configured)))
	}
	return queries, names, nil
}

package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"text/template"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/query"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// openRules loads the modules that rules name, each once, and binds every rule to what it reads.
func (e *Engine) openRules(ctx context.Context) (err error) {
	cfg := e.options.Config
	if e.wasm = e.options.World.Modules; e.wasm == nil {
		cache := cmp.Or(e.options.CacheDir, filepath.Join(cfg.Engine.DataDir, "cache"))
		if e.wasm, err = wasm.New(ctx, wasm.Options{CacheDir: cache, Logger: e.logger}); err != nil {
			return err
		}
		e.opened.push("wasm", e.wasm.Close)
	}

	e.promql = query.New(query.Options{Lookback: cfg.Engine.Lookback})
	loaded := map[string]*wasm.Module{}
	for _, r := range cfg.Rules {
		definition, err := e.define(ctx, r, loaded)
		if err != nil {
			return fmt.Errorf("%s: rule %q: %w", r.Range, r.Name, err)
		}
		e.definitions = append(e.definitions, definition)
	}
	e.rules = rule.New(rule.Options{
		Alerts: e.alerts, Record: e.journal.Record, OnChange: e.alertsChanged, Logger: e.logger, Workers: e.options.World.Workers,
		OnEvaluate: e.metrics.evaluated,
	})
	e.definitions = append(e.definitions, e.heartbeats(cfg)...)
	return nil
}

// define makes the rule manager's view of a configured rule: when it is due, what it is called, and its program.
func (e *Engine) define(ctx context.Context, r config.Rule, loaded map[string]*wasm.Module) (rule.Definition, error) {
	cfg := e.options.Config
	d := rule.Definition{
		Name: r.Name, Alertname: r.Alertname(), Labels: r.Labels, Annotations: r.Annotations, ExternalURL: cfg.Engine.ExternalURL,
		For: r.For, KeepFiringFor: r.KeepFiringFor, Every: r.Every, OnMissing: r.OnMissing,
		Shadow: r.Mode == config.ModeShadow, Limit: r.Limit,
	}
	if watch := e.options.World.OnTemplate; watch != nil {
		d.OnTemplate = func(t *template.Template) { watch(r.Name, t) }
	}
	if r.PromQL != "" {
		err := e.defineExpression(ctx, &d, r)
		return d, err
	}
	module, ok := loaded[r.Module]
	if !ok {
		var err error
		if module, err = e.loadModule(ctx, r.Module); err != nil {
			return d, err
		}
		loaded[r.Module] = module
	}
	err := e.defineProgram(ctx, &d, r, module)
	return d, err
}

func (e *Engine) loadModule(ctx context.Context, name string) (*wasm.Module, error) {
	found := modules{blocks: e.options.Config.Modules, dirs: e.options.Config.Engine.ModuleDirs}
	code, err := found.code(name)
	if err != nil {
		return nil, err
	}
	memory, fuel := found.limits(name)
	return e.wasm.Load(ctx, name, code, wasm.Limits{Memory: memory, Fuel: fuel})
}

// defineProgram has a rule judged by a module.
func (e *Engine) defineProgram(ctx context.Context, d *rule.Definition, r config.Rule, module *wasm.Module) error {
	queries, names, err := bind(r, module.Manifest())
	if err != nil {
		return err
	}
	judged, err := e.programOf(ctx, r, module, queries, names)
	if err != nil {
		return err
	}
	d.Severities = module.Manifest().Outputs.Severities
	d.Sources, d.Interval = sourcesOf(r.Selectors(), e.options.Config.Sources)
	d.Program = judged
	return nil
}

// programOf makes the program of a rule: one, or one for each of its overrides and one for the rest.
func (e *Engine) programOf(ctx context.Context, r config.Rule, module *wasm.Module, queries []window.Query, names []string) (rule.Program, error) {
	var all parts
	var except [][]*labels.Matcher
	for _, o := range overridesOf(r, e.options.Config.Overrides) {
		params, err := merged(r.Params, o.Params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Range, err)
		}
		name := nameOfOverride(o.Matchers)
		p, err := e.bindProgram(ctx, module, wasm.RuleOptions{ID: r.Name + " " + name, Params: params}, narrowed(queries, o.Matchers, except), names)
		if err != nil {
			return nil, fmt.Errorf("%s: override of the rule: %w", o.Range, err)
		}
		all = append(all, part{p, name})
		except = append(except, o.Matchers)
	}
	base, err := e.bindProgram(ctx, module, wasm.RuleOptions{ID: r.Name, Params: r.Params}, narrowed(queries, nil, except), names)
	if err != nil || len(all) == 0 {
		return base, err
	}
	return append(all, part{base, theRest}), nil
}

func (e *Engine) bindProgram(ctx context.Context, module *wasm.Module, options wasm.RuleOptions, queries []window.Query, names []string) (*program, error) {
	if module.Stateful() {
		options.State = e.states.take(options.ID)
	}
	judge, err := module.NewRule(ctx, options)
	if err != nil {
		return nil, err
	}
	p := &program{view: e.windows.Bind(queries), rule: judge, inputs: names}
	if module.Stateful() {
		p.memory = &memory{name: options.ID, rule: judge, states: e.states, logger: e.logger, kept: options.State}
		p.window.Sequence = judge.Sequence()
	}
	e.opened.push("rule "+options.ID, p.Close)
	return p, nil
}

// narrowed are queries of those series only that matchers match, and none of except.
func narrowed(queries []window.Query, matchers []*labels.Matcher, except [][]*labels.Matcher) []window.Query {
	result := slices.Clone(queries)
	for i := range result {
		result[i].Matchers = slices.Concat(result[i].Matchers, matchers)
		result[i].Except = slices.Clone(except)
	}
	return result
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

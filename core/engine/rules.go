package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// prepareRules loads the modules that rules name, each once, and binds every rule to what it reads.
func (e *Engine) prepareRules(ctx context.Context, s *setup) error {
	promql := query.New(query.Options{Lookback: s.config.Engine.Lookback})
	for _, r := range s.config.Rules {
		definition, err := e.define(ctx, s, r, promql)
		if err != nil {
			return fmt.Errorf("%s: rule %q: %w", r.Range, r.Name, err)
		}
		s.rules = append(s.rules, definition)
	}
	return e.prepareHeartbeats(s)
}

// define makes the rule manager's view of a configured rule: when it is due, what it is called, and its program.
func (e *Engine) define(ctx context.Context, s *setup, r config.Rule, promql *query.Engine) (rule.Definition, error) {
	d := rule.Definition{
		Name: r.Name, Alertname: r.Alertname(), Labels: r.Labels, Annotations: r.Annotations, ExternalURL: s.config.Engine.ExternalURL,
		For: r.For, KeepFiringFor: r.KeepFiringFor, Every: r.Every, OnMissing: r.OnMissing,
		Shadow: r.Mode == config.ModeShadow, Limit: r.Limit,
	}
	if watch := e.options.World.OnTemplate; watch != nil {
		d.OnTemplate = func(t *template.Template) { watch(r.Name, t) }
	}
	if r.PromQL != "" {
		err := e.defineExpression(ctx, s, &d, r, promql)
		return d, err
	}
	err := e.defineProgram(ctx, s, &d, r)
	return d, err
}

// prepareModule loads a module.
func (e *Engine) prepareModule(ctx context.Context, s *setup, name string) (*wasm.Module, error) {
	found := modules{blocks: s.config.Modules, dirs: s.config.Engine.ModuleDirs}
	part := modulePart(name)
	if loaded := s.named[part]; loaded != nil {
		return loaded.value.(*wasm.Module), nil
	}
	version, err := found.version(name)
	if err != nil {
		return nil, err
	}
	return obtain(s, part, version, func() (*wasm.Module, func(context.Context) error, error) {
		code, err := found.code(name)
		if err != nil {
			return nil, nil, err
		}
		granted := found.block(name)
		module, err := e.wasm.Load(ctx, name, code, wasm.Limits{Memory: granted.Memory, Fuel: granted.Fuel})
		if err != nil {
			return nil, nil, err
		}
		return module, module.Close, nil
	})
}

func modulePart(name string) string { return "module " + name }

// defineProgram has a rule judged by a module.
func (e *Engine) defineProgram(ctx context.Context, s *setup, d *rule.Definition, r config.Rule) error {
	module, err := e.prepareModule(ctx, s, r.Module)
	if err != nil {
		return err
	}
	own := overridesOf(r, s.config.Overrides)
	version := config.Version(s.named[modulePart(r.Module)].version, r.Module, r.Inputs, r.Params, own)
	d.Program, err = obtain(s, "rule "+r.Name, version, func() (rule.Program, func(context.Context) error, error) {
		queries, names, err := bind(r, module.Manifest())
		if err != nil {
			return nil, nil, err
		}
		p, err := e.programOf(ctx, r, own, module, queries, names)
		if err != nil {
			return nil, nil, err
		}
		return p, p.Close, nil
	})
	d.Severities = module.Manifest().Outputs.Severities
	d.Sources, d.Interval = sourcesOf(r.Selectors(), s.config.Sources)
	return err
}

// programOf makes the program of a rule: one, or one for each of its overrides and one for the rest.
func (e *Engine) programOf(ctx context.Context, r config.Rule, own []config.Override, module *wasm.Module, queries []window.Query, names []string) (_ rule.Program, err error) {
	all := &parts{}
	defer func() {
		if err != nil {
			err = errors.Join(err, all.Close(context.WithoutCancel(ctx)))
		}
	}()
	var except [][]*labels.Matcher
	for _, o := range own {
		params, err := merged(r.Params, o.Params)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Range, err)
		}
		name := nameOfOverride(o.Matchers)
		p, err := e.bindProgram(ctx, module, wasm.RuleOptions{ID: r.Name + " " + name, Params: params}, narrowed(queries, o.Matchers, except), names)
		if err != nil {
			return nil, fmt.Errorf("%s: override of the rule: %w", o.Range, err)
		}
		*all = append(*all, partOfRule{p, name})
		except = append(except, o.Matchers)
	}
	base, err := e.bindProgram(ctx, module, wasm.RuleOptions{ID: r.Name, Params: r.Params}, narrowed(queries, nil, except), names)
	if err != nil {
		return nil, err
	}
	if len(*all) == 0 {
		return base, nil
	}
	*all = append(*all, partOfRule{base, theRest})
	return all, nil
}

func (e *Engine) bindProgram(ctx context.Context, module *wasm.Module, options wasm.RuleOptions, queries []window.Query, names []string) (*program, error) {
	if module.Stateful() {
		options.State = e.states.of(options.ID)
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
	return p, nil
}

// remembering are the names under which the rules of a setup keep what they remember.
func (s *setup) remembering() map[string]bool {
	all := map[string]bool{}
	note := func(p *program) {
		if p.memory != nil {
			all[p.memory.name] = true
		}
	}
	for _, d := range s.rules {
		switch p := d.Program.(type) {
		case *program:
			note(p)
		case *parts:
			for _, part := range *p {
				note(part.program)
			}
		}
	}
	return all
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

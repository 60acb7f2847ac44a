package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// loader is one run of [Load]: what was read, what is known so far, and every complaint.
type loader struct {
	opts Options

	files  map[string]*file
	order  []string // of files, as read
	blocks map[string]hcl.Blocks

	syntax  hcl.Diagnostics // from guard and parser
	diags   hcl.Diagnostics // from everything after
	partial bool            // a file is broken: what seems to be missing may stand there

	values    map[string]cty.Value                    // the scope: var, local, notifier, module, schedule
	unset     map[string]bool                         // "var.x", "local.x": declared, but without a usable value
	functions map[string]map[string]function.Function // by directory, which file() is confined to
	declared  map[string]map[string]hcl.Range         // block type → name → where

	lookback time.Duration // of PromQL, as the engine block has it

	catalog Catalog
	modules map[string]moduleAnswer // answers of the catalog

	hidden     map[hcl.Range]bool // values that snippets must not show
	secrets    map[string]bool    // strings that nothing must show
	expansions map[string][]each  // "rule.cpu" → the copies that its for_each makes; absent without one

	digests map[string]string // address of a body → its settings, secrets hashed
	samples int               // of tests
}

func newLoader(opts Options) *loader {
	return &loader{
		opts:      opts,
		files:     map[string]*file{},
		blocks:    map[string]hcl.Blocks{},
		values:    map[string]cty.Value{},
		unset:     map[string]bool{},
		functions: map[string]map[string]function.Function{},
		declared:  map[string]map[string]hcl.Range{},
		modules:   map[string]moduleAnswer{},
		hidden:    map[hcl.Range]bool{},
		secrets:   map[string]bool{},
		digests:   map[string]string{},

		expansions: map[string][]each{},
	}
}

// load goes through the layers; each uses what those before it made known.
func (l *loader) load(paths []string) *Config {
	vars := l.readFiles(paths)
	if len(l.order) == 0 {
		return nil
	}
	l.splitBlocks()
	l.resolveVariables(vars)
	l.declareNames()
	locals := l.localValues()
	late := locals.resolveEarly()
	l.expand(late)
	l.values["notifier"] = l.notifierValues()
	locals.resolveAll()

	cfg := &Config{Engine: l.engine(), Plugins: l.plugins(), Modules: l.moduleBlocks()}
	l.lookback = cfg.Engine.Lookback
	if !l.askCatalog(cfg) {
		return nil
	}
	cfg.Web = l.web(cfg.Engine)
	cfg.Sources = l.sources()
	cfg.Notifiers = l.notifiers()
	cfg.Rules = l.rules(cfg.Sources)
	cfg.Route = l.route()
	cfg.Silences = l.silences()
	cfg.Inhibits = l.inhibits()
	cfg.Schedules = l.schedules()
	cfg.Heartbeats = l.heartbeats()
	cfg.Overrides = l.overrides(cfg.Rules)
	cfg.Secrets = l.knownSecrets()
	cfg.Hash = l.hash(cfg)
	return cfg
}

// rootSchema lists the blocks that may stand at the top of a file.
func rootSchema() *hcl.BodySchema {
	return &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "engine"},
		{Type: "web"},
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "locals"},
		{Type: "source", LabelNames: []string{"kind", "name"}},
		{Type: "rule", LabelNames: []string{"name"}},
		{Type: "notifier", LabelNames: []string{"kind", "name"}},
		{Type: "route"},
		{Type: "inhibit"},
		{Type: "schedule", LabelNames: []string{"name"}},
		{Type: "silence", LabelNames: []string{"name"}},
		{Type: "heartbeat", LabelNames: []string{"name"}},
		{Type: "module", LabelNames: []string{"name"}},
		{Type: "plugin", LabelNames: []string{"what", "name"}},
		{Type: "override", LabelNames: []string{"rule"}},
	}}
}

// splitBlocks sorts the blocks of all files by their type.
func (l *loader) splitBlocks() {
	for _, name := range l.order {
		f := l.files[name]
		if f.body == nil || strings.HasSuffix(name, varsSuffix) {
			continue
		}
		l.hideUnknownBlocks(f.body, nil, rootSchema().Blocks)
		content, diags := f.body.Content(rootSchema())
		l.report(diags...)
		for _, b := range content.Blocks {
			l.blocks[b.Type] = append(l.blocks[b.Type], b)
			if slices.Contains([]string{"source", "notifier", "variable", "web"}, b.Type) {
				l.hideBody(b.Body)
			}
		}
	}
}

// declareNames records what blocks can be referred to before any expression is evaluated, and finds duplicates.
func (l *loader) declareNames() {
	for _, b := range l.blocks["source"] {
		l.declareKind(b)
	}
	for _, b := range l.blocks["notifier"] {
		l.declareKind(b)
	}
	for _, blockType := range []string{"module", "schedule"} {
		names := map[string]cty.Value{}
		for _, b := range l.blocks[blockType] {
			if !l.declare(blockType, b.Labels[0], b, identifier) {
				continue
			}
			names[b.Labels[0]] = cty.StringVal(b.Labels[0])
			if blockType == "schedule" {
				names[b.Labels[0]] = cty.StringVal("schedule." + b.Labels[0])
			}
		}
		l.values[blockType] = cty.ObjectVal(names)
	}
	for _, blockType := range []string{"rule", "silence", "heartbeat"} {
		for _, b := range l.blocks[blockType] {
			l.declare(blockType, b.Labels[0], b, title)
		}
	}
	for _, b := range l.blocks["plugin"] {
		l.declare("plugin", b.Labels[0]+"."+b.Labels[1], b, nil)
	}
}

func (l *loader) declareKind(b *hcl.Block) bool {
	if !l.checkName(b.Type, b.Labels[0], b.LabelRanges[0], identifier) {
		return false
	}
	if !l.checkName(b.Type, b.Labels[1], b.LabelRanges[1], identifier) {
		return false
	}
	return l.declare(b.Type, b.Labels[0]+"."+b.Labels[1], b, nil)
}

// declare records a block under its name. It reports false for a bad name and for the second block of one name.
func (l *loader) declare(blockType, name string, b *hcl.Block, valid func(string) string) bool {
	if valid != nil && !l.checkName(blockType, name, b.LabelRanges[0], valid) {
		return false
	}
	names := l.declared[blockType]
	if names == nil {
		names = map[string]hcl.Range{}
		l.declared[blockType] = names
	}
	if first, taken := names[name]; taken {
		l.errorf(headerRange(b), "Duplicate "+blockType, "%s is already defined at %s:%d. Names must be unique: rename one of them.", describe(b), first.Filename, first.Start.Line)
		return false
	}
	names[name] = headerRange(b)
	return true
}

func (l *loader) checkName(blockType, name string, at hcl.Range, valid func(string) string) bool {
	if wrong := valid(name); wrong != "" {
		l.errorf(at, "Invalid name", "%q cannot name a %s: %s.", name, blockType, wrong)
		return false
	}
	return true
}

// names lists what was declared of a block type, sorted.
func (l *loader) names(blockType string) []string {
	return slices.Sorted(maps.Keys(l.declared[blockType]))
}

// isFirst tells whether the block is the one that its name was declared for: duplicates are reported once and not decoded.
func (l *loader) isFirst(b *hcl.Block, name string) bool {
	at, ok := l.declared[b.Type][name]
	return ok && at == headerRange(b)
}

// askCatalog makes the catalog from what the blocks before it say. It reports false if there can be no catalog.
func (l *loader) askCatalog(cfg *Config) bool {
	if l.opts.Catalog == nil {
		return true
	}
	catalog, err := l.opts.Catalog(cfg.Engine, cfg.Plugins, cfg.Modules)
	if err != nil {
		l.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Cannot find out which plugins and modules there are", Detail: sentence(err.Error())})
		return false
	}
	l.catalog = catalog
	return true
}

// headerRange is the place of a block's type and labels. (In JSON a block's own range points at its brace.)
func headerRange(b *hcl.Block) hcl.Range {
	if len(b.LabelRanges) > 0 && b.DefRange.Start.Byte > b.TypeRange.Start.Byte {
		return b.LabelRanges[len(b.LabelRanges)-1]
	}
	return b.DefRange
}

// describe names a block as it is written: rule "HighAPIErrorRate".
func describe(b *hcl.Block) string {
	var text strings.Builder
	text.WriteString(b.Type)
	for _, label := range b.Labels {
		fmt.Fprintf(&text, " %q", label)
	}
	return text.String()
}

// rangeOf turns a range of the parser into one of this package.
func rangeOf(r hcl.Range) Range {
	return Range{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column}
}

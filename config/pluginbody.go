package config

import (
	"errors"

	"github.com/hashicorp/hcl/v2"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// openPlugin decodes a source or notifier block: the core's attributes and blocks are left to the caller, the plugin's
// are decoded against its schema.
func (l *loader) openPlugin(block *hcl.Block, copied each, what string, core []string, blocks ...hcl.BlockHeaderSchema) (body, settings) {
	plugin, known := l.pluginSchema(block, what)
	if !known {
		// Nobody knows which attributes are secrets: show none, and check only what is ours.
		content, _, diags := block.Body.PartialContent(bodySchema(core, blocks))
		l.report(diags...)
		for _, attr := range content.Attributes {
			l.show(attr.Expr)
		}
		return body{l: l, block: block, content: content}, settings{json: emptySettings}
	}
	plugin = without(plugin, core)
	content := l.schemaContent(block, plugin, core, blocks...)
	b := body{l: l, block: block, content: content}
	return b, l.decode(b, plugin, block.Type+"."+copied.name)
}

// pluginSchema asks the catalog. Without a catalog nothing is known, and nothing is wrong.
func (l *loader) pluginSchema(block *hcl.Block, what string) (schema.Block, bool) {
	if l.catalog == nil {
		return schema.Block{}, false
	}
	ask := l.catalog.Source
	if what == "notifier" {
		ask = l.catalog.Notifier
	}
	kind := block.Labels[0]
	plugin, err := ask(kind)
	switch {
	case errors.Is(err, ErrUnknown):
		l.errorf(block.LabelRanges[0], "Unknown "+what+" kind", "There is no %s plugin %q: it is not built in, and no plugin_dir has a file tocsin-%s-%s.%s",
			what, kind, what, kind, didYouMean(kind, l.catalog.Kinds(what)))
	case err != nil:
		l.errorf(block.LabelRanges[0], "Cannot load plugin", "The configuration of %s plugin %q cannot be checked: %s", what, kind, sentence(err.Error()))
	}
	return plugin, err == nil
}

// without is a schema less the attributes that the core takes for itself.
func without(b schema.Block, core []string) schema.Block {
	taken := map[string]bool{}
	for _, name := range core {
		taken[name] = true
	}
	var attrs []schema.Attribute
	for _, a := range b.Attributes {
		if !taken[a.Name] {
			attrs = append(attrs, a)
		}
	}
	return schema.Block{Attributes: attrs, Blocks: b.Blocks}
}

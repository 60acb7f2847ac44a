package config

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// settings is a body that was decoded against a schema.
type settings struct {
	json    json.RawMessage
	secrets []string
}

// secretValue is a decoded value that must not be shown.
type secretValue struct{ value any }

// schemaContent reads a body that has the core's attributes and the schema's, and hides what must not be shown.
func (l *loader) schemaContent(block *hcl.Block, s schema.Block, core []string, coreBlocks ...hcl.BlockHeaderSchema) *hcl.BodyContent {
	names := slices.Clone(core)
	for _, a := range s.Attributes {
		names = append(names, a.Name)
	}
	nested := slices.Clone(coreBlocks)
	for _, b := range s.Blocks {
		nested = append(nested, hcl.BlockHeaderSchema{Type: b.Name})
	}
	l.hideBody(block.Body)
	l.showPlain(block.Body, s, core, nested)
	full := bodySchema(names, nested)
	dynamic, _, _ := block.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "dynamic", LabelNames: []string{"block"}}}})
	for _, b := range dynamic.Blocks {
		l.unsupported("dynamic", b.TypeRange)
	}
	if len(dynamic.Blocks) > 0 {
		full.Blocks = append(full.Blocks, hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"block"}})
	}
	content, diags := block.Body.Content(full)
	l.report(withNames(diags, names, nested)...)
	return content
}

// showPlain lets snippets show the values in a body that are no secrets.
func (l *loader) showPlain(body hcl.Body, s schema.Block, core []string, nested []hcl.BlockHeaderSchema) {
	names := slices.Clone(core)
	plain := map[string]bool{}
	for _, name := range core {
		plain[name] = true
	}
	for _, a := range s.Attributes {
		names = append(names, a.Name)
		plain[a.Name] = !a.Sensitive
	}
	anySecret := slices.ContainsFunc(s.Attributes, func(a schema.Attribute) bool { return a.Sensitive })
	attrs, _ := body.JustAttributes()
	_, native := body.(*hclsyntax.Body)
	for name, attr := range attrs {
		_, known := plain[name]
		inner := !native && slices.ContainsFunc(nested, func(b hcl.BlockHeaderSchema) bool { return b.Type == name })
		if plain[name] || inner || !known && native && (!anySecret || plain[Nearest(name, names)]) {
			l.show(attr.Expr)
		}
	}
	if native {
		return
	}
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: nested})
	for _, b := range content.Blocks {
		l.hideBody(b.Body)
	}
}

// decode decodes the schema's part of a body. address names the body in digests.
func (l *loader) decode(b body, s schema.Block, address string) settings {
	tree := l.decodeTree(b, s, true)
	l.digests[address] = digest(tree, address)
	return settings{json: encode(tree, func(v secretValue) any { return v.value }), secrets: secretStrings(tree)}
}

// decodeTree decodes attributes and nested blocks. Unless complete is set, what is required may be absent.
func (l *loader) decodeTree(b body, s schema.Block, complete bool) map[string]any {
	tree := map[string]any{}
	for _, a := range s.Attributes {
		attr := b.content.Attributes[a.Name]
		if attr == nil {
			if a.Required && complete {
				l.errorf(headerRange(b.block), "Missing argument", "%s needs %q%s", describe(b.block), a.Name, purpose(a.Description))
			}
			continue
		}
		if a.Deprecated != "" {
			l.warnf(attr.NameRange, "Deprecated argument", "%s is deprecated: %s", a.Name, sentence(a.Deprecated))
		}
		value, ok := l.attribute(a, attr.Expr)
		if ok {
			tree[a.Name] = value
		}
	}
	for _, n := range s.Blocks {
		l.nested(b, n, complete, tree)
	}
	return tree
}

func purpose(description string) string {
	if description == "" {
		return "."
	}
	return ": " + sentence(description)
}

func (l *loader) nested(outer body, n schema.NestedBlock, complete bool, tree map[string]any) {
	var blocks hcl.Blocks
	for _, b := range outer.content.Blocks {
		if b.Type == n.Name {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		if n.Required && complete {
			l.errorf(headerRange(outer.block), "Missing block", "%s needs a block %q.", describe(outer.block), n.Name)
		}
		return
	}
	if !n.Repeated {
		l.onlyOne(blocks, "It may stand once.")
		blocks = blocks[:1]
	}
	var all []any
	for _, b := range blocks {
		inner := body{l: l, block: b, content: l.schemaContent(b, n.Block, nil)}
		all = append(all, l.decodeTree(inner, n.Block, complete))
	}
	if n.Repeated {
		tree[n.Name] = all
		return
	}
	tree[n.Name] = all[0]
}

// encode writes a tree as JSON, keys sorted. reveal says what to write for a secret.
func encode(tree map[string]any, reveal func(secretValue) any) json.RawMessage {
	data, err := json.Marshal(revealed(tree, reveal))
	if err != nil { // trees hold nothing that JSON cannot
		panic(fmt.Sprintf("config: encode settings: %v", err))
	}
	return data
}

func revealed(v any, reveal func(secretValue) any) any {
	switch v := v.(type) {
	case secretValue:
		return reveal(v)
	case map[string]any:
		result := map[string]any{}
		for key, e := range v {
			result[key] = revealed(e, reveal)
		}
		return result
	case []any:
		result := make([]any, len(v))
		for i, e := range v {
			result[i] = revealed(e, reveal)
		}
		return result
	}
	return v
}

// digest identifies a tree. Secrets enter as a hash keyed with their place, so that equal ones in two places do not show.
func digest(tree map[string]any, address string) string {
	text := encode(tree, func(v secretValue) any {
		data, _ := json.Marshal(v.value)
		mac := hmac.New(sha256.New, []byte("tocsin configuration: "+address))
		mac.Write(data)
		return map[string]any{"sha256": hex.EncodeToString(mac.Sum(nil))}
	})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// secretStrings lists the strings under secret values, sorted.
func secretStrings(v any) []string {
	var found []string
	var walk func(v any, secret bool)
	walk = func(v any, secret bool) {
		switch v := v.(type) {
		case secretValue:
			walk(v.value, true)
		case string:
			if secret && v != "" {
				found = append(found, v)
			}
		case []any:
			for _, e := range v {
				walk(e, secret)
			}
		case map[string]any:
			for _, e := range v {
				walk(e, secret)
			}
		}
	}
	walk(v, false)
	slices.Sort(found)
	return slices.Compact(found)
}

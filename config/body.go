package config

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// body is the content of a block on its way to typed values. Its getters complain where a value is wrong and then
// return the fallback, so that decoding goes on and finds the rest.
type body struct {
	l       *loader
	block   *hcl.Block
	content *hcl.BodyContent
}

// open checks a block's body for unknown attributes and blocks.
func (l *loader) open(b *hcl.Block, attrs []string, blocks ...hcl.BlockHeaderSchema) body {
	l.hideUnknownBlocks(b.Body, attrs, blocks)
	content, diags := b.Body.Content(bodySchema(attrs, blocks))
	l.report(withNames(diags, attrs, blocks)...)
	return body{l: l, block: b, content: content}
}

// withNames adds to complaints about unknown arguments what could be meant, where the library has no suggestion.
func withNames(diags hcl.Diagnostics, attrs []string, blocks []hcl.BlockHeaderSchema) hcl.Diagnostics {
	names := slices.Clone(attrs)
	for _, b := range blocks {
		names = append(names, b.Type)
	}
	slices.Sort(names)
	for _, d := range diags {
		unknown := d.Summary == "Unsupported argument" || d.Summary == "Unsupported block type" || d.Summary == "Extraneous JSON object property"
		if unknown && !strings.Contains(d.Detail, "Did you mean") && len(names) > 0 && len(names) <= 12 {
			d.Detail += " There is " + quoted(names, "and") + "."
		}
	}
	return diags
}

func bodySchema(attrs []string, blocks []hcl.BlockHeaderSchema) *hcl.BodySchema {
	s := &hcl.BodySchema{Blocks: blocks}
	for _, name := range attrs {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: name})
	}
	return s
}

// has tells whether an attribute stands there.
func (b body) has(name string) bool { return b.content.Attributes[name] != nil }

// at is the place of an attribute's value, or of the block's header where it is absent.
func (b body) at(name string) hcl.Range {
	if attr := b.content.Attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	return headerRange(b.block)
}

// nameAt is the place of an attribute's name.
func (b body) nameAt(name string) hcl.Range { return b.content.Attributes[name].NameRange }

// require complains if an attribute is absent. why says what it is for.
func (b body) require(name, why string) bool {
	if b.has(name) {
		return true
	}
	b.l.errorf(headerRange(b.block), "Missing argument", "%s needs %q: %s", describe(b.block), name, why)
	return false
}

// value evaluates an attribute. It reports false where the attribute is absent, null or wrong.
func (b body) value(name string, want cty.Type) (cty.Value, bool) {
	attr := b.content.Attributes[name]
	if attr == nil {
		return cty.NilVal, false
	}
	return b.l.valueOf(attr.Expr, want, name)
}

// valueOf evaluates an expression to an unmarked value of a type, not null. what names it in the complaint.
func (l *loader) valueOf(expr hcl.Expression, want cty.Type, what string) (cty.Value, bool) {
	v, ok := l.eval(expr)
	if !ok {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	if v.IsNull() {
		return cty.NilVal, false
	}
	converted, err := convert.Convert(v, want)
	if err != nil || !converted.IsWhollyKnown() {
		l.errorf(expr.Range(), "Wrong type", "%s must be %s, not %s.", what, typeName(want), kindOf(v))
		return cty.NilVal, false
	}
	return converted, true
}

// text is a string attribute.
func (b body) text(name, fallback string) string {
	if v, ok := b.value(name, cty.String); ok {
		return v.AsString()
	}
	return fallback
}

// boolean is an attribute that is true or false.
func (b body) boolean(name string, fallback bool) bool {
	if v, ok := b.value(name, cty.Bool); ok {
		return v.True()
	}
	return fallback
}

// integer is a whole number within bounds.
func (b body) integer(name string, fallback, least, most int64) int64 {
	v, ok := b.value(name, cty.Number)
	if !ok {
		return fallback
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != 0 || n < least || n > most {
		b.l.errorf(b.at(name), "Value out of range", "%s must be a whole number from %d to %d.", name, least, most)
		return fallback
	}
	return n
}

// duration is a duration attribute of at least least.
func (b body) duration(name string, fallback, least time.Duration) time.Duration {
	attr := b.content.Attributes[name]
	if attr == nil {
		return fallback
	}
	v, ok := b.l.eval(attr.Expr)
	if !ok || v.IsNull() {
		return fallback
	}
	secret := isSensitive(v)
	v, _ = v.UnmarkDeep()
	d, wrong := durationOf(v, secret)
	if wrong == "" && d < least {
		wrong = "it is " + formatDuration(d) + ", the least is " + formatDuration(least)
		if secret {
			wrong = "the least is " + formatDuration(least)
		}
	}
	if wrong != "" {
		b.l.errorf(attr.Expr.Range(), "Invalid duration", "%s: %s.", name, wrong)
		return fallback
	}
	return d
}

// durationOf reads a duration; wrong says why it is none.
func durationOf(v cty.Value, secret bool) (d time.Duration, wrong string) {
	switch {
	case v.Type() == cty.Number:
		text := v.AsBigFloat().Text('g', 10)
		return 0, "a number has no unit; write \"" + text + "s\" for seconds"
	case v.Type() != cty.String:
		return 0, "a duration such as \"5m\" is required, not " + kindOf(v)
	}
	d, err := parseDuration(v.AsString())
	switch {
	case err != nil && secret:
		return 0, "the value is not a duration such as \"5m\""
	case err != nil:
		return 0, err.Error()
	}
	return d, ""
}

// formatDuration writes a duration without the zeros that Go adds: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// item is one element of a list, or one entry of a map, with its place.
type item struct {
	key    string // of a map
	text   string
	expr   hcl.Expression // of the element if it stands in the source, else of the whole attribute
	secret bool
}

// list is an attribute that is a list of strings.
func (b body) list(name string) (items []item, ok bool) { return b.listOf(name, "strings") }

// listOf is a list of strings that stand for something, which complaints name.
func (b body) listOf(name, what string) (items []item, ok bool) {
	attr := b.content.Attributes[name]
	if attr == nil {
		return nil, false
	}
	v, ok := b.l.eval(attr.Expr)
	if !ok || v.IsNull() {
		return nil, false
	}
	secret := isSensitive(v)
	v, _ = v.UnmarkDeep()
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		b.l.errorf(attr.Expr.Range(), "Wrong type", "%s must be a list of %s, not %s.%s", name, what, kindOf(v), bracketHint(v))
		return nil, false
	}
	parts, _ := hcl.ExprList(attr.Expr)
	items = []item{}
	for it, i := v.ElementIterator(), 0; it.Next(); i++ {
		_, e := it.Element()
		entry := item{expr: attr.Expr, secret: secret}
		if len(parts) == v.LengthInt() {
			entry.expr = parts[i]
		}
		text, err := convert.Convert(e, cty.String)
		if err != nil || text.IsNull() {
			b.l.errorf(entry.expr.Range(), "Wrong type", "%s must be a list of %s, this element is %s.%s", name, what, kindOf(e), b.l.expandedHint(entry.expr))
			ok = false
			continue
		}
		entry.text = text.AsString()
		items = append(items, entry)
	}
	return items, ok
}

func bracketHint(v cty.Value) string {
	if v.Type() == cty.String {
		return " Put it in brackets: [ … ]."
	}
	return ""
}

// table is an attribute that is a map of strings, its entries in the order of their keys.
func (b body) table(name string) []item {
	attr := b.content.Attributes[name]
	if attr == nil {
		return nil
	}
	v, ok := b.l.eval(attr.Expr)
	if !ok || v.IsNull() {
		return nil
	}
	secret := isSensitive(v)
	v, _ = v.UnmarkDeep()
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		b.l.errorf(attr.Expr.Range(), "Wrong type", "%s must be an object such as { team = \"core\" }, not %s.", name, kindOf(v))
		return nil
	}
	places := map[string]hcl.Expression{}
	pairs, _ := hcl.ExprMap(attr.Expr)
	for _, p := range pairs {
		if key, diags := evaluate(p.Key, &hcl.EvalContext{Variables: b.l.values}); !diags.HasErrors() && key.Type() == cty.String && key.IsKnown() && !key.IsNull() {
			key, _ = key.Unmark()
			places[key.AsString()] = p.Value
		}
	}
	items := []item{}
	for it := v.ElementIterator(); it.Next(); {
		key, e := it.Element()
		entry := item{key: key.AsString(), expr: attr.Expr, secret: secret}
		if place := places[entry.key]; place != nil {
			entry.expr = place
		}
		text, err := convert.Convert(e, cty.String)
		if err != nil || text.IsNull() {
			b.l.errorf(entry.expr.Range(), "Wrong type", "%s.%s must be a string, not %s.", name, entry.key, kindOf(e))
			continue
		}
		entry.text = text.AsString()
		items = append(items, entry)
	}
	return items
}

// texts are the strings of items.
func texts(items []item) []string {
	var all []string
	for _, i := range items {
		all = append(all, i.text)
	}
	return all
}

// within is the place of value[start:end] in the source, if the expression is that string as it is; else of the expression.
func (l *loader) within(expr hcl.Expression, value string, start, end int) hcl.Range {
	whole := expr.Range()
	src := l.textOf(whole)
	start, end = max(0, min(start, len(value))), max(0, min(end, len(value)))
	if start >= end { // mark at least one character, if there is one
		switch {
		case start < len(value):
			_, size := utf8.DecodeRuneInString(value[start:])
			end = start + size
		default:
			_, size := utf8.DecodeLastRuneInString(value)
			start, end = len(value)-size, len(value)
		}
	}
	from, found := sourceOffset(src, value, start)
	to, foundEnd := sourceOffset(src, value, end)
	if !found || !foundEnd {
		return whole
	}
	return rangeAt(l.files[whole.Filename].src, whole.Filename, whole.Start.Byte+from, whole.Start.Byte+to)
}

// sourceOffset finds a byte of a string in its source: where the string stands there as it is, once, or in a heredoc,
// line by line without what it is indented by.
func sourceOffset(src []byte, value string, at int) (int, bool) {
	if value == "" {
		return 0, false
	}
	if n := bytes.Index(src, []byte(value)); n >= 0 {
		return n + at, bytes.Count(src, []byte(value)) == 1
	}
	before := strings.Count(value[:at], "\n")
	lines := bytes.SplitAfter(src, []byte{'\n'})
	if !bytes.HasPrefix(src, []byte("<<-")) || before+1 >= len(lines) {
		return 0, false
	}
	line := strings.Split(value, "\n")[before]
	column := at - (strings.LastIndexByte(value[:at], '\n') + 1)
	written := bytes.TrimRight(lines[before+1], "\r\n")
	if !bytes.HasSuffix(written, []byte(line)) {
		return 0, false // a template in it
	}
	return len(bytes.Join(lines[:before+1], nil)) + len(written) - len(line) + column, true
}

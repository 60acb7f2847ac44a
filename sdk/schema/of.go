package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NameTag is the struct tag that names an attribute or a block in [Of] and [Decode].
const NameTag = "config"

// Of derives a block from a struct (or a pointer to one) and its tags.
//
// A field with a `config:"name"` tag is an attribute; a struct (or pointer to one) is a block that may stand once, a
// slice of structs one that may stand often. Fields without the tag are not configuration; the fields of an embedded
// struct count as the outer struct's own. Field types are bool, integers, floats, strings, [time.Duration], and
// slices and string-keyed maps of these; a pointer to a scalar tells "absent" from zero.
//
// Other tags, all optional:
//
//	required:"true"             the attribute must be set, the block must stand at least once
//	default:"30s"               of a list or map: JSON
//	sensitive:"true"            never printed
//	min:"1" max:"10"            of numbers; of durations: "1s"
//	pattern:"^[a-z]+$"          RE2
//	enum:"low,high"             the strings allowed
//	format:"url"                see [Format]
//	deprecated:"use url"        what to use instead
//	doc:"Key of the service."   for people
//
// An error means a mistake in the struct.
func Of(v any) (Block, error) { return OfTag(v, NameTag) }

// MustOf is [Of] for a struct that is known when the program is written. It panics on a mistake in it.
func MustOf(v any) Block {
	block, err := Of(v)
	if err != nil {
		panic(err)
	}
	return block
}

// OfTag is [Of] with another tag for names.
func OfTag(v any, tag string) (Block, error) {
	t := reflect.TypeOf(v)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return Block{}, fmt.Errorf("schema of %T: only a struct has one", v)
	}
	block, err := blockOf(t, tag, nil)
	if err != nil {
		return Block{}, fmt.Errorf("schema of %s: %w", t, err)
	}
	return block, nil
}

// blockOf derives the block of struct type t; outer are the struct types around it.
func blockOf(t reflect.Type, tag string, outer []reflect.Type) (Block, error) {
	if slices.Contains(outer, t) {
		return Block{}, fmt.Errorf("%s contains itself", t)
	}
	outer = append(slices.Clone(outer), t)
	var block Block
	seen := map[string]bool{}
	for _, f := range fieldsOf(t, tag) {
		if err := checkName(f.name, seen); err != nil {
			return Block{}, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if !f.IsExported() {
			return Block{}, fmt.Errorf("field %s: has the tag %s:%q but is not exported", f.Name, tag, f.name)
		}
		if inner, repeated, ok := structOf(f.Type); ok {
			nested, err := blockOf(inner, tag, outer)
			if err != nil {
				return Block{}, fmt.Errorf("field %s: %w", f.Name, err)
			}
			required, err := boolTag(f.Tag, "required")
			if err != nil {
				return Block{}, fmt.Errorf("field %s: %w", f.Name, err)
			}
			block.Blocks = append(block.Blocks, NestedBlock{Name: f.name, Block: nested, Repeated: repeated, Required: required})
			continue
		}
		attr, err := attributeOf(f)
		if err != nil {
			return Block{}, fmt.Errorf("field %s: %w", f.Name, err)
		}
		block.Attributes = append(block.Attributes, attr)
	}
	return block, nil
}

// field is a struct field that is configuration.
type field struct {
	reflect.StructField
	name string
}

// fieldsOf lists the fields of t that carry the tag, those of embedded structs in their place. The index of each
// leads there from t.
func fieldsOf(t reflect.Type, tag string) []field {
	var fields []field
	for f := range t.Fields() {
		name, ok := f.Tag.Lookup(tag)
		switch {
		case ok && name != "-":
			fields = append(fields, field{StructField: f, name: name})
		case !ok && f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type, tag) {
				inner.Index = append(slices.Clone(f.Index), inner.Index...)
				fields = append(fields, inner)
			}
		}
	}
	return fields
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func checkName(name string, seen map[string]bool) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("name %q: names are lower case letters, digits and _, a letter first", name)
	}
	if seen[name] {
		return fmt.Errorf("name %q is taken by another field", name)
	}
	seen[name] = true
	return nil
}

// structOf tells which struct a block field holds.
func structOf(t reflect.Type) (inner reflect.Type, repeated, ok bool) {
	if t.Kind() == reflect.Slice {
		t, repeated = t.Elem(), true
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, repeated, t.Kind() == reflect.Struct
}

var durationType = reflect.TypeFor[time.Duration]()

// scalarOf maps a Go type to a scalar type, "" where there is none.
func scalarOf(t reflect.Type) Type {
	if t == durationType {
		return Duration
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Int
	case reflect.Float32, reflect.Float64:
		return Float
	case reflect.String:
		return String
	default:
		return ""
	}
}

// typeOf maps a Go type to an attribute type and its element type (itself for scalars).
func typeOf(t reflect.Type) (whole, element Type, err error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s := scalarOf(t); s != "" {
		return s, s, nil
	}
	switch t.Kind() {
	case reflect.Slice:
		if e := scalarOf(t.Elem()); e != "" {
			return List(e), e, nil
		}
	case reflect.Map:
		if e := scalarOf(t.Elem()); e != "" && t.Key().Kind() == reflect.String {
			return Map(e), e, nil
		}
	}
	return "", "", fmt.Errorf("an attribute cannot be a %s", t)
}

func attributeOf(f field) (Attribute, error) {
	whole, element, err := typeOf(f.Type)
	if err != nil {
		return Attribute{}, err
	}
	a := Attribute{
		Name: f.name, Type: whole, Pattern: f.Tag.Get("pattern"), Format: Format(f.Tag.Get("format")),
		Deprecated: f.Tag.Get("deprecated"), Description: f.Tag.Get("doc"),
	}
	if a.Required, err = boolTag(f.Tag, "required"); err != nil {
		return Attribute{}, err
	}
	if a.Sensitive, err = boolTag(f.Tag, "sensitive"); err != nil {
		return Attribute{}, err
	}
	if a.Min, err = boundTag(f.Tag, "min", element); err != nil {
		return Attribute{}, err
	}
	if a.Max, err = boundTag(f.Tag, "max", element); err != nil {
		return Attribute{}, err
	}
	if enum, ok := f.Tag.Lookup("enum"); ok {
		a.Enum = strings.Split(enum, ",")
	}
	if err := checkStringTags(a, element); err != nil {
		return Attribute{}, err
	}
	return a, setDefault(&a, f)
}

// checkStringTags checks the tags that only strings have.
func checkStringTags(a Attribute, element Type) error {
	if element != String && (a.Pattern != "" || a.Enum != nil || a.Format != "") {
		return fmt.Errorf("pattern, enum and format are for strings, this is a %s", a.Type)
	}
	if _, err := regexp.Compile(a.Pattern); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	if !slices.Contains([]Format{"", FormatMatcher, FormatURL, FormatTemplate}, a.Format) {
		return fmt.Errorf("format %q is not known", a.Format)
	}
	return nil
}

// setDefault fills in the default, which must be a value that the attribute itself would take.
func setDefault(a *Attribute, f field) error {
	text, ok := f.Tag.Lookup("default")
	if !ok {
		return nil
	}
	if a.Required {
		return fmt.Errorf("a required attribute has no default")
	}
	var err error
	if a.Default, err = parseDefault(a.Type, text); err != nil {
		return fmt.Errorf("default %q is no %s: %w", text, a.Type, err)
	}
	data, err := json.Marshal(a.Default)
	if err != nil {
		return fmt.Errorf("default %q: %w", text, err)
	}
	var d decoder
	d.value(data, reflect.New(f.Type).Elem(), nil)
	if len(d.diags) > 0 {
		return fmt.Errorf("default %q: %w", text, d.diags)
	}
	for _, s := range elements(a.Default) {
		if a.Enum != nil && !slices.Contains(a.Enum, s) {
			return fmt.Errorf("default %q: not one of %s", text, strings.Join(a.Enum, ", "))
		}
		if a.Pattern != "" && !regexp.MustCompile(a.Pattern).MatchString(s) {
			return fmt.Errorf("default %q does not match %s", text, a.Pattern)
		}
	}
	return nil
}

// parseDefault turns the text of a default tag into what encoding/json would have decoded.
func parseDefault(t Type, text string) (any, error) {
	switch t {
	case String:
		return text, nil
	case Duration:
		_, err := time.ParseDuration(text)
		return text, err
	}
	var v any
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// elements lists the strings in a decoded value.
func elements(v any) []string {
	var found []string
	switch v := v.(type) {
	case string:
		found = append(found, v)
	case []any:
		for _, e := range v {
			found = append(found, elements(e)...)
		}
	case map[string]any:
		for _, e := range v {
			found = append(found, elements(e)...)
		}
	}
	return found
}

func boolTag(tag reflect.StructTag, name string) (bool, error) {
	text, ok := tag.Lookup(name)
	if !ok {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%s:%q: write true or leave it out", name, text)
	}
	return b, nil
}

// boundTag reads min or max; of durations it is in seconds.
func boundTag(tag reflect.StructTag, name string, element Type) (*float64, error) {
	text, ok := tag.Lookup(name)
	if !ok {
		return nil, nil
	}
	var bound float64
	var err error
	switch element {
	case Int, Float:
		bound, err = strconv.ParseFloat(text, 64)
	case Duration:
		var d time.Duration
		d, err = time.ParseDuration(text)
		bound = d.Seconds()
	default:
		err = fmt.Errorf("a %s has no bounds", element)
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%q: %w", name, text, err)
	}
	return &bound, nil
}

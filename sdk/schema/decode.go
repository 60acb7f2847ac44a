package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"
)

// Decode fills the struct that into points to, one that [Of] accepts, from a JSON object. Absent attributes (and
// null ones) get their default, or zero; so a second Decode into the same struct leaves nothing of the first.
// A block that is absent has the defaults of its attributes, unless it is a pointer: that is nil.
//
// The error is a [Diagnostics] where the values are to blame: a required attribute is absent, a name is not known,
// a value has the wrong type. It never quotes values. Bounds, patterns and formats are not checked here, the engine
// did that while it knew the line.
func Decode(data []byte, into any) error { return DecodeTag(data, into, NameTag) }

// DecodeTag is [Decode] with another tag for names.
func DecodeTag(data []byte, into any, tag string) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode configuration: into is a %T, must be a pointer to a struct", into)
	}
	if _, err := OfTag(into, tag); err != nil { // a mistake of the author, not of the user
		return fmt.Errorf("decode configuration: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte("{}")
	}
	d := decoder{tag: tag}
	d.block(data, v.Elem(), nil)
	if len(d.diags) > 0 {
		return d.diags
	}
	return nil
}

// decoder fills values and collects complaints.
type decoder struct {
	tag   string
	diags Diagnostics
}

func (d *decoder) complain(path []string, format string, args ...any) {
	d.diags = append(d.diags, Diagnostic{Path: slices.Clone(path), Summary: fmt.Sprintf(format, args...)})
}

// block fills struct v from the object in data.
func (d *decoder) block(data []byte, v reflect.Value, path []string) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		d.complain(path, "must be a JSON object")
		return
	}
	for _, f := range fieldsOf(v.Type(), d.tag) {
		d.field(object[f.name], v.FieldByIndex(f.Index), f, append(slices.Clip(path), f.name))
		delete(object, f.name)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		d.complain(append(slices.Clip(path), name), "is not known here")
	}
}

// field fills one attribute or block from data, which is nil where it is absent.
func (d *decoder) field(data json.RawMessage, v reflect.Value, f field, path []string) {
	v.SetZero()
	absent := len(data) == 0 || string(data) == "null"
	required, _ := boolTag(f.Tag, "required")
	if absent && required {
		d.complain(path, "is required")
		return
	}
	if _, repeated, ok := structOf(f.Type); ok {
		d.nested(data, v, absent, repeated, required, path)
		return
	}
	if absent {
		text, ok := f.Tag.Lookup("default")
		if !ok {
			return
		}
		whole, _, err := typeOf(f.Type)
		if err != nil {
			d.complain(path, "%v", err)
			return
		}
		value, err := parseDefault(whole, text)
		if err == nil {
			data, err = json.Marshal(value)
		}
		if err != nil {
			d.complain(path, "has a wrong default: %v", err)
			return
		}
	}
	d.value(data, v, path)
}

// nested fills a block or a list of blocks.
func (d *decoder) nested(data json.RawMessage, v reflect.Value, absent, repeated, required bool, path []string) {
	switch {
	case absent && !repeated && v.Kind() == reflect.Struct:
		inner := decoder{tag: d.tag} // what the absent block would require is not missed
		inner.block([]byte("{}"), v, path)
	case absent:
	case repeated:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			d.complain(path, "must be a list of blocks")
			return
		}
		if required && len(items) == 0 {
			d.complain(path, "is required")
		}
		list := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			d.block(item, settled(list.Index(i)), append(slices.Clip(path), fmt.Sprint(i)))
		}
		v.Set(list)
	default:
		d.block(data, settled(v), path)
	}
}

// settled returns what v points to, made where it is nil; v itself where it is no pointer.
func settled(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	v.Set(reflect.New(v.Type().Elem()))
	return v.Elem()
}

// value fills an attribute.
func (d *decoder) value(data json.RawMessage, v reflect.Value, path []string) {
	v = settled(v)
	if scalarOf(v.Type()) != "" {
		d.scalar(data, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			d.complain(path, "must be a list")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			d.scalar(item, list.Index(i), append(slices.Clip(path), fmt.Sprint(i)))
		}
		v.Set(list)
	case reflect.Map:
		var items map[string]json.RawMessage
		if err := json.Unmarshal(data, &items); err != nil {
			d.complain(path, "must be a map")
			return
		}
		m := reflect.MakeMapWithSize(v.Type(), len(items))
		for _, key := range slices.Sorted(maps.Keys(items)) {
			element := reflect.New(v.Type().Elem()).Elem()
			d.scalar(items[key], element, append(slices.Clip(path), key))
			m.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), element)
		}
		v.Set(m)
	}
}

// scalar fills one value that is no list and no map.
func (d *decoder) scalar(data json.RawMessage, v reflect.Value, path []string) {
	switch t := scalarOf(v.Type()); t {
	case Duration:
		var text string
		if json.Unmarshal(data, &text) != nil {
			d.complain(path, "must be a duration such as \"1m30s\"")
			return
		}
		duration, err := time.ParseDuration(text)
		if err != nil {
			d.complain(path, "must be a duration such as \"1m30s\"")
			return
		}
		v.SetInt(int64(duration))
	case Int:
		d.integer(data, v, path)
	default:
		if string(data) == "null" || json.Unmarshal(data, v.Addr().Interface()) != nil {
			d.complain(path, "must be a %s", t)
		}
	}
}

// integer also takes numbers written as 3.0 or 3e2, as other JSON encoders do.
func (d *decoder) integer(data json.RawMessage, v reflect.Value, path []string) {
	if string(data) != "null" && json.Unmarshal(data, v.Addr().Interface()) == nil {
		return
	}
	var f float64
	if string(data) == "null" || json.Unmarshal(data, &f) != nil || f != math.Trunc(f) {
		d.complain(path, "must be a whole number")
		return
	}
	if math.Abs(f) < 1<<53 {
		if v.CanInt() && !v.OverflowInt(int64(f)) {
			v.SetInt(int64(f))
			return
		}
		if v.CanUint() && f >= 0 && !v.OverflowUint(uint64(f)) {
			v.SetUint(uint64(f))
			return
		}
	}
	d.complain(path, "is a number out of range")
}

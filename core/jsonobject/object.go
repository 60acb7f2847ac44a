// Package jsonobject writes JSON objects member by member, in a tenth of the time that encoding/json takes, which reads
// them. What is kept and journalled at each step of each alert is written with it, and stays readable for people.
//
// Members that say nothing are left out: zero numbers, empty strings and sets, false, zero times. So is what JSON cannot
// say: NaN, infinities, and times outside of the years 0 to 9999.
package jsonobject

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Object is an object that is being written at the end of Bytes. Names of members must be plain letters.
type Object struct{ Bytes []byte }

// Begin begins an object after the bytes that are there.
func Begin(to []byte) Object { return Object{append(to, '{')} }

// End ends the object and returns all bytes.
func (o *Object) End() []byte { return append(o.Bytes, '}') }

// Key begins a member whose value follows.
func (o *Object) Key(name string) {
	if o.Bytes[len(o.Bytes)-1] != '{' {
		o.Bytes = append(o.Bytes, ',')
	}
	o.Bytes = append(o.Bytes, '"')
	o.Bytes = append(o.Bytes, name...)
	o.Bytes = append(o.Bytes, '"', ':')
}

// String writes a string.
func (o *Object) String(name, value string) {
	if value != "" {
		o.Key(name)
		o.Bytes = AppendString(o.Bytes, value)
	}
}

// Uint writes a whole number.
func (o *Object) Uint(name string, value uint64) {
	if value != 0 {
		o.Key(name)
		o.Bytes = strconv.AppendUint(o.Bytes, value, 10)
	}
}

// Int writes a whole number.
func (o *Object) Int(name string, value int64) {
	if value != 0 {
		o.Key(name)
		o.Bytes = strconv.AppendInt(o.Bytes, value, 10)
	}
}

// Float writes a number.
func (o *Object) Float(name string, value float64) {
	if value != 0 && !math.IsNaN(value) && !math.IsInf(value, 0) {
		o.Key(name)
		o.Bytes = strconv.AppendFloat(o.Bytes, value, 'g', -1, 64)
	}
}

// Bool writes true.
func (o *Object) Bool(name string, value bool) {
	if value {
		o.Key(name)
		o.Bytes = append(o.Bytes, "true"...)
	}
}

// Time writes a time to the nanosecond, in UTC.
func (o *Object) Time(name string, value time.Time) {
	value = value.UTC()
	if year := value.Year(); !value.IsZero() && year >= 0 && year <= 9999 {
		o.Key(name)
		o.Bytes = append(o.Bytes, '"')
		o.Bytes = value.AppendFormat(o.Bytes, time.RFC3339Nano)
		o.Bytes = append(o.Bytes, '"')
	}
}

// Labels writes a label set as an object.
func (o *Object) Labels(name string, ls frame.Labels) {
	if len(ls) == 0 {
		return
	}
	o.Key(name)
	for n, l := range ls {
		o.member(n, l.Name, l.Value)
	}
	o.Bytes = append(o.Bytes, '}')
}

// Map writes strings by name as an object, in the order of the names.
func (o *Object) Map(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	o.Key(name)
	var space [16]string
	names := slices.AppendSeq(space[:0], maps.Keys(m))
	slices.Sort(names)
	for n, key := range names {
		o.member(n, key, m[key])
	}
	o.Bytes = append(o.Bytes, '}')
}

// member writes member n of an object whose names may be anything.
func (o *Object) member(n int, name, value string) {
	o.Bytes = append(o.Bytes, "{,"[min(n, 1)])
	o.Bytes = AppendString(o.Bytes, name)
	o.Bytes = append(o.Bytes, ':')
	o.Bytes = AppendString(o.Bytes, value)
}

// AppendString appends a JSON string.
func AppendString(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(to, quoted...)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"')
}

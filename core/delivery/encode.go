package delivery

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

// Records are JSON, so that people can read what is stored. They are written by hand, three times for each
// notification, in a tenth of the time that encoding/json takes; it reads them.

// object appends members of a JSON object.
type object struct{ to []byte }

// key begins a member.
func (o *object) key(name string) {
	if last := o.to[len(o.to)-1]; last != '{' {
		o.to = append(o.to, ',')
	}
	o.to = append(o.to, '"')
	o.to = append(o.to, name...)
	o.to = append(o.to, '"', ':')
}

func (o *object) str(name, value string) {
	if value != "" {
		o.key(name)
		o.to = appendString(o.to, value)
	}
}

func (o *object) uint(name string, value uint64) {
	if value != 0 {
		o.key(name)
		o.to = strconv.AppendUint(o.to, value, 10)
	}
}

func (o *object) bool(name string, value bool) {
	if value {
		o.key(name)
		o.to = append(o.to, "true"...)
	}
}

// float leaves out what JSON cannot say.
func (o *object) float(name string, value float64) {
	if value != 0 && !math.IsNaN(value) && !math.IsInf(value, 0) {
		o.key(name)
		o.to = strconv.AppendFloat(o.to, value, 'g', -1, 64)
	}
}

// time leaves out what RFC 3339 cannot say.
func (o *object) time(name string, value time.Time) {
	value = value.UTC()
	if year := value.Year(); !value.IsZero() && year >= 0 && year <= 9999 {
		o.key(name)
		o.to = append(o.to, '"')
		o.to = value.AppendFormat(o.to, time.RFC3339Nano)
		o.to = append(o.to, '"')
	}
}

// append writes a record; the fields are those of its struct tags.
func (r *record) append(to []byte) []byte {
	o := object{append(to, '{')}
	o.str("receiver", r.Receiver)
	o.str("group", r.Group)
	if len(r.Labels) > 0 {
		o.key("labels")
		o.to = appendLabels(o.to, r.Labels)
	}
	o.key("instances")
	o.to = append(o.to, '[')
	for i := range r.Instances {
		if i > 0 {
			o.to = append(o.to, ',')
		}
		o.to = r.Instances[i].append(o.to)
	}
	o.to = append(o.to, ']')
	o.time("acceptedAt", r.AcceptedAt)
	o.uint("accepted", r.Accepted)
	o.str("reference", r.Reference)
	if a := r.Attempt; a != nil {
		o.key("attempt")
		o.to = append(o.to, '{')
		o.str("id", a.ID)
		o.str("hash", a.Hash)
		o.uint("number", uint64(a.Number))
		o.time("since", a.Since)
		o.bool("answered", a.Answered)
		o.to = append(o.to, '}')
	}
	o.bool("unknown", r.Unknown)
	o.uint("failures", uint64(r.Failures))
	o.time("nextAt", r.NextAt)
	o.str("error", r.Error)
	o.str("dead", r.Dead)
	return append(o.to, '}')
}

func (i *Instance) append(to []byte) []byte {
	o := object{append(to, '{')}
	o.str("fingerprint", i.Fingerprint.String())
	o.str("status", string(i.Status))
	o.uint("revision", i.Revision)
	o.time("toldAt", i.ToldAt)
	o.str("rule", i.Rule)
	if len(i.Labels) > 0 {
		o.key("labels")
		o.to = appendLabels(o.to, i.Labels)
	}
	if len(i.Annotations) > 0 {
		o.key("annotations")
		o.to = append(o.to, '{')
		for n, name := range slices.Sorted(maps.Keys(i.Annotations)) {
			if n > 0 {
				o.to = append(o.to, ',')
			}
			o.to = appendString(o.to, name)
			o.to = append(o.to, ':')
			o.to = appendString(o.to, i.Annotations[name])
		}
		o.to = append(o.to, '}')
	}
	o.time("startsAt", i.StartsAt)
	o.float("value", i.Value)
	o.bool("ended", i.Ended)
	o.str("lifted", i.Lifted)
	o.str("gone", i.Gone)
	o.time("goneAt", i.GoneAt)
	return append(o.to, '}')
}

// appendLabels appends a label set as an object.
func appendLabels(to []byte, ls frame.Labels) []byte {
	to = append(to, '{')
	for n, l := range ls {
		if n > 0 {
			to = append(to, ',')
		}
		to = appendString(to, l.Name)
		to = append(to, ':')
		to = appendString(to, l.Value)
	}
	return append(to, '}')
}

// appendString appends a JSON string.
func appendString(to []byte, s string) []byte {
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

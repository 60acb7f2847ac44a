//go:build !wasip1

package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// EncodeParams checks values (a JSON object, empty for none) against the attributes of a module, fills in defaults and
// writes the block for the guest. A parameter that is neither given nor has a default is left out: the guest keeps its
// own zero value.
func EncodeParams(attributes []schema.Attribute, values json.RawMessage) ([]byte, error) {
	given := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(values)) > 0 {
		if err := json.Unmarshal(values, &given); err != nil {
			return nil, fmt.Errorf("read params: %w", err)
		}
	}
	var params []Param
	for _, a := range attributes {
		raw, ok := given[a.Name]
		delete(given, a.Name)
		if !ok || string(bytes.TrimSpace(raw)) == "null" {
			if a.Required {
				return nil, fmt.Errorf("parameter %s is required", a.Name)
			}
			if a.Default == nil {
				continue
			}
			var err error
			if raw, err = json.Marshal(a.Default); err != nil {
				return nil, fmt.Errorf("default of parameter %s: %w", a.Name, err)
			}
		}
		p, err := paramOf(a, raw)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", a.Name, err)
		}
		params = append(params, p)
	}
	for name := range given {
		return nil, fmt.Errorf("parameter %s is not one of this module", name)
	}
	return PutParams(params), nil
}

func paramOf(a schema.Attribute, raw json.RawMessage) (Param, error) {
	p := Param{Name: a.Name}
	element := string(a.Type)
	var values []json.RawMessage
	switch {
	case strings.HasPrefix(element, "list("):
		element, p.Shape = strings.TrimSuffix(element[len("list("):], ")"), ParamList
		if err := json.Unmarshal(raw, &values); err != nil {
			return p, fmt.Errorf("must be a list of %s", element)
		}
	case strings.HasPrefix(element, "map("):
		element, p.Shape = strings.TrimSuffix(element[len("map("):], ")"), ParamMap
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			return p, fmt.Errorf("must be a map of %s", element)
		}
		for key := range object {
			p.Keys = append(p.Keys, key)
		}
		slices.Sort(p.Keys)
		for _, key := range p.Keys {
			values = append(values, object[key])
		}
	default:
		values = []json.RawMessage{raw}
	}
	types := map[string]ParamType{"bool": ParamBool, "int": ParamInt, "float": ParamFloat, "string": ParamString, "duration": ParamDuration}
	p.Type = types[element]
	for _, v := range values {
		if err := p.add(a, v); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (p *Param) add(a schema.Attribute, raw json.RawMessage) error {
	number := 0.0
	switch p.Type {
	case ParamBool:
		var v bool
		if json.Unmarshal(raw, &v) != nil {
			return fmt.Errorf("must be true or false")
		}
		p.Bools = append(p.Bools, v)
		return nil
	case ParamInt:
		var v int64
		if json.Unmarshal(raw, &v) != nil {
			return fmt.Errorf("must be a whole number")
		}
		p.Ints, number = append(p.Ints, v), float64(v)
	case ParamFloat:
		var v float64
		if json.Unmarshal(raw, &v) != nil {
			return fmt.Errorf("must be a number")
		}
		p.Floats, number = append(p.Floats, v), v
	case ParamDuration:
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return fmt.Errorf("must be a duration such as \"5m\"")
		}
		d, err := parseDuration(s)
		if err != nil {
			return err
		}
		p.Ints, number = append(p.Ints, int64(d)), d.Seconds()
	case ParamString:
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return fmt.Errorf("must be a string")
		}
		p.Texts = append(p.Texts, s)
		return checkText(a, s)
	default:
		return fmt.Errorf("type %q is not one of this ABI", a.Type)
	}
	if a.Min != nil && number < *a.Min {
		return fmt.Errorf("must be at least %v", *a.Min)
	}
	if a.Max != nil && number > *a.Max {
		return fmt.Errorf("must be at most %v", *a.Max)
	}
	return nil
}

func checkText(a schema.Attribute, s string) error {
	if len(a.Enum) > 0 && !slices.Contains(a.Enum, s) {
		return fmt.Errorf("must be one of %s", strings.Join(a.Enum, ", "))
	}
	if a.Pattern != "" {
		re, err := regexp.Compile(a.Pattern)
		if err != nil {
			return fmt.Errorf("pattern of the module: %w", err)
		}
		if !re.MatchString(s) {
			return fmt.Errorf("must match %s", a.Pattern)
		}
	}
	return nil
}

var longUnits = regexp.MustCompile(`(\d+)([dwy])`)

// parseDuration reads Go's notation and, as Prometheus does, d, w and y (365 days).
func parseDuration(s string) (time.Duration, error) {
	hours := map[string]int64{"d": 24, "w": 7 * 24, "y": 365 * 24}
	in := longUnits.ReplaceAllStringFunc(s, func(part string) string {
		n, err := strconv.ParseInt(part[:len(part)-1], 10, 64)
		if err != nil || n > 1<<20 {
			return part
		}
		return strconv.FormatInt(n*hours[part[len(part)-1:]], 10) + "h"
	})
	d, err := time.ParseDuration(in)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as \"5m\" or \"1h30m\"", s)
	}
	return d, nil
}

package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/prometheus/common/model"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// pureFunctions are those of the standard library, by the names that Terraform gave them. None knows the time or
// chance: the same input is the same configuration.
func pureFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc,
		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": limited(stdlib.FlattenFunc), "floor": stdlib.FloorFunc, "format": limited(stdlib.FormatFunc),
		"formatdate": stdlib.FormatDateFunc, "formatlist": limited(stdlib.FormatListFunc), "indent": limited(stdlib.IndentFunc),
		"index": stdlib.IndexFunc, "int": stdlib.IntFunc, "join": limited(stdlib.JoinFunc), "jsondecode": stdlib.JSONDecodeFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "log": stdlib.LogFunc,
		"lookup": stdlib.LookupFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc,
		"min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "range": stdlib.RangeFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regexreplace": limited(stdlib.RegexReplaceFunc),
		"replace": limited(stdlib.ReplaceFunc), "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": limited(stdlib.SetProductFunc), "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"signum": stdlib.SignumFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc,
		"strlen": stdlib.StrlenFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "timeadd": stdlib.TimeAddFunc,
		"title": stdlib.TitleFunc, "tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "tonumber": stdlib.MakeToFunc(cty.Number),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc, "upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc,
		"zipmap": stdlib.ZipmapFunc,

		"duration": durationFunc(), "sensitive": markFunc(true), "nonsensitive": markFunc(false),
	}
}

// functionsOf are the functions as a file sees them: file() reads below its directory.
func (l *loader) functionsOf(filename string) map[string]function.Function {
	dir := "."
	if f := l.files[filename]; f != nil {
		dir = f.dir
	}
	if known := l.functions[dir]; known != nil {
		return known
	}
	funcs := maps.Clone(pureFunctions())
	funcs["env"] = l.envFunc()
	funcs["file"] = l.fileFunc(dir)
	l.functions[dir] = funcs
	return funcs
}

// envFunc is env(NAME) and env(NAME, DEFAULT). What the environment says is sensitive.
func (l *loader) envFunc() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) > 2 {
				return cty.String, errors.New("env takes a name and a default")
			}
			return cty.String, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if l.opts.Env != nil {
				if value, ok := l.opts.Env(name); ok {
					l.rememberString(value)
					return cty.StringVal(value).Mark(sensitive), nil
				}
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.DynamicVal, function.NewArgErrorf(0, "the environment variable %q is not set; a second argument would be the default", name)
		},
	})
}

// fileFunc is file(NAME): the text of a file inside the configuration's directory, at most 1 MiB.
func (l *loader) fileFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			data, err := readInside(dir, args[0].AsString())
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			if !utf8.Valid(data) {
				return cty.DynamicVal, function.NewArgErrorf(0, "file %q is not UTF-8 text", args[0].AsString())
			}
			return cty.StringVal(string(data)), nil
		},
	})
}

// durationFunc is duration("5m"), the number of seconds, and duration(300), the text for it: one can calculate between.
func durationFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "duration", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			switch args[0].Type() {
			case cty.Number:
				return cty.String, nil
			case cty.String:
				return cty.Number, nil
			}
			return cty.DynamicPseudoType, function.NewArgErrorf(0, "text such as \"5m\" or a number of seconds is required")
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			if want == cty.String {
				seconds, _ := args[0].AsBigFloat().Float64()
				if math.Abs(seconds) > math.MaxInt64/1e9 {
					return cty.DynamicVal, function.NewArgErrorf(0, "that is more than 292 years")
				}
				return cty.StringVal(time.Duration(math.Round(seconds * 1e9)).String()), nil
			}
			d, err := parseDuration(args[0].AsString())
			if err != nil {
				return cty.DynamicVal, function.NewArgError(0, err)
			}
			return cty.NumberFloatVal(d.Seconds()), nil
		},
	})
}

// markFunc is sensitive(VALUE) or nonsensitive(VALUE).
func markFunc(secret bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, _ := args[0].UnmarkDeep()
			if secret {
				return v.Mark(sensitive), nil
			}
			return v, nil
		},
	})
}

// limited wraps a function whose result can be the product of its arguments.
func limited(f function.Function) function.Function {
	spec := &function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: f.ReturnTypeForValues,
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if err := affordable(args); err != nil {
			return cty.DynamicVal, err
		}
		return f.Call(args)
	}
	// Some of these functions work while their type is asked for: ask only what can be afforded.
	spec.Type = func(args []cty.Value) (cty.Type, error) {
		if err := affordable(args); err != nil {
			return cty.DynamicPseudoType, err
		}
		return f.ReturnTypeForValues(args)
	}
	return function.New(spec)
}

var longWidth = regexp.MustCompile(`%[^%a-zA-Z]*[0-9]{4}`)

// affordable bounds the product of the sizes of arguments.
func affordable(args []cty.Value) error {
	cost := 1.0
	for _, a := range args {
		a, _ = a.UnmarkDeep()
		size := 0
		_ = cty.Walk(a, func(_ cty.Path, v cty.Value) (bool, error) {
			size++
			if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				size += len(v.AsString())
				if longWidth.MatchString(v.AsString()) {
					size += maxFileBytes << 6
				}
			}
			if v.Type() == cty.Number && v.IsKnown() && !v.IsNull() {
				n, _ := v.AsBigFloat().Float64()
				size += int(min(math.Abs(n), 1e9))
			}
			return true, nil
		})
		cost *= float64(max(size, 1))
	}
	if cost > 64<<20 {
		return errors.New("the result could be too large")
	}
	return nil
}

// parseDuration reads a duration as Prometheus writes it ("5m", "1d12h"), or as Go does ("1.5s").
func parseDuration(text string) (time.Duration, error) {
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return 0, fmt.Errorf("%q has no unit: write %q for seconds", text, strings.TrimSpace(text)+"s")
	}
	return 0, fmt.Errorf("%q is not a duration: write a number and a unit, such as \"30s\", \"5m\", \"1h30m\" or \"7d\"", text)
}

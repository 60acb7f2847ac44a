// Package workload makes up what a rule module is fed with when nothing is known of it but its manifest: parameters,
// series, windows. All of it is the same each time.
package workload

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Start is the time of the first evaluation, Unix milliseconds, and Interval what lies between two.
const (
	Start    = 1_767_225_600_000
	Interval = 15_000
)

// Params completes the parameters that were given (a JSON object, empty for none): a required one that is missing gets
// a value that the manifest allows.
func Params(m abi.Manifest, given json.RawMessage) (json.RawMessage, error) {
	values := map[string]json.RawMessage{}
	if len(given) > 0 {
		if err := json.Unmarshal(given, &values); err != nil {
			return nil, fmt.Errorf("read params: %w", err)
		}
	}
	for _, a := range m.Params {
		if _, ok := values[a.Name]; ok || !a.Required {
			continue
		}
		value, err := json.Marshal(allowed(a, string(a.Type)))
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", a.Name, err)
		}
		values[a.Name] = value
	}
	params, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	if _, err = abi.EncodeParams(m.Params, params); err != nil {
		return nil, fmt.Errorf("%w (parameters that are required may have to be given)", err)
	}
	return params, nil
}

// allowed is a value of a type within the bounds of a parameter. A pattern is beyond it.
func allowed(a schema.Attribute, kind string) any {
	number := 1.0
	if a.Min != nil {
		number = math.Max(number, *a.Min)
	}
	if a.Max != nil {
		number = math.Min(number, *a.Max)
	}
	if kind == "float" && a.Min != nil && a.Max != nil && (number == *a.Min || number == *a.Max) {
		number = (*a.Min + *a.Max) / 2 // a rule may have no use for the bounds themselves, as for a quantile of 1
	}
	switch {
	case strings.HasPrefix(kind, "list("):
		return []any{allowed(a, strings.TrimSuffix(kind[len("list("):], ")"))}
	case strings.HasPrefix(kind, "map("):
		return map[string]any{"a": allowed(a, strings.TrimSuffix(kind[len("map("):], ")"))}
	case kind == "bool":
		return true
	case kind == "int":
		return int64(number)
	case kind == "float":
		return number
	case kind == "duration":
		return strconv.FormatInt(int64(number), 10) + "s"
	case len(a.Enum) > 0:
		return a.Enum[0]
	case a.Format == schema.FormatMatcher:
		return "code=~'5..'"
	}
	return "a"
}

// Dictionary names n series for each input of the module: those of input i are i*n to i*n+n-1.
func Dictionary(m abi.Manifest, generation uint64, n int) *abi.Dictionary {
	d := &abi.Dictionary{Generation: generation}
	for _, in := range m.Inputs {
		for i := range n {
			d.Series = append(d.Series, frame.Series{Labels: frame.FromMap(map[string]string{
				frame.MetricName: in.Name,
				"job":            "job-" + strconv.Itoa(i%3),
				"instance":       "host-" + strconv.Itoa(i/8),
				"code":           []string{"200", "503", "404", "500"}[i%4],
				"path":           "/path/" + strconv.Itoa(i%8),
			})})
		}
	}
	return d
}

// Window is the evaluation with a number, from 0, over a dictionary of n series an input. A series has samples
// measurements, or one value where the input is reduced.
func Window(m abi.Manifest, d *abi.Dictionary, sequence uint64, samples int) *abi.Window {
	at := int64(Start + sequence*Interval)
	w := &abi.Window{Sequence: sequence, Time: at, Generation: d.Generation, IntervalMS: Interval}
	if sequence == 0 {
		w.Flags = abi.WindowFirst | abi.WindowSeriesChanged
	}
	for i, declared := range m.Inputs {
		n := len(d.Series) / len(m.Inputs)
		in := abi.Input{End: at, Start: at - int64(samples)*Interval, TargetsExpected: 1, TargetsAnswered: 1, ReduceArg: declared.ReduceArg}
		in.Reduce, _ = abi.ParseReduce(declared.Reduce)
		count := samples
		if in.Reduce != abi.Raw {
			count = 1
		} else {
			for k := range samples { // one run of times for all: they come from one target
				in.Times = append(in.Times, in.Start+int64(k+1)*Interval)
			}
		}
		for s := range n {
			in.Series = append(in.Series, uint32(i*n+s))
			in.Spans = append(in.Spans, abi.Span{Start: uint32(len(in.Values)), Count: uint32(count)})
			in.TimeRef, in.Flags = append(in.TimeRef, 0), append(in.Flags, 0)
			for k := range count {
				in.Values = append(in.Values, value(s, sequence, k))
			}
		}
		w.Inputs = append(w.Inputs, in)
	}
	return w
}

// value spreads measurements over many orders of magnitude, so that whatever a rule compares them with some lie above it
// and some below. Most series stay where they are from one evaluation to the next, some change sides.
func value(series int, sequence uint64, sample int) float64 {
	exponent := series % 7
	if series%5 == 4 {
		exponent = (series + int(sequence)) % 7
	}
	return math.Pow(10, float64(exponent-3)) * (1 + float64(series)/1000 + float64(sample)/100)
}

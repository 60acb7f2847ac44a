//go:build !wasip1

package rule

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// sdkVersion stands in manifests.
const sdkVersion = "1.0"

// Main is the main function of a rule module. As a native program it prints the manifest, which is how
// "tocsin rule build" learns it; in a guest it never runs.
func Main() {
	if registered == nil {
		fmt.Fprintln(os.Stderr, "no rule is registered: call rule.Register from an init function")
		os.Exit(1)
	}
	m, err := Manifest(registered())
	if err == nil {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Manifest derives what a module says about itself from its rule: the struct's tags and what Describe returns.
// An error means a mistake in the struct.
func Manifest(r Rule) (abi.Manifest, error) {
	m := abi.Manifest{
		ABI: abi.ManifestABI{Major: abi.Major, MinMinor: 0}, Shared: true,
		SDK: abi.ManifestSDK{Name: "tocsin-go", Version: sdkVersion},
	}
	v, err := structOf(r)
	if err != nil {
		return m, err
	}
	if d, ok := r.(Describer); ok {
		info := d.Describe()
		m.Name, m.Version, m.Description = info.Name, info.Version, info.Description
		m.Outputs = abi.ManifestOutputs{Labels: info.Labels, Severities: info.Severities}
	}
	if stateful, ok := r.(Stateful); ok {
		info := stateful.State()
		if err := info.check(); err != nil {
			return m, fmt.Errorf("rule %s: %w", v.Type(), err)
		}
		m.State = abi.ManifestState{Version: info.Version, MaxBytes: info.MaxBytes}
	}
	block, err := schema.OfTag(r, "param")
	if err != nil {
		return m, err
	}
	if len(block.Blocks) > 0 {
		return m, fmt.Errorf("rule %s: parameter %s is a block: parameters are scalars, lists and maps", v.Type(), block.Blocks[0].Name)
	}
	for _, a := range block.Attributes {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("param") == a.Name && f.Type == matcherType {
				a.Format = schema.FormatMatcher
			}
		}
		m.Params = append(m.Params, a)
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Type != inputType {
			continue
		}
		in, err := inputOf(f)
		if err != nil {
			return m, fmt.Errorf("rule %s, field %s: %w", v.Type(), f.Name, err)
		}
		m.Inputs = append(m.Inputs, in)
	}
	return m, nil
}

func inputOf(f reflect.StructField) (abi.ManifestInput, error) {
	in := abi.ManifestInput{
		Name: f.Tag.Get("input"), Description: f.Tag.Get("doc"), Reduce: f.Tag.Get("reduce"),
		DefaultMatch: f.Tag.Get("select"), DefaultRange: f.Tag.Get("window"), Optional: f.Tag.Get("optional") == "true",
		Like: f.Tag.Get("like"),
	}
	if in.Name == "" || !f.IsExported() {
		return in, fmt.Errorf("an input needs a tag input:\"name\" and an exported field")
	}
	if _, ok := abi.ParseReduce(in.Reduce); !ok {
		return in, fmt.Errorf("reduce %q does not exist", in.Reduce)
	}
	if choices := f.Tag.Get("choices"); choices != "" {
		in.ReduceChoices = strings.Split(choices, ",")
	}
	if arg := f.Tag.Get("reduce_arg"); arg != "" {
		var err error
		if in.ReduceArg, err = strconv.ParseFloat(arg, 64); err != nil {
			return in, fmt.Errorf("reduce_arg: %w", err)
		}
	}
	return in, nil
}

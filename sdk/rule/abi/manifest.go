//go:build !wasip1

package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Manifest is what a module says about itself. It stands as JSON in the custom section [ManifestSection].
// The limits in it are wishes: only the configuration grants.
type Manifest struct {
	ABI              ManifestABI        `json:"abi"`
	Name             string             `json:"name"`
	Version          string             `json:"version,omitempty"`
	Description      string             `json:"description,omitempty"`
	Shared           bool               `json:"shared,omitempty"` // serves many rules from one instance
	FeaturesRequired []string           `json:"features_required,omitempty"`
	FeaturesOptional []string           `json:"features_optional,omitempty"`
	Params           []schema.Attribute `json:"params,omitempty"`
	Inputs           []ManifestInput    `json:"inputs"`
	Outputs          ManifestOutputs    `json:"outputs,omitzero"`
	LimitsWanted     ManifestLimits     `json:"limits_wanted,omitzero"`
	State            ManifestState      `json:"state,omitzero"`
	SDK              ManifestSDK        `json:"sdk,omitzero"`
}

// ManifestABI is the contract that the module was built for.
type ManifestABI struct {
	Major    int `json:"major"`
	MinMinor int `json:"min_minor"`
}

// ManifestInput is one input, in the order of the window's inputs.
type ManifestInput struct {
	Name         string  `json:"name"`
	Description  string  `json:"description,omitempty"`
	DefaultMatch string  `json:"default_match,omitempty"` // a PromQL selector
	DefaultRange string  `json:"default_range,omitempty"` // a duration such as "5m"
	MinSamples   int     `json:"min_samples,omitempty"`
	Optional     bool    `json:"optional,omitempty"`
	Like         string  `json:"like,omitempty"`   // an input before it whose series it reads, where a rule does not select others
	Reduce       string  `json:"reduce,omitempty"` // name of a Reduce; "" is raw
	ReduceArg    float64 `json:"reduce_arg,omitempty"`

	ReduceChoices []string `json:"reduce_choices,omitempty"` // what a rule may choose instead; none: nothing
}

// ManifestOutputs is what the module may return.
type ManifestOutputs struct {
	Labels     []string `json:"labels,omitempty"`
	Severities []string `json:"severities,omitempty"`
}

// ManifestLimits is what the module would like to have.
type ManifestLimits struct {
	Memory uint64 `json:"memory,omitempty"` // bytes
	Fuel   uint64 `json:"fuel,omitempty"`   // a call
}

// ManifestState describes what tocsin_snapshot emits. A module keeps state if it declares a version, 1 or more.
type ManifestState struct {
	Version  int `json:"version,omitempty"`
	MaxBytes int `json:"max_bytes,omitempty"`
}

// ManifestSDK is what the module was written with.
type ManifestSDK struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

var manifestName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// ParseManifest reads and checks a manifest.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("manifest of %q: %w", m.Name, err)
	}
	return m, nil
}

func (m *Manifest) check() error {
	if m.ABI.Major != Major || m.ABI.MinMinor > Minor {
		return fmt.Errorf("the module needs ABI %d.%d, this engine serves %d.%d", m.ABI.Major, m.ABI.MinMinor, Major, Minor)
	}
	if !manifestName.MatchString(m.Name) {
		return fmt.Errorf("the name must match %s", manifestName)
	}
	if len(m.FeaturesRequired) > 0 {
		return fmt.Errorf("the module requires features %q, this engine has none of them", m.FeaturesRequired)
	}
	if len(m.Params) > 256 || len(m.Inputs) > 64 {
		return fmt.Errorf("too many params (%d of 256) or inputs (%d of 64)", len(m.Params), len(m.Inputs))
	}
	if s := m.State; s.Version < 0 || s.MaxBytes < 0 || s.MaxBytes > MaxStateBytes {
		return fmt.Errorf("state: the version must not be negative, max_bytes at most %d", MaxStateBytes)
	}
	seen := map[string]bool{}
	for _, p := range m.Params {
		if !manifestName.MatchString(p.Name) || seen["param "+p.Name] {
			return fmt.Errorf("parameter name %q is not allowed or given twice", p.Name)
		}
		seen["param "+p.Name] = true
	}
	for _, in := range m.Inputs {
		if !manifestName.MatchString(in.Name) || seen["input "+in.Name] {
			return fmt.Errorf("input name %q is not allowed or given twice", in.Name)
		}
		seen["input "+in.Name] = true
		for _, how := range append([]string{in.Reduce}, in.ReduceChoices...) {
			if _, ok := ParseReduce(how); !ok {
				return fmt.Errorf("input %s asks for reduce %q, which is not one of this ABI", in.Name, how)
			}
		}
		if in.Like != "" && (in.Like == in.Name || !seen["input "+in.Like]) {
			return fmt.Errorf("input %s is like %q, which is no input before it", in.Name, in.Like)
		}
		if in.DefaultRange != "" {
			if _, err := parseDuration(in.DefaultRange); err != nil {
				return fmt.Errorf("input %s: default range: %w", in.Name, err)
			}
		}
	}
	return nil
}

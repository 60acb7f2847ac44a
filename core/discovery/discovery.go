// Package discovery finds the targets of sources: in files, behind URLs, in DNS. The finding is Prometheus' own code, so
// that existing target files and services mean what they mean there; this package configures it from a block and says
// at each change what there is in all.
package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v2"

	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// kind is one way to find targets.
type kind struct {
	settings any                     // its struct, for the schema
	config   func() discovery.Config // to be filled from settings
}

var kinds = map[string]kind{
	"file": {fileSettings{}, func() discovery.Config { return &file.SDConfig{} }},
	"http": {httpSettings{}, func() discovery.Config { return &http.SDConfig{} }},
	"dns":  {dnsSettings{}, func() discovery.Config { return &dns.SDConfig{} }},
}

// Kinds lists the ways to find targets, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Schema returns what a discover block of that kind takes; false if there is no such kind.
func Schema(name string) (schema.Block, bool) {
	k, ok := kinds[name]
	if !ok {
		return schema.Block{}, false
	}
	block, err := schema.Of(k.settings)
	if err != nil { // a mistake in this package
		panic(fmt.Sprintf("discovery %s: %v", name, err))
	}
	return block, true
}

// Options of a discovery.
type Options struct {
	Kind     string
	Settings json.RawMessage // a JSON object that conforms to the schema, without defaults
	Dir      string          // relative file names are relative to it
	Logger   zerolog.Logger
}

// Discovery finds targets in one place.
type Discovery struct {
	finder discovery.Discoverer
}

// New checks the settings. Nothing is looked for before [Discovery.Run].
func New(o Options) (*Discovery, error) {
	k, ok := kinds[o.Kind]
	if !ok {
		return nil, fmt.Errorf("there is no discovery %q", o.Kind)
	}
	config := k.config()
	// Prometheus decodes and checks its configuration as YAML, of which JSON is a part.
	if err := yaml.UnmarshalStrict(o.Settings, config); err != nil {
		return nil, fmt.Errorf("discovery %s: %w", o.Kind, tidy(err))
	}
	if d, ok := config.(interface{ SetDirectory(string) }); ok {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return nil, fmt.Errorf("discovery %s: %w", o.Kind, err)
		}
		d.SetDirectory(dir)
	}
	metrics := config.NewDiscovererMetrics(prometheus.NewRegistry(), discovery.NewRefreshMetrics(prometheus.NewRegistry()))
	finder, err := config.NewDiscoverer(discovery.DiscovererOptions{
		Logger: slog.New(zerolog.NewSlogHandler(o.Logger)), Metrics: metrics, SetName: o.Kind,
	})
	if err != nil {
		return nil, fmt.Errorf("discovery %s: %w", o.Kind, err)
	}
	return &Discovery{finder}, nil
}

// tidy takes the words about YAML, which nobody wrote, out of an error.
func tidy(err error) error {
	if typeError := (*yaml.TypeError)(nil); errors.As(err, &typeError) && len(typeError.Errors) > 0 {
		return errors.New(typeError.Errors[0])
	}
	return err
}

// Run announces all groups of targets that there are, each time they change, until ctx ends. What cannot be read stays
// as it was last.
func (d *Discovery) Run(ctx context.Context, announce func([]source.Group)) {
	updates := make(chan []*targetgroup.Group)
	var finding sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer finding.Wait()
	defer cancel()
	finding.Go(func() { d.finder.Run(ctx, updates) })
	found := map[string]source.Group{} // by where they were found
	for {
		select {
		case <-ctx.Done():
			return
		case changed := <-updates:
			for _, g := range changed {
				if g == nil {
					continue
				}
				if len(g.Targets) == 0 {
					delete(found, g.Source)
					continue
				}
				found[g.Source] = group(g)
			}
			var all []source.Group
			for _, place := range slices.Sorted(maps.Keys(found)) {
				all = append(all, found[place])
			}
			announce(all)
		}
	}
}

// group converts Prometheus' form, in which each target carries labels and all share more. DNS and files give targets
// that differ in nothing but their address.
func group(g *targetgroup.Group) source.Group {
	converted := source.Group{Labels: map[string]string{}}
	for name, value := range g.Labels {
		converted.Labels[string(name)] = string(value)
	}
	for _, t := range g.Targets {
		own := map[string]string{}
		for name, value := range t {
			if name != model.AddressLabel {
				own[string(name)] = string(value)
			}
		}
		converted.Targets = append(converted.Targets, source.Found{Address: string(t[model.AddressLabel]), Labels: own})
	}
	return converted
}

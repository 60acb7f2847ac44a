package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/discovery"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Catalog tells a configuration that is being loaded which plugins and modules there are and what they take.
// Third-party plugins are started and asked; no guest code runs.
func Catalog(e config.Engine, blocks []config.Plugin, moduleBlocks []config.Module) (config.Catalog, error) {
	return &catalog{
		plugins: plugins{dirs: e.PluginDirs, blocks: blocks},
		modules: modules{blocks: moduleBlocks, dirs: e.ModuleDirs},
	}, nil
}

type catalog struct {
	plugins plugins
	modules modules
}

// Kinds lists what may be named, for "did you mean".
func (c *catalog) Kinds(what string) []string {
	switch what {
	case "source":
		return slices.Sorted(maps.Keys(builtinSources()))
	case "notifier":
		return slices.Sorted(maps.Keys(builtinNotifiers()))
	case "module":
		return c.modules.names()
	}
	return nil
}

// Source returns the schema of a source kind.
func (c *catalog) Source(kind string) (schema.Block, error) {
	if newSource, ok := builtinSources()[kind]; ok {
		return newSource().Schema(), nil
	}
	return c.plugins.schema("source", kind)
}

// Notifier returns the schema of a notifier kind.
func (c *catalog) Notifier(kind string) (schema.Block, error) {
	if newNotifier, ok := builtinNotifiers()[kind]; ok {
		return newNotifier(nil).Schema(), nil
	}
	return c.plugins.schema("notifier", kind)
}

// Discoveries returns what blocks that find targets take.
func (c *catalog) Discoveries() map[string]schema.Block {
	all := map[string]schema.Block{}
	for _, kind := range discovery.Kinds() {
		all[kind], _ = discovery.Schema(kind)
	}
	return all
}

// Module returns what the manifest of a rule module says.
func (c *catalog) Module(name string) (config.ModuleSchema, error) {
	code, err := c.modules.code(name)
	if err != nil {
		return config.ModuleSchema{}, err
	}
	manifest, err := wasm.ReadManifest(code)
	if err != nil {
		return config.ModuleSchema{}, fmt.Errorf("rule module %s: %w", name, err)
	}
	result := config.ModuleSchema{Params: schema.Block{Attributes: manifest.Params}}
	for _, in := range manifest.Inputs {
		var window model.Duration
		if in.DefaultRange != "" {
			if window, err = model.ParseDuration(in.DefaultRange); err != nil {
				return config.ModuleSchema{}, fmt.Errorf("rule module %s, input %s: %w", name, in.Name, err)
			}
		}
		result.Inputs = append(result.Inputs, config.ModuleInput{
			Name: in.Name, Description: in.Description, DefaultSelect: in.DefaultMatch, DefaultWindow: time.Duration(window), Optional: in.Optional,
			Like: in.Like, Reduce: in.ReduceChoices,
		})
	}
	return result, nil
}

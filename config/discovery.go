package config

import (
	"encoding/json"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Discovery is a block inside a source that finds targets: file_sd, http_sd or dns_sd.
type Discovery struct {
	Kind     string          // file, http or dns
	Settings json.RawMessage // a JSON object with sorted keys, without defaults. May hold secrets
	Dir      string          // of the configuration file: relative file names are relative to it
}

// discoverySuffix is what the names of blocks that find targets end with, as in Prometheus.
const discoverySuffix = "_sd"

// discoveries decodes the blocks of a source that find targets. address names the source in digests.
func (l *loader) discoveries(outer body, kinds map[string]schema.Block, address string) (all []Discovery, secrets []string) {
	for _, block := range outer.content.Blocks {
		for kind, described := range kinds {
			if block.Type != kind+discoverySuffix {
				continue
			}
			inner := body{l: l, block: block, content: l.schemaContent(block, described, nil)}
			tree := l.decodeTree(inner, described, true)
			l.digests[address] += digest(tree, address+"."+block.Type)
			secrets = append(secrets, secretStrings(tree)...)
			all = append(all, Discovery{
				Kind: kind, Settings: encode(tree, func(v secretValue) any { return v.value }),
				Dir: filepath.Dir(block.DefRange.Filename),
			})
		}
	}
	return all, secrets
}

// sourceBlocks are the blocks that every source may hold, whatever its plugin takes.
func sourceBlocks(kinds map[string]schema.Block) []hcl.BlockHeaderSchema {
	blocks := []hcl.BlockHeaderSchema{{Type: "relabel"}, {Type: "metric_relabel"}}
	for kind := range kinds {
		blocks = append(blocks, hcl.BlockHeaderSchema{Type: kind + discoverySuffix})
	}
	return blocks
}

// Package sdk holds the source of the rule SDK, so that "tocsin rule new" can write it beside a rule: an author then needs
// Go and nothing else, no network and no published version.
package sdk

import "embed"

// Rule is the source of sdk/rule and of what it imports, below this folder. Tests are among it.
//
//go:embed frame/*.go schema/*.go rule/*.go rule/abi/*.go rule/ruletest/*.go
var Rule embed.FS

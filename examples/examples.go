// Package examples holds configurations and rules to start from. One of the rules is what "tocsin rule new" writes.
package examples

import "embed"

// Rule is the folder of the example rule in Go.
//
//go:embed rule-go/*.go rule-go/*.hcl rule-go/README.md
var Rule embed.FS

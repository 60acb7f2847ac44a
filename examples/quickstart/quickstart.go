// Package quickstart is the reference scenario's configuration, embedded so that the demo runs without files.
package quickstart

import _ "embed"

// Config is tocsin.hcl.
//
//go:embed tocsin.hcl
var Config []byte

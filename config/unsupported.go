package config

import "github.com/hashicorp/hcl/v2"

// notYet lists what the language has and the engine does not do yet: what it is, and what to do instead. Such blocks and
// arguments are decoded and checked like the others, and then refused, never ignored. When a feature lands, its line goes.
var notYet = map[string]string{
	"dynamic": "dynamic blocks",
}

// unsupported reports that the configuration asks for what the engine cannot do yet.
func (l *loader) unsupported(feature string, at hcl.Range) {
	if notYet[feature] == "" {
		return
	}
	l.errorf(at, "Not supported yet", "This version of Tocsin does not support %s yet. Remove it, or use a version that does.", notYet[feature])
}

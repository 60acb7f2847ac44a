package schema

import "strings"

// Diagnostic is one complaint about a configuration, with the way to the attribute that is to blame.
type Diagnostic struct {
	Path    []string `json:"path,omitempty"` // attribute and block names from the outside in; empty: the whole block
	Summary string   `json:"summary"`
	Detail  string   `json:"detail,omitempty"`
	Warning bool     `json:"warning,omitempty"`
}

// Diagnostics is the error that Configure returns to blame attributes. Never put the value of a sensitive attribute into one.
type Diagnostics []Diagnostic

func (ds Diagnostics) Error() string {
	var lines []string
	for _, d := range ds {
		line := d.Summary
		if len(d.Path) > 0 {
			line = strings.Join(d.Path, ".") + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// Package schema is how a plugin or a rule module says which configuration it takes.
//
// The core validates a block of HCL against a [Block] and hands the plugin values that conform, as a JSON object.
// Authors do not write schemas by hand: [Of] derives one from a struct and its tags, [Decode] fills that struct.
package schema

// Type is the type of an attribute: one of the constants, or list(T) and map(T) of a scalar type.
type Type string

// Scalar types. In JSON a duration is a string such as "1m30s", an int a number without a fraction.
const (
	Bool     Type = "bool"
	Int      Type = "int"
	Float    Type = "float"
	String   Type = "string"
	Duration Type = "duration"
)

// List is the type of a list of elements of type t.
func List(t Type) Type { return "list(" + t + ")" }

// Map is the type of a map from string to t.
func Map(t Type) Type { return "map(" + t + ")" }

// Attribute describes one NAME = VALUE of a block.
type Attribute struct {
	Name        string   `json:"name"`
	Type        Type     `json:"type"`
	Required    bool     `json:"required,omitempty"`
	Default     any      `json:"default,omitempty"` // as encoding/json decodes it; nil: none
	Sensitive   bool     `json:"sensitive,omitempty"`
	Min         *float64 `json:"min,omitempty"`     // of a number; of a duration: seconds
	Max         *float64 `json:"max,omitempty"`     // of a number; of a duration: seconds
	Pattern     string   `json:"pattern,omitempty"` // RE2, a string (or each element) must match it
	Enum        []string `json:"enum,omitempty"`    // the strings allowed
	Format      Format   `json:"format,omitempty"`
	Deprecated  string   `json:"deprecated,omitempty"` // what to use instead
	Description string   `json:"description,omitempty"`
}

// Format is a syntax that the core checks a string for while it still knows the line.
type Format string

// Formats.
const (
	FormatMatcher  Format = "matcher"  // one PromQL label matcher: code=~'5..'
	FormatURL      Format = "url"      // absolute URL, http or https
	FormatTemplate Format = "template" // Go text/template
)

// Block describes what may stand between a pair of braces.
type Block struct {
	Attributes []Attribute   `json:"attributes,omitempty"`
	Blocks     []NestedBlock `json:"blocks,omitempty"`
}

// NestedBlock describes a block inside a block. In JSON a single block is an object, the others are lists of objects.
type NestedBlock struct {
	Name     string `json:"name"`
	Block    Block  `json:"block"`
	Repeated bool   `json:"repeated,omitempty"` // may stand more than once
	Required bool   `json:"required,omitempty"` // must stand at least once
}

// Package config turns HCL into typed values that know the line they came from.
//
// [Load] reads everything, complains about everything at once, and returns either a configuration that holds
// together (references resolve, bodies conform to the schemas of their plugins and modules) or only diagnostics.
//
// The way through: files.go reads and parses behind guard.go; variables.go and locals.go make the scope that scope.go
// evaluates expressions in; then there is one file for each kind of block; schema.go decodes the bodies that plugins
// and modules describe; diagnostics.go prints, secrets.go hides. What the language has and the engine does not do yet
// stands in unsupported.go.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// ErrUnknown is wrapped by the errors of a [Catalog] that does not know the name it was asked for.
var ErrUnknown = errors.New("unknown")

// Options of [Load]. The zero value loads without variables, environment and schemas.
type Options struct {
	Vars map[string]string                         // of -var
	Env  func(name string) (value string, ok bool) // os.LookupEnv; nil: an empty environment

	// Catalog is called once, when the engine, plugin and module blocks are known. Nil: bodies that plugins and
	// modules describe are not checked.
	Catalog func(Engine, []Plugin, []Module) (Catalog, error)
}

// Catalog knows which plugins and modules there are and what they take.
// For a name that it does not know it returns an error that wraps [ErrUnknown].
type Catalog interface {
	Kinds(what string) []string // what: "source", "notifier" or "module"; for "did you mean"
	Source(kind string) (schema.Block, error)
	Notifier(kind string) (schema.Block, error)
	Module(name string) (ModuleSchema, error)
	Discoveries() map[string]schema.Block // what blocks that find targets take, by kind: file, http, dns
}

// ModuleSchema is what the manifest of a rule module says about its configuration.
type ModuleSchema struct {
	Params schema.Block
	Inputs []ModuleInput
}

// ModuleInput is one input that a rule module declares.
type ModuleInput struct {
	Name, Description string
	DefaultSelect     string        // "": a rule must say what to select
	DefaultWindow     time.Duration // 0: a rule must say how long
	Optional          bool          // the module can do without
	Like              string        // an earlier input whose series it reads where the rule does not select others
	Reduce            []string      // reductions that a rule may choose from; none: it has no choice
}

// Range is a place in a configuration file. Lines and columns count from 1, columns in characters; the end is exclusive.
type Range struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"`
}

// String is file:line:column, "" for the zero value.
func (r Range) String() string {
	if r.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
}

// Config is a whole configuration. Every reference in it resolves. Blocks stand in the order of files and lines.
type Config struct {
	Engine    Engine
	Web       Web
	Sources   []Source
	Rules     []Rule
	Notifiers []Notifier
	Route     *Route // the root, never nil
	Modules   []Module
	Plugins   []Plugin

	Silences   []Silence
	Inhibits   []Inhibit
	Schedules  []Schedule
	Heartbeats []Heartbeat
	Overrides  []Override

	Hash    string   // of everything above but the ranges, 64 hexadecimal digits: equal if nothing changed
	Secrets []string // known secret strings of at least 6 bytes, for scrubbing logs; sorted
}

// Load reads, checks and resolves the configuration at paths, each a file or a directory.
// Diagnostics may hold warnings beside a configuration; with an error among them the configuration is nil.
func Load(paths []string, opts Options) (*Config, Diagnostics) {
	l := newLoader(opts)
	cfg := l.load(paths)
	diags := l.finish()
	if diags.HasErrors() {
		return nil, diags
	}
	return cfg, diags
}

// emptySettings are the settings of a body with nothing in it.
var emptySettings = json.RawMessage(`{}`)

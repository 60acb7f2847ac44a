package engine

import (
	"text/template"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wasm"
)

// World is what an engine touches outside of itself. What is nil is the real thing, so the zero value is the real world.
// A rehearsal gives all of it, and then nothing of the engine waits on anything but the clock.
type World struct {
	// Collector serves a source block; nil: a plugin process.
	Collector func(config.Source) (scrape.Collector, error)

	// Discoveries find targets for a source block; nil: what its discover blocks say.
	Discoveries func(config.Source) []scrape.Discovery

	// Sender serves a notifier block; nil: a plugin process.
	Sender func(config.Notifier) (delivery.Sender, error)

	// State is closed with the engine; nil: state.db in data_dir.
	State state.Store

	// Windows keeps what the windows hold over a restart; nil: a log in data_dir, or none if the engine is offline.
	Windows WindowLog

	// Modules runs rule modules. It may be shared with other engines and is not closed; nil: a host of its own.
	Modules *wasm.Host

	// Offline engines neither listen nor keep their journal in a file: OnDecision is all there is of it.
	Offline bool

	// OnTemplate sees every template of every rule, see [rule.Definition]. It may be nil.
	OnTemplate func(rule string, t *template.Template)

	// Seed makes chance repeatable, such as the jitter of retries; 0: real chance.
	Seed uint64

	// Workers evaluate rules at once; 0: as many as there are processors. One makes the order of evaluations repeatable.
	Workers int
}

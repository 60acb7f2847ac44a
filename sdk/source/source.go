// Package source is what the author of a source plugin writes against: one interface and one line of main.
//
//	func main() { source.Serve(plugin, func() source.Source { return &gateway{} }) }
//
// A source turns targets into frames. The engine decides when, keeps the windows, and adds job, instance, up and
// the other synthetic series itself.
package source

import (
	"context"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Source is one configured source: the engine makes one for each source block of its kind.
// Methods other than Schema are called after Configure; Collect is called concurrently for different targets.
type Source interface {
	// Schema describes the block that Configure takes; it is called on a value that was never configured.
	Schema() schema.Block

	// Configure takes the block as JSON (see [schema.Decode]). It must not touch the network. A second call
	// replaces the first configuration. To blame an attribute return [schema.Diagnostics].
	Configure(ctx context.Context, config []byte) error

	// Collect reads one target once. The deadline is in ctx. An error is a failed collection: the target is down,
	// its series are kept and marked as missing. What could be read in part is not returned.
	Collect(ctx context.Context, target Target) (Collection, error)
}

// Group is targets that were found together.
type Group struct {
	Targets []Found
	Labels  map[string]string // of all of them; names that begin with __ are for relabelling only
}

// Found is a target with labels of its own, which win over those of its group.
type Found struct {
	Address string // host:port, or whatever the source takes
	Labels  map[string]string
}

// Target is one thing to collect from. ID is stable over the life of the configuration, Address is as configured.
type Target struct {
	ID      string
	Address string
	Timeout time.Duration // the time that Collect has, for services that like to be told
	Limits  Limits
}

// Limits bound a collection. Zero is unlimited.
type Limits struct {
	Series int   // columns of the layout
	Bytes  int64 // of the uncompressed page
}

// Collection is what one Collect found. As long as the columns are the same, return the same *Layout: then only
// values cross to the engine. A [frame.Builder] does that for sources that think in single samples.
//
// A source may use the memory of Values and Times again from the second Collect of the same target on. Who keeps a
// frame copies them; Serve has sent them by then.
type Collection struct {
	Frame     frame.Frame // Time 0: the moment the engine asked
	Truncated bool        // a limit was hit, the rest was left out
	Bytes     int64       // size of the uncompressed page, where there was one
}

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Client calls the Source service of a plugin: the engine's end of the wire.
type Client struct{ rpc pluginpb.SourceClient }

// NewClient makes a client over a connection.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: pluginpb.NewSourceClient(conn)}
}

// Known is what the engine knows of the layouts of one instance's targets. It outlives connections: a plugin that
// was restarted sends its layouts again, and where a target's columns are the same as before, frames still share the
// layout of before. The zero value is ready.
type Known struct {
	mu      sync.Mutex
	targets map[string]knownLayout
}

type knownLayout struct {
	layout *frame.Layout
	epoch  uint64
	from   *Client // who gave the epoch its meaning
	used   time.Time
}

// get returns what is known of a target. The epoch is 0 unless this client gave it.
func (k *Known) get(c *Client, target string) knownLayout {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry := k.targets[target]
	if entry.from != c {
		entry.epoch = 0
	}
	return entry
}

// put keeps the layout of a target and returns the one to use: the earlier one where the columns are the same.
func (k *Known) put(target string, entry knownLayout) *frame.Layout {
	k.mu.Lock()
	defer k.mu.Unlock()
	earlier, ok := k.targets[target]
	if !ok {
		if k.targets == nil {
			k.targets = map[string]knownLayout{}
		}
		for id, other := range k.targets {
			if entry.used.Sub(other.used) > forgetTarget {
				delete(k.targets, id)
			}
		}
	}
	if entry.layout.Equal(earlier.layout) {
		entry.layout = earlier.layout
	}
	k.targets[target] = entry
	return entry.layout
}

// Collect reads one target once. What the plugin answers is checked: it is not trusted. Errors are those of
// [plugin.FromStatus], or a *[ProtocolError].
func (c *Client) Collect(ctx context.Context, instance string, known *Known, target Target) (Collection, error) {
	asked := time.Now()
	had := known.get(c, target.ID)
	ctx, cancel := context.WithCancel(ctx) // ends the stream where we return early
	defer cancel()
	stream, err := c.rpc.Collect(ctx, &pluginpb.CollectRequest{
		InstanceId: instance, TargetId: target.ID, Address: target.Address, TimeoutNs: int64(target.Timeout),
		KnownEpoch: had.epoch, Differences: true, MaxSeries: uint64(max(target.Limits.Series, 0)), MaxBytes: uint64(max(target.Limits.Bytes, 0)),
	})
	if err != nil {
		return Collection{}, plugin.FromStatus(err)
	}
	r := newReceiver(had, target.Limits)
	for !r.ended {
		response, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return Collection{}, &ProtocolError{"the answer has no End"}
		case err != nil:
			return Collection{}, plugin.FromStatus(err)
		}
		if err := r.take(response); err != nil {
			return Collection{}, &ProtocolError{err.Error()}
		}
	}
	collection := r.collection
	collection.Frame.Layout = known.put(target.ID, knownLayout{layout: r.layout, epoch: r.epoch, from: c, used: asked})
	return collection, nil
}

// ProtocolError says how an answer breaks the protocol. It is a fault of the plugin, not of the target.
type ProtocolError struct{ Detail string }

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("the plugin broke the protocol: %s", e.Detail)
}

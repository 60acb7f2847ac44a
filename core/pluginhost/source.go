package pluginhost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// answerMargin is what a plugin has left, after the time of its call is over, to say so.
const answerMargin = 500 * time.Millisecond

// Source is one configured source.
type Source struct {
	instance *instance
	known    source.Known
}

// Source starts the process of the kind if it does not run, and configures an instance in it. The environment is a
// list of NAME (the engine's value is passed on) and NAME=value; it belongs to the kind and counts when its process
// starts. Secrets are kept out of logs and errors.
func (h *Host) Source(ctx context.Context, kind, name string, settings json.RawMessage, env []string, secrets ...string) (*Source, error) {
	s := &Source{instance: &instance{name: name, settings: settings, secrets: secrets}}
	if err := h.open(ctx, s.instance, key{plugin.RoleSource, kind}, env); err != nil {
		return nil, err
	}
	return s, nil
}

// Collect reads one target once. Frames share their layout as long as the target's columns are the same. An error
// that wraps [ErrUnavailable] says nothing about the target.
func (s *Source) Collect(ctx context.Context, target source.Target) (source.Collection, error) {
	run, err := s.instance.acquire()
	if err != nil {
		return source.Collection{}, err
	}
	timeout := target.Timeout
	if timeout > 0 {
		timeout += answerMargin
	}
	ctx, cancel := bounded(ctx, timeout)
	defer cancel()
	collection, err := run.source.Collect(ctx, s.instance.id, &s.known, target)
	return collection, s.instance.answered(err)
}

// Close removes the instance. The process of the kind ends with its last one.
func (s *Source) Close(ctx context.Context) error { return s.instance.close(ctx) }

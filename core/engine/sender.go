package engine

import (
	"context"
	"errors"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// sender serves a notifier block: the world's, or a plugin process.
func (e *Engine) sender(ctx context.Context, n config.Notifier) (delivery.Sender, error) {
	if e.options.World.Sender != nil {
		return e.options.World.Sender(n)
	}
	plugin, err := e.plugins.Notifier(ctx, n.Kind, n.Name, n.Settings, e.programs.env("notifier", n.Kind), n.Secrets...)
	return sender{plugin}, err
}

// sender is a notifier plugin as delivery sees it. To delivery an error means that nobody knows whether the receiver
// heard; a plugin process that was not even there is a clear no, after which nothing has to be marked as a possible repeat.
type sender struct{ plugin delivery.Sender }

// Send makes one attempt.
func (s sender) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	result, err := s.plugin.Send(ctx, n)
	if errors.Is(err, pluginhost.ErrUnavailable) && !errors.Is(err, pluginhost.ErrInterrupted) {
		return notifier.Result{Outcome: notifier.Retry, Detail: err.Error()}, nil
	}
	return result, err
}

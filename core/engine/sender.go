package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// notifierPart is the name of the part that serves a notifier block.
func notifierPart(ref string) string { return "notifier " + ref }

// prepareReceivers starts and configures the notifier plugins.
func (e *Engine) prepareReceivers(ctx context.Context, s *setup) error {
	for _, n := range s.config.Notifiers {
		sender, err := e.prepareSender(ctx, s, n)
		if err != nil {
			return fmt.Errorf("%s: notifier %q %q: %w", n.Range, n.Kind, n.Name, err)
		}
		ref := n.Ref()
		way := e.outlets[ref]
		if way == nil {
			way = &outlet{now: sender}
		}
		s.senders[ref] = sender
		receiver := delivery.Receiver{Name: n.Name, Ref: ref, Sender: way, SendResolved: n.SendResolved}
		if b := n.PageBudget; b != nil {
			receiver.Budget = delivery.Budget{Pages: b.Pages, Per: b.Per}
		}
		s.receivers = append(s.receivers, receiver)
	}
	return nil
}

// prepareSender serves a notifier block: with what the world has for it, or with a plugin process.
func (e *Engine) prepareSender(ctx context.Context, s *setup, n config.Notifier) (*sender, error) {
	version := config.Version(n.Kind, n.Name, n.Settings, n.Secrets)
	if e.options.World.Sender != nil {
		return obtain(s, notifierPart(n.Ref()), version, func() (*sender, func(context.Context) error, error) {
			plugin, err := e.options.World.Sender(n)
			own := &sender{Sender: e.metrics.counted(n, heard{plugin})}
			return own, own.close, err
		})
	}
	processes := s.processes
	version += s.named[pluginsPart].version
	return obtain(s, notifierPart(n.Ref()), version, func() (*sender, func(context.Context) error, error) {
		plugin, err := processes.Notifier(ctx, n.Kind, n.Name, n.Settings, processes.programs.env("notifier", n.Kind), n.Secrets...)
		if err != nil {
			return nil, nil, err
		}
		own := &sender{Sender: e.metrics.counted(n, heard{plugin})}
		own.inProcess(processes, plugin.Close)
		return own, own.close, nil
	})
}

// outlet is the way to a receiver. The notifier at its end can be replaced at any time: a call that is under way ends with
// the one that it began with.
type outlet struct {
	mu  sync.Mutex
	now *sender // guarded by mu
}

// Send makes one attempt.
func (o *outlet) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	o.mu.Lock()
	s := o.now
	s.calls.Add(1)
	o.mu.Unlock()
	defer s.calls.Done()
	return s.Send(ctx, n)
}

func (o *outlet) use(s *sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = s
}

// sender is a notifier.
type sender struct {
	uses
	delivery.Sender
}

// heard is a notifier plugin as delivery sees it. To delivery an error means that nobody knows whether the receiver
// heard; a plugin process that was not even there is a clear no, after which nothing has to be marked as a possible repeat.
type heard struct{ plugin delivery.Sender }

// Send makes one attempt.
func (h heard) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	result, err := h.plugin.Send(ctx, n)
	if errors.Is(err, pluginhost.ErrUnavailable) && !errors.Is(err, pluginhost.ErrInterrupted) {
		return notifier.Result{Outcome: notifier.Retry, Detail: err.Error()}, nil
	}
	return result, err
}

// Package webhook is the notifier that POSTs a group of alerts as JSON, in the format of Alertmanager's webhook
// (version 4), byte for byte, so that what was written for Alertmanager works unchanged.
//
// Each request carries two headers more: Idempotency-Key and X-Tocsin-Delivery hold the id of the notification, which
// is the same for every attempt at the same content; X-Tocsin-Attempt counts the attempts from 1. A receiver that
// remembers ids for some hours sees each notification exactly once. Those of drills have X-Tocsin-Test: true, too.
//
// Any 2xx is acceptance. 5xx, 429, 408, 425 and no answer are tried again, at Retry-After at the earliest. All else is final.
package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// New returns a notifier that is not configured yet.
func New() notifier.Notifier { return NewOver(nil) }

// NewOver returns one whose calls go through transport instead of the network, for rehearsals; nil is the network.
func NewOver(transport http.RoundTripper) notifier.Notifier { return &webhook{transport: transport} }

type webhook struct {
	transport http.RoundTripper
	current   atomic.Pointer[sender] // nil before Configure
}

func (w *webhook) Schema() schema.Block { return schema.MustOf(Config{}) }

func (w *webhook) Configure(_ context.Context, data []byte) error {
	s, err := newSender(data, w.transport)
	if err != nil {
		return err
	}
	if old := w.current.Swap(s); old != nil {
		old.client.Close()
	}
	return nil
}

func (w *webhook) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	s := w.current.Load()
	if s == nil {
		return notifier.Result{}, errors.New("the webhook notifier is not configured")
	}
	return s.send(ctx, &n)
}

// sender is one configuration at work.
type sender struct {
	config Config
	client *outbound.Client
}

func newSender(data []byte, transport http.RoundTripper) (*sender, error) {
	s := &sender{}
	if err := schema.Decode(data, &s.config); err != nil {
		return nil, err
	}
	if diags := s.config.check(); len(diags) > 0 {
		return nil, diags
	}
	var err error
	s.client, err = outbound.NewClient(outbound.Options{HTTP: s.config.HTTP, Timeout: s.config.Timeout, Transport: transport})
	return s, err
}

func (s *sender) send(ctx context.Context, n *notifier.Notification) (notifier.Result, error) {
	address, err := s.config.address().Read()
	if err != nil {
		return notifier.Result{}, err
	}
	body, err := encode(n, s.config.MaxAlerts)
	if err != nil {
		return notifier.Result{}, err
	}
	answer, err := s.client.Post(ctx, outbound.Call{
		URL: address, Header: deliveryHeader(n), Body: body, Secrets: outbound.URLSecrets(address),
	})
	if err != nil {
		return outbound.Unanswered(err)
	}
	return answer.Result(""), nil
}

func deliveryHeader(n *notifier.Notification) http.Header {
	h := http.Header{}
	if n.ID != "" {
		h.Set("Idempotency-Key", n.ID)
		h.Set("X-Tocsin-Delivery", n.ID)
	}
	h.Set("X-Tocsin-Attempt", strconv.Itoa(max(n.Attempt, 1)))
	if n.Test {
		h.Set("X-Tocsin-Test", "true")
	}
	return h
}

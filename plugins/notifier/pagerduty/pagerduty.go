// Package pagerduty is the notifier that opens and closes incidents through PagerDuty's Events API v2.
//
// A group of alerts is one incident: it is triggered while at least one alert fires, resolved when none does, under the
// dedup_key of the notification, so that any event may be sent twice without harm. What the API takes and answers:
// https://developer.pagerduty.com/docs/events-api-v2-overview
package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// rateLimitPause is how long to wait after a 429 that does not say. PagerDuty counts events over a minute.
const rateLimitPause = 30 * time.Second

// New returns a notifier that is not configured yet.
func New() notifier.Notifier { return NewOver(nil) }

// NewOver returns one whose calls go through transport instead of the network, for rehearsals; nil is the network.
func NewOver(transport http.RoundTripper) notifier.Notifier { return &pagerduty{transport: transport} }

type pagerduty struct {
	transport http.RoundTripper
	current   atomic.Pointer[sender] // nil before Configure
}

func (p *pagerduty) Schema() schema.Block { return schema.MustOf(Config{}) }

func (p *pagerduty) Configure(_ context.Context, data []byte) error {
	s, err := newSender(data, p.transport)
	if err != nil {
		return err
	}
	if old := p.current.Swap(s); old != nil {
		old.client.Close()
	}
	return nil
}

func (p *pagerduty) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	s := p.current.Load()
	if s == nil {
		return notifier.Result{}, errors.New("the pagerduty notifier is not configured")
	}
	return s.send(ctx, &n)
}

// sender is one configuration at work.
type sender struct {
	config    Config
	templates *outbound.Templates
	client    *outbound.Client
}

func newSender(data []byte, transport http.RoundTripper) (*sender, error) {
	s := &sender{}
	if err := schema.Decode(data, &s.config); err != nil {
		return nil, err
	}
	templates, diags := outbound.NewTemplates(data, schema.MustOf(Config{}))
	if diags = append(diags, s.config.check()...); len(diags) > 0 {
		return nil, diags
	}
	s.templates = templates
	var err error
	s.client, err = outbound.NewClient(outbound.Options{HTTP: s.config.HTTP, Timeout: s.config.Timeout, Transport: transport})
	return s, err
}

// send triggers or resolves. An incident that began and ended before PagerDuty took anything is triggered
// first, and resolved when the engine has noted that: a resolve alone would be dropped, and nobody would ever hear of it.
func (s *sender) send(ctx context.Context, n *notifier.Notification) (notifier.Result, error) {
	key, err := s.config.key().Read()
	if err != nil {
		return notifier.Result{}, err
	}
	action, then := actionTrigger, notifier.Delivered
	if !n.Firing() {
		action = actionResolve
		if n.Late && n.Reference == "" {
			action, then = actionTrigger, notifier.Opened
		}
	}
	config, failed := outbound.Render(s.templates, s.config, n)
	if failed != "" {
		n.Note = strings.TrimPrefix(n.Note+"; "+failed, "; ")
	}
	result, err := s.enqueue(ctx, config.event(n, action, key))
	if err != nil || result.Outcome != notifier.Delivered {
		return result, err
	}
	result.Outcome, result.Reference = then, n.DedupKey
	return result, nil
}

func (s *sender) enqueue(ctx context.Context, e event) (notifier.Result, error) {
	body, err := e.encode(maxEvent)
	if err != nil {
		return notifier.Result{}, err
	}
	answer, err := s.client.Post(ctx, outbound.Call{URL: s.config.URL, Body: body, Secrets: []string{e.RoutingKey}})
	if err != nil {
		return outbound.Unanswered(err)
	}
	result := answer.Result(said(answer.Body))
	if answer.Status == http.StatusTooManyRequests && result.RetryAfter == 0 {
		result.RetryAfter = rateLimitPause
	}
	return result, nil
}

// said reads the service's words out of its answer; "" if it is not PagerDuty's JSON.
func said(body []byte) string {
	var answer pd.V2EventResponse
	if json.Unmarshal(body, &answer) != nil || answer.Message == "" && len(answer.Errors) == 0 {
		return ""
	}
	return strings.Join(append([]string{answer.Message}, answer.Errors...), "; ")
}

// Package slack is the notifier that posts to Slack, through an incoming webhook or as a bot.
//
// A webhook gets one message a notification. A bot keeps one message an incident: it posts the first, edits that later
// (chat.update) and, since an edit notifies nobody, also replies in its thread when alerts were added, when the repeat is due
// and when all are resolved. Slack knows no idempotency key: after an attempt without an answer a new message says that
// it may be a repeat. What Slack takes and answers: https://docs.slack.dev/reference/methods/chat.postMessage
package slack

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// New returns a notifier that is not configured yet.
func New() notifier.Notifier { return NewOver(nil) }

// NewOver returns one whose calls go through transport instead of the network, for rehearsals; nil is the network.
func NewOver(transport http.RoundTripper) notifier.Notifier { return &slack{transport: transport} }

type slack struct {
	transport http.RoundTripper
	current   atomic.Pointer[sender] // nil before Configure
}

func (s *slack) Schema() schema.Block { return schema.MustOf(Config{}) }

func (s *slack) Configure(_ context.Context, data []byte) error {
	made, err := newSender(data, s.transport)
	if err != nil {
		return err
	}
	if old := s.current.Swap(made); old != nil {
		old.client.Close()
	}
	return nil
}

func (s *slack) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	current := s.current.Load()
	if current == nil {
		return notifier.Result{}, errors.New("the slack notifier is not configured")
	}
	rendered := *current
	var failed string
	if rendered.config, failed = outbound.Render(current.templates, current.config, &n); failed != "" {
		n.Note = strings.TrimPrefix(n.Note+"; "+failed, "; ")
	}
	if methods, bot := rendered.config.bot(); bot {
		return rendered.sendAsBot(ctx, methods, &n)
	}
	return rendered.sendToWebhook(ctx, &n)
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

func (s *sender) sendToWebhook(ctx context.Context, n *notifier.Notification) (notifier.Result, error) {
	address, err := s.config.webhook().Read()
	if err != nil {
		return notifier.Result{}, err
	}
	m := s.config.message(n)
	m.Channel = s.config.Channel
	called, err := s.call(ctx, address, "", m)
	return called.Result, err
}

// sendAsBot edits the message of the incident; if there is none, or not any more, it posts one.
func (s *sender) sendAsBot(ctx context.Context, methods string, n *notifier.Notification) (notifier.Result, error) {
	token, err := s.config.token().Read()
	if err != nil {
		return notifier.Result{}, err
	}
	b := bot{sender: s, methods: methods, token: token}
	m := s.config.message(n)
	if posted, known := parseReference(n.Reference); known && s.config.UpdateMessage {
		edited, err := b.edit(ctx, posted, m)
		if err != nil || !edited.cannotEdit() {
			if edited.Outcome == notifier.Delivered && s.config.ThreadReplies {
				return b.reply(ctx, n, posted, edited.Result)
			}
			return edited.Result, err
		}
	}
	m.Channel = s.config.Channel
	called, err := b.post(ctx, m)
	return called.Result, err
}

// bot calls the methods of the Web API.
type bot struct {
	*sender
	methods string // URL up to the name of the method
	token   string // "" where http_config authorizes
}

func (b bot) post(ctx context.Context, m message) (outcome, error) {
	return b.call(ctx, b.methods+methodPost, b.token, m)
}

func (b bot) edit(ctx context.Context, posted reference, m message) (outcome, error) {
	m.Channel, m.TS = posted.channel, posted.ts
	edited, err := b.call(ctx, b.methods+"chat.update", b.token, m)
	if edited.Outcome == notifier.Delivered {
		edited.Reference = posted.String()
	}
	return edited, err
}

// reply says in the thread what an edit would not tell anybody. Where Slack may take it later the whole notification is tried
// again (the edit does no harm twice); where it never will, the edit has to do.
func (b bot) reply(ctx context.Context, n *notifier.Notification, posted reference, edited notifier.Result) (notifier.Result, error) {
	text := replyText(n)
	if text == "" {
		return edited, nil
	}
	m := b.config.envelope()
	m.Channel, m.ThreadTS, m.Text = posted.channel, posted.ts, outbound.Marked(n, text)
	replied, err := b.post(ctx, m)
	if err != nil || replied.Outcome == notifier.Retry {
		return replied.Result, err
	}
	if replied.Outcome == notifier.Rejected {
		edited.Detail += "; the reply in the thread was refused: " + replied.Detail
	}
	return edited, nil
}

// call posts one message. token is "" where http_config or the URL itself authorizes.
func (s *sender) call(ctx context.Context, address, token string, m message) (outcome, error) {
	body, err := encode(m)
	if err != nil {
		return outcome{}, err
	}
	call := outbound.Call{URL: address, Header: http.Header{}, Body: body}
	if token != "" {
		call.Header.Set("Authorization", "Bearer "+token)
		call.Secrets = append(call.Secrets, token)
	}
	if s.config.webhook().IsSet() {
		call.Secrets = append(call.Secrets, outbound.URLSecrets(address)...)
	}
	answer, err := s.client.Post(ctx, call)
	if err != nil {
		result, err := outbound.Unanswered(err)
		return outcome{Result: result}, err
	}
	return understand(answer), nil
}

// reference is where a message of the bot is: the channel's id and the message's timestamp, which Slack uses as its id.
type reference struct{ channel, ts string }

func (r reference) String() string { return r.channel + "/" + r.ts }

func parseReference(s string) (reference, bool) {
	channel, ts, ok := strings.Cut(s, "/")
	return reference{channel, ts}, ok && channel != "" && ts != ""
}

package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// services are what the notifiers of one life call.
type services struct{ life *life }

func newServices(l *life) *services { return &services{life: l} }

// open makes the sender of a notifier block: the built-in notifier with its production code, or a stand-in for one of
// somebody else, whose body is the notification as its plugin would get it.
func (s *services) open(ctx context.Context, block config.Notifier) (delivery.Sender, error) {
	to := &service{life: s.life, notifier: block.Ref(), kind: block.Kind, secrets: block.Secrets}
	n := engine.BuiltinNotifier(block.Kind, to)
	if n == nil {
		client, err := outbound.NewClient(outbound.Options{Transport: to})
		if err != nil {
			return nil, err
		}
		n = &foreign{client: client, ref: block.Ref()}
	}
	err := n.Configure(ctx, block.Settings)
	if diags, ok := errors.AsType[schema.Diagnostics](err); ok {
		err = nil
		for _, d := range diags {
			if !d.Warning {
				err = diags
			}
		}
	}
	return &local{to: n, notifier: block.Ref(), life: s.life}, err
}

// local calls a notifier of this process.
type local struct {
	to       notifier.Notifier
	notifier string // its reference
	life     *life
}

// answerMargin is how much earlier than the ledger a plugin gives up, so that it can say so, as core/pluginhost has it.
const answerMargin = 500 * time.Millisecond

// Send implements [delivery.Sender].
func (l *local) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	if deadline, ok := ctx.Deadline(); ok {
		margin := min(answerMargin, time.Until(deadline)/10)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	result, err := notifier.Local(ctx, l.to, n)
	if p := l.life.play; p.targets != nil && err == nil && result.Outcome == notifier.Delivered {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, Told{At: time.Now(), Notifier: l.notifier, Notification: n})
	}
	return result, err
}

// foreign stands in for a notifier plugin that is not built in.
type foreign struct {
	client *outbound.Client
	ref    string
}

func (f *foreign) Schema() schema.Block                    { return schema.Block{} }
func (f *foreign) Configure(context.Context, []byte) error { return nil }

func (f *foreign) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	body, err := json.Marshal(n)
	if err != nil {
		return notifier.Result{}, err
	}
	answer, err := f.client.Post(ctx, outbound.Call{URL: "plugin://" + f.ref, Body: body})
	if err != nil {
		return outbound.Unanswered(err)
	}
	return answer.Result(""), nil
}

// service is the other end of one notifier's calls.
type service struct {
	life     *life
	notifier string
	kind     string
	secrets  []string
}

var (
	errGone         = errors.New("the process was killed")
	errNobody error = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused (the test says so)")}
	errLost         = errors.New("connection reset before an answer came (the test says so)")
)

// RoundTrip implements [http.RoundTripper].
func (s *service) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	_ = req.Body.Close()
	p, now := s.life.play, time.Now()
	since := now.Sub(s.life.start)
	r := &Request{Notifier: s.notifier, URL: s.scrub(req.URL.String()), Body: s.hide(body), Heard: true}
	status, header, text := s.accept(now)
	var lost error
	f := p.serviceFault(s.notifier, since)
	if f != nil {
		r.Heard = f.Kind == config.KindDrop
		switch f.Kind {
		case config.KindRefuse:
			lost, r.Answer = errNobody, "connection refused"
		case config.KindDrop:
			lost, r.Answer = errLost, "heard, the answer is lost"
		case config.KindHang:
			r.Answer = "no answer"
		default:
			status, header, text = f.Status, http.Header{}, f.Body
			if f.RetryAfter > 0 {
				header.Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
			}
			r.Heard = f.Status >= 200 && f.Status < 300
		}
	}
	if r.Answer == "" {
		r.Answer = fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	if !s.life.saw(Event{At: since, Request: r}) {
		return nil, errGone
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn != nil && !errors.Is(lost, errNobody) {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	switch {
	case lost != nil:
		return nil, lost
	case f != nil && f.Kind == config.KindHang:
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	return &http.Response{
		StatusCode: status, Status: strconv.Itoa(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: req,
		Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}

// accept is what the service answers when all is well.
func (s *service) accept(now time.Time) (status int, header http.Header, body string) {
	switch s.kind {
	case "pagerduty":
		return http.StatusAccepted, http.Header{}, `{"status":"success","message":"Event processed"}`
	case "slack": // a webhook would say ok; it is free to say more, and the Web API has to
		return http.StatusOK, http.Header{}, fmt.Sprintf(`{"ok":true,"channel":"C0REHEARSE","ts":"%d.%06d"}`, now.Unix(), now.Nanosecond()/1000)
	}
	return http.StatusOK, http.Header{}, ""
}

// serviceFault is what is wrong with a service at a time, nil for nothing.
func (p *play) serviceFault(notifier string, since time.Duration) *config.TestFault {
	for i := range p.test.Faults {
		f := &p.test.Faults[i]
		if f.What == config.FaultReceiver && (f.Notifier == "" || f.Notifier == notifier) && within(f, since) {
			return f
		}
	}
	return nil
}

// hidden stands where a secret stood.
const hidden = "(sensitive)"

func (s *service) scrub(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}

// hide takes the secrets of the notifier out of what it sent, so that they are in no golden file and no report.
func (s *service) hide(body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return []byte(s.scrub(string(body)))
	}
	return canonical(rewrite(v, s.scrub))
}

// rewrite changes every string in a decoded JSON value.
func rewrite(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			v[i] = rewrite(v[i], change)
		}
	case map[string]any:
		for name := range v {
			v[name] = rewrite(v[name], change)
		}
	}
	return v
}

// canonical writes a decoded JSON value in one way: members sorted, indented, with < and > as they are.
func canonical(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v) // what was decoded can be encoded
	return b.Bytes()
}

// Package outbound is what the built-in notifiers share: one HTTP call to a service under somebody's contract, what its
// answer means for delivery, and the words in which a group of alerts is summed up.
//
// A [Client] makes one attempt. It reads answers up to a bound, follows no redirect to another host, and nothing that
// it returns for people holds a secret: not the URL, not a key that the service echoed.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// MaxAnswer is how much of an answer's body is read, in bytes. More than a person reads, less than hurts.
const MaxAnswer = 64 << 10

// Client calls one service. It may be used concurrently.
type Client struct {
	http    *http.Client
	auth    HTTP
	timeout time.Duration
}

// Options of a [Client].
type Options struct {
	HTTP      HTTP              // the http_config block
	Timeout   time.Duration     // of a call, or until its context ends where that is earlier; 0 leaves it to the context
	Transport http.RoundTripper // nil: the network, as http_config has it
}

// NewClient makes a client. Errors are [schema.Diagnostics] with paths from http_config on.
func NewClient(o Options) (*Client, error) {
	network, diags := o.HTTP.transport()
	if len(diags) > 0 {
		return nil, diags
	}
	if o.Transport == nil {
		o.Transport = network
	}
	return &Client{
		http:    &http.Client{Transport: once{o.Transport}, CheckRedirect: checkRedirect},
		auth:    o.HTTP,
		timeout: o.Timeout,
	}, nil
}

// once sends a request at most once. The transport of net/http sends what has an Idempotency-Key again on its own when a
// connection breaks; the second time would carry the number of the first attempt, and nobody could tell that it is one.
// Where nothing was written yet it still tries another connection.
type once struct{ http.RoundTripper }

func (o once) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		r = r.WithContext(r.Context()) // a copy: GetBody is what a redirect needs
		r.GetBody = nil
	}
	return o.RoundTripper.RoundTrip(r)
}

// Close drops the idle connections. Calls under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// CloseIdleConnections is what [http.Client.CloseIdleConnections] asks a transport for.
func (o once) CloseIdleConnections() {
	if c, ok := o.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Call is one POST.
type Call struct {
	URL     string
	Header  http.Header // besides User-Agent, Content-Type and what http_config sets
	Body    []byte      // JSON
	Secrets []string    // what must not show in [Answer.Text] or an error; those of http_config are added
}

// Answer is what the service answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // the first [MaxAnswer] bytes
	Err    error  // the body ended early

	redactor redactor
}

// LostError is what [Client.Post] returns where a connection was made and no answer came: whether the service took the
// content is unknown.
type LostError struct{ text string }

func (e *LostError) Error() string { return e.text }

// Post makes the call. An error means that no answer came; unless it is a [LostError], the service did not get the
// content. Its text is fit for people.
func (c *Client) Post(ctx context.Context, call Call) (Answer, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %s", c.timeout))
		defer cancel()
	}
	credentials, err := c.auth.credentials()
	if err != nil {
		return Answer{}, err
	}
	redactor := newRedactor(append(credentials.secrets, call.Secrets...))

	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(traced, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, errors.New(redactor.clean("building the request: " + withoutURL(err).Error()))
	}
	maps.Copy(req.Header, call.Header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tocsin")
	credentials.apply(req)

	resp, err := c.http.Do(req)
	if err != nil {
		err = withoutURL(err)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		text := redactor.clean(err.Error())
		if connected.Load() {
			return Answer{}, &LostError{text}
		}
		return Answer{}, errors.New(text)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer))
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: err, redactor: redactor}, nil
}

// withoutURL takes the URL, which may be a secret, out of an error of net/http or net/url.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// checkRedirect follows what keeps method, body and host (307 and 308), for three hops. Everything else is handed back as
// the answer: 301 to 303 would turn the POST into a GET whose 200 says nothing, and another host must not see secrets.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if req.Method != http.MethodPost || len(via) > 3 || !sameOrigin(via[0].URL, req.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// sameOrigin also lets plain HTTP on its usual port be sent on to HTTPS on its.
func sameOrigin(from, to *url.URL) bool {
	if from.Scheme == to.Scheme {
		return from.Host == to.Host
	}
	return from.Scheme == "http" && to.Scheme == "https" && from.Hostname() == to.Hostname() &&
		(from.Port() == "" || from.Port() == "80") && (to.Port() == "" || to.Port() == "443")
}

// Unanswered is what a call that got no answer means to the engine: an error, after which the next attempt is marked as a
// possible repeat, unless the service cannot have got the content.
func Unanswered(err error) (notifier.Result, error) {
	if _, lost := errors.AsType[*LostError](err); lost {
		return notifier.Result{}, err
	}
	return notifier.Result{Outcome: notifier.Retry, Detail: err.Error()}, nil
}

// Blame makes one complaint about the attribute at path, for Configure to return.
func Blame(summary string, path ...string) schema.Diagnostic {
	return schema.Diagnostic{Path: path, Summary: summary}
}

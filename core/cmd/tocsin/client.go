package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// clientTimeout bounds one call of an engine.
const clientTimeout = 30 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 20

// clientFlags are the flags of commands that speak to a running engine.
func clientFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "addr", Aliases: []string{"url"}, Value: "127.0.0.1:9095", Sources: cli.EnvVars("TOCSIN_ADDR"),
			Usage: "`ADDRESS` of the engine: host:port, a URL (with user:password@ where it wants one), or unix:PATH",
		},
		&cli.StringFlag{Name: "token-file", Sources: cli.EnvVars("TOCSIN_TOKEN_FILE"), Usage: "`FILE` with the bearer token to send (or the token itself is in TOCSIN_TOKEN)"},
		&cli.StringFlag{Name: "ca-file", Sources: cli.EnvVars("TOCSIN_CA_FILE"), Usage: "`FILE` with the certificates of authorities to trust, instead of the system's"},
	}
}

// client speaks to a running engine.
type client struct {
	base  string
	token string
	http  http.Client
}

// newClient makes the client that clientFlags describe.
func newClient(cmd *cli.Command) (*client, error) {
	c := &client{http: http.Client{Timeout: clientTimeout}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	c.http.Transport = transport
	address := strings.TrimSuffix(cmd.String("addr"), "/")
	switch path, isSocket := strings.CutPrefix(address, "unix:"); {
	case isSocket:
		c.base = "http://unix"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
	case strings.Contains(address, "://"):
		c.base = address
	default:
		c.base = "http://" + address
	}
	if _, err := url.Parse(c.base); err != nil {
		return nil, errors.New("-addr: want host:port, a URL or unix:PATH") // the error would show a password in it
	}
	if file := cmd.String("token-file"); file != "" {
		token, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("-token-file: %w", err)
		}
		c.token = strings.TrimSpace(string(token))
	} else {
		c.token = strings.TrimSpace(os.Getenv("TOCSIN_TOKEN"))
	}
	if file := cmd.String("ca-file"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("-ca-file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-ca-file: there is no certificate in %s", file)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return c, nil
}

// refusal is an answer that says no.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// call makes one request; in is sent as JSON if it is not nil, and the answer decoded into out if that is not nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", withoutURL(err))
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the engine at %s: %w. Does it run? -addr or TOCSIN_ADDR says where", request.URL.Redacted(), withoutURL(err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("read the engine's answer: %w", err)
	case response.StatusCode/100 != 2:
		return &refusal{response.StatusCode, said(response.Status, text)}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the engine's answer: %w. Is %s a Tocsin?", err, request.URL.Redacted())
	}
	return nil
}

// withoutURL is an error of net/http without the URL, which may hold a password.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// said is what a refusal says: Alertmanager's API answers with a JSON string, others with text.
func said(status string, text []byte) string {
	var message string
	if json.Unmarshal(text, &message) == nil && message != "" {
		return message
	}
	if message = strings.TrimSpace(string(text)); message != "" && len(message) < 2000 {
		return message
	}
	return "the engine answered " + status
}

package httpsource

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
)

// endpoint is where a target's page is.
type endpoint struct {
	url    string
	socket string // path of a unix socket to dial instead of the host; "" for none
}

// endpointOf reads a target: host:port, a URL (also //host:port/path, whose scheme is the configured one), or
// unix:/path/of/socket.
func (s *settings) endpointOf(address string) (endpoint, error) {
	u := &url.URL{Scheme: s.Scheme, Host: address, Path: s.Path}
	var socket string
	switch path, isSocket := strings.CutPrefix(address, "unix:"); {
	case isSocket:
		socket = strings.TrimPrefix(path, "//")
		if !strings.HasPrefix(socket, "/") {
			return endpoint{}, fmt.Errorf("target %q: a unix socket is written unix:/path/of/socket", address)
		}
		u.Host = "localhost"
	case strings.Contains(address, "://"), strings.HasPrefix(address, "//"):
		var err error
		if u, err = url.Parse(address); err != nil {
			return endpoint{}, fmt.Errorf("target is no URL: %w", err)
		}
		u.Scheme = cmp.Or(u.Scheme, s.Scheme)
		if u.Scheme != "http" && u.Scheme != "https" {
			return endpoint{}, fmt.Errorf("target %q: scheme %q is not supported, write http:// or https://", u.Redacted(), u.Scheme)
		}
		if u.Path == "" {
			u.Path = s.Path
		}
	}
	if u.Host == "" || strings.ContainsAny(u.Host, "/ ?#@") {
		return endpoint{}, fmt.Errorf("target %q: write host:port, a URL or unix:/path/of/socket", address)
	}
	if len(s.Params) > 0 {
		query := u.Query()
		for name, value := range s.Params {
			query.Add(name, value)
		}
		u.RawQuery = query.Encode()
	}
	return endpoint{url: u.String(), socket: socket}, nil
}

// String is the URL without credentials, and the socket.
func (e endpoint) String() string {
	text := e.url
	if u, err := url.Parse(e.url); err == nil {
		text = u.Redacted()
	}
	if e.socket != "" {
		text += " over " + e.socket
	}
	return text
}

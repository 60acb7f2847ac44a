package httpsource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	promconfig "github.com/prometheus/common/config"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// clients are the HTTP clients of one configuration: one for the network, and one for each unix socket, because
// idle connections are pooled by host name.
//
// They come from Prometheus' own package, for what is easily got wrong: credentials that must not follow a redirect
// to another host, files of secrets and certificates that change while we run, OAuth2. It adds 1 MB to the binary
// (shared by all processes) and 0.4 MB to each process.
type clients struct {
	config promconfig.HTTPClientConfig

	mu      sync.Mutex
	network *http.Client
	sockets map[string]*http.Client // by path
}

// newClients reads certificates, but does not touch the network.
func newClients(s *settings) (*clients, error) {
	config, err := s.clientConfig()
	if err != nil {
		return nil, err
	}
	network, err := promconfig.NewClientFromConfig(config, "http source")
	if err != nil {
		return nil, schema.Diagnostics{{Path: []string{"tls"}, Summary: err.Error()}}
	}
	return &clients{config: config, network: network, sockets: map[string]*http.Client{}}, nil
}

// of returns the client for an endpoint.
func (c *clients) of(e endpoint) (*http.Client, error) {
	if e.socket == "" {
		return c.network, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if client, ok := c.sockets[e.socket]; ok {
		return client, nil
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", e.socket)
	}
	client, err := promconfig.NewClientFromConfig(c.config, "http source", promconfig.WithDialContextFunc(dial))
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", e.socket, err)
	}
	c.sockets[e.socket] = client
	return client, nil
}

// close closes idle connections; those in use close when their request is done.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.network.CloseIdleConnections()
	for _, client := range c.sockets {
		client.CloseIdleConnections()
	}
}

// clientConfig says the settings in the words of Prometheus.
func (s *settings) clientConfig() (promconfig.HTTPClientConfig, error) {
	config := promconfig.HTTPClientConfig{
		BearerToken:     promconfig.Secret(s.BearerToken),
		BearerTokenFile: s.BearerTokenFile,
		FollowRedirects: s.FollowRedirects,
		EnableHTTP2:     s.EnableHTTP2,
		TLSConfig: promconfig.TLSConfig{
			CAFile: s.TLS.CAFile, CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile,
			ServerName: s.TLS.ServerName, InsecureSkipVerify: s.TLS.InsecureSkipVerify,
			MinVersion: promconfig.TLSVersions[s.TLS.MinVersion], MaxVersion: promconfig.TLSVersions[s.TLS.MaxVersion],
		},
		ProxyConfig: promconfig.ProxyConfig{NoProxy: s.NoProxy, ProxyFromEnvironment: s.ProxyFromEnvironment},
	}
	if s.ProxyURL != "" {
		proxy, err := url.Parse(s.ProxyURL)
		if err != nil {
			return config, fmt.Errorf("proxy_url: %w", err)
		}
		config.ProxyURL = promconfig.URL{URL: proxy}
	}
	if a := s.BasicAuth; a != nil {
		config.BasicAuth = &promconfig.BasicAuth{
			Username: a.Username, UsernameFile: a.UsernameFile, Password: promconfig.Secret(a.Password), PasswordFile: a.PasswordFile,
		}
	}
	if a := s.Authorization; a != nil {
		config.Authorization = &promconfig.Authorization{
			Type: a.Type, Credentials: promconfig.Secret(a.Credentials), CredentialsFile: a.CredentialsFile,
		}
	}
	if o := s.OAuth2; o != nil {
		config.OAuth2 = &promconfig.OAuth2{
			ClientID: o.ClientID, ClientSecret: promconfig.Secret(o.ClientSecret), ClientSecretFile: o.ClientSecretFile,
			TokenURL: o.TokenURL, Scopes: o.Scopes, EndpointParams: o.EndpointParams,
			TLSConfig: config.TLSConfig, ProxyConfig: config.ProxyConfig,
		}
	}
	if len(s.Headers) > 0 {
		headers := map[string]promconfig.Header{}
		for name, value := range s.Headers {
			headers[name] = promconfig.Header{Secrets: []promconfig.Secret{promconfig.Secret(value)}}
		}
		config.HTTPHeaders = &promconfig.Headers{Headers: headers}
	}
	if err := config.Validate(); err != nil {
		return config, schema.Diagnostics{{Summary: err.Error()}}
	}
	return config, nil
}

// plainError makes an error of the client readable: url.Error repeats the method and URL, which the caller says too.
func plainError(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	if u.Timeout() {
		return fmt.Errorf("no complete answer in time: %w", u.Err)
	}
	if strings.Contains(u.Err.Error(), "stopped after") {
		return fmt.Errorf("redirected without end: %w", u.Err)
	}
	return u.Err
}

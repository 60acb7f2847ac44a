package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// HTTP is the http_config block of a notifier. Names are Alertmanager's.
type HTTP struct {
	BasicAuth     *BasicAuth        `config:"basic_auth"`
	Authorization *Authorization    `config:"authorization"`
	TLS           *TLS              `config:"tls_config"`
	ProxyURL      string            `config:"proxy_url" format:"url" sensitive:"true" doc:"Proxy for all calls. Without it HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the plugin's environment count."`
	Headers       map[string]string `config:"headers" sensitive:"true" doc:"Headers to add to each call."`
}

// BasicAuth is a user name and password.
type BasicAuth struct {
	Username     string `config:"username" required:"true"`
	Password     string `config:"password" sensitive:"true"`
	PasswordFile string `config:"password_file" doc:"File to read the password from at each call."`
}

// Authorization is an Authorization header.
type Authorization struct {
	Type            string `config:"type" default:"Bearer"`
	Credentials     string `config:"credentials" sensitive:"true"`
	CredentialsFile string `config:"credentials_file" doc:"File to read the credentials from at each call."`
}

// TLS is how to trust the service and be trusted by it. Files are read when the block is configured.
type TLS struct {
	CAFile             string `config:"ca_file" doc:"Certificates to trust instead of the system's, PEM."`
	CertFile           string `config:"cert_file" doc:"Certificate to show to the service, PEM."`
	KeyFile            string `config:"key_file" doc:"Key of cert_file, PEM."`
	ServerName         string `config:"server_name" doc:"Name that the service's certificate must bear, where it is not that of the URL."`
	InsecureSkipVerify bool   `config:"insecure_skip_verify" doc:"Trust any certificate."`
}

// AuthorizesItself tells whether the block sets the Authorization header.
func (h HTTP) AuthorizesItself() bool { return h.BasicAuth != nil || h.Authorization != nil }

func (b *BasicAuth) secret() Secret {
	return Secret{Name: "password", Value: b.Password, File: b.PasswordFile}
}

func (a *Authorization) secret() Secret {
	return Secret{Name: "credentials", Value: a.Credentials, File: a.CredentialsFile}
}

// block is the name that the notifiers give to HTTP.
const block = "http_config"

func (h HTTP) transport() (*http.Transport, schema.Diagnostics) {
	diags := h.check()
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    64, // as many as are under way to one receiver at the same time: none is dialled anew in a storm
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: MaxAnswer,
	}
	if h.ProxyURL != "" {
		proxy, err := url.Parse(h.ProxyURL)
		if err != nil || proxy.Host == "" {
			diags = append(diags, Blame("is not a URL", block, "proxy_url"))
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	if h.TLS != nil {
		config, more := h.TLS.config()
		t.TLSClientConfig, diags = config, append(diags, more...)
	}
	return t, diags
}

func (h HTTP) check() schema.Diagnostics {
	var diags schema.Diagnostics
	if h.BasicAuth != nil && h.Authorization != nil {
		diags = append(diags, Blame("set basic_auth or authorization, not both", block, "authorization"))
	}
	if h.BasicAuth != nil {
		diags = append(diags, h.BasicAuth.secret().Check(block, "basic_auth")...)
	}
	if a := h.Authorization; a != nil {
		diags = append(diags, a.secret().Check(block, "authorization")...)
		if !a.secret().IsSet() {
			diags = append(diags, Blame("needs credentials or credentials_file", block, "authorization"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(h.Headers[name]) {
			diags = append(diags, Blame(fmt.Sprintf("%q is not a header that can be sent", name), block, "headers"))
		}
		if h.AuthorizesItself() && http.CanonicalHeaderKey(name) == "Authorization" {
			diags = append(diags, Blame("sets Authorization, and so does another block", block, "headers"))
		}
	}
	return diags
}

func (t *TLS) config() (*tls.Config, schema.Diagnostics) {
	var diags schema.Diagnostics
	blame := func(name, summary string) {
		diags = append(diags, Blame(summary, block, "tls_config", name))
	}
	config := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify} // TLS 1.2 and up
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		config.RootCAs = x509.NewCertPool()
		if err != nil {
			blame("ca_file", err.Error())
		} else if !config.RootCAs.AppendCertsFromPEM(pem) {
			blame("ca_file", "holds no PEM certificate")
		}
	}
	switch {
	case t.CertFile == "" && t.KeyFile == "":
	case t.CertFile == "" || t.KeyFile == "":
		blame("cert_file", "cert_file and key_file go together")
	default:
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			blame("cert_file", err.Error())
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, diags
}

// credentials is what http_config adds to one request.
type credentials struct {
	header  http.Header
	host    string
	secrets []string
}

func (h HTTP) credentials() (credentials, error) {
	c := credentials{header: http.Header{}}
	for name, value := range h.Headers {
		if name = http.CanonicalHeaderKey(name); name == "Host" {
			c.host = value
		} else {
			c.header.Set(name, value)
			c.secrets = append(c.secrets, value)
		}
	}
	if b := h.BasicAuth; b != nil {
		password, err := b.secret().Read()
		if err != nil {
			return credentials{}, err
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(b.Username + ":" + password))
		c.header.Set("Authorization", "Basic "+encoded)
		c.secrets = append(c.secrets, password, encoded)
	}
	if a := h.Authorization; a != nil {
		value, err := a.secret().Read()
		if err != nil {
			return credentials{}, err
		}
		c.header.Set("Authorization", a.Type+" "+value)
		c.secrets = append(c.secrets, value)
	}
	if proxy, err := url.Parse(h.ProxyURL); err == nil {
		if password, ok := proxy.User.Password(); ok {
			c.secrets = append(c.secrets, password)
		}
	}
	return c, nil
}

func (c credentials) apply(req *http.Request) {
	maps.Copy(req.Header, c.header)
	if c.host != "" {
		req.Host = c.host
	}
}

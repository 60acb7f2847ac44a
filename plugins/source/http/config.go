package httpsource

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// settings is the block of an http source without what belongs to every source (targets, interval, timeout, labels).
// Names are those of Prometheus' scrape_config.
type settings struct {
	Path   string            `config:"path" default:"/metrics" pattern:"^/" doc:"Path of the page, for targets that are not a URL with a path of their own."`
	Scheme string            `config:"scheme" default:"http" enum:"http,https" doc:"Scheme for targets that are not a URL."`
	Params map[string]string `config:"params" doc:"Query parameters, added to those of a target that is a URL."`

	Headers         map[string]string `config:"headers" doc:"Request headers to add."`
	BasicAuth       *basicAuth        `config:"basic_auth"`
	Authorization   *authorization    `config:"authorization"`
	BearerToken     string            `config:"bearer_token" sensitive:"true" doc:"Sent as Authorization: Bearer."`
	BearerTokenFile string            `config:"bearer_token_file" doc:"File with the bearer token, read for each request."`
	OAuth2          *oauth2           `config:"oauth2"`
	TLS             tlsBlock          `config:"tls"`

	ProxyURL             string `config:"proxy_url" format:"url" doc:"Proxy to go through."`
	NoProxy              string `config:"no_proxy" doc:"Comma-separated hosts, domains and networks that are reached without proxy_url."`
	ProxyFromEnvironment bool   `config:"proxy_from_environment" doc:"Take the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY."`
	FollowRedirects      bool   `config:"follow_redirects" default:"true" doc:"Follow redirects, ten at most."`
	EnableHTTP2          bool   `config:"enable_http2" default:"true" doc:"Speak HTTP/2 where a TLS target offers it."`
	EnableCompression    bool   `config:"enable_compression" default:"true" doc:"Ask for gzip."`

	ScrapeProtocols        []string `config:"scrape_protocols" default:"[\"OpenMetricsText1.0.0\",\"OpenMetricsText0.0.1\",\"PrometheusText1.0.0\",\"PrometheusText0.0.4\"]" enum:"PrometheusProto,OpenMetricsText1.0.0,OpenMetricsText0.0.1,PrometheusText1.0.0,PrometheusText0.0.4" doc:"Formats to ask for, the preferred one first."`
	FallbackScrapeProtocol string   `config:"fallback_scrape_protocol" enum:"PrometheusProto,OpenMetricsText1.0.0,OpenMetricsText0.0.1,PrometheusText1.0.0,PrometheusText0.0.4" doc:"Format of answers whose Content-Type is missing or unknown; without it they are a failed scrape."`
	BodySizeLimit          string   `config:"body_size_limit" default:"64MiB" pattern:"^[0-9]+ *([KMG]i?B|B)?$" doc:"Uncompressed bytes to read of a page; of a longer one what fits is kept."`
	ScrapeNativeHistograms bool     `config:"scrape_native_histograms" doc:"Keep native histograms too, each as a column for its count, its sum and each bucket. Only PrometheusProto has them; it is asked for first if scrape_protocols does not name it."`
	BucketLimit            int      `config:"native_histogram_bucket_limit" default:"160" min:"1" doc:"Buckets to keep of a native histogram; one that has more is kept with wider ones."`
	HonorTimestamps        bool     `config:"honor_timestamps" default:"true" doc:"Use the timestamps that the page gives; otherwise the time of the scrape."`
}

type basicAuth struct {
	Username     string `config:"username" doc:"User name."`
	UsernameFile string `config:"username_file" doc:"File with the user name."`
	Password     string `config:"password" sensitive:"true" doc:"Password."`
	PasswordFile string `config:"password_file" doc:"File with the password, read for each request."`
}

type authorization struct {
	Type            string `config:"type" default:"Bearer" doc:"First word of the Authorization header."`
	Credentials     string `config:"credentials" sensitive:"true" doc:"The rest of it."`
	CredentialsFile string `config:"credentials_file" doc:"File with the credentials, read for each request."`
}

type oauth2 struct {
	ClientID         string            `config:"client_id" required:"true" doc:"Client identifier."`
	ClientSecret     string            `config:"client_secret" sensitive:"true" doc:"Client secret."`
	ClientSecretFile string            `config:"client_secret_file" doc:"File with the client secret."`
	TokenURL         string            `config:"token_url" required:"true" format:"url" doc:"Where tokens are issued."`
	Scopes           []string          `config:"scopes" doc:"Scopes to ask for."`
	EndpointParams   map[string]string `config:"endpoint_params" doc:"Parameters to add to the token request."`
}

type tlsBlock struct {
	CAFile             string `config:"ca_file" doc:"Certificates to trust, PEM; default: those of the system."`
	CertFile           string `config:"cert_file" doc:"Client certificate, PEM."`
	KeyFile            string `config:"key_file" doc:"Key of the client certificate, PEM."`
	ServerName         string `config:"server_name" doc:"Name that the target's certificate must carry; default: the host."`
	MinVersion         string `config:"min_version" enum:"TLS10,TLS11,TLS12,TLS13" doc:"Oldest version to accept; default: Go's, TLS12."`
	MaxVersion         string `config:"max_version" enum:"TLS10,TLS11,TLS12,TLS13" doc:"Newest version to offer."`
	InsecureSkipVerify bool   `config:"insecure_skip_verify" doc:"Accept any certificate."`
}

// decode fills settings from JSON and checks what the schema cannot say.
func decode(config []byte) (settings, error) {
	var s settings
	if err := schema.Decode(config, &s); err != nil {
		return settings{}, err
	}
	if s.ScrapeNativeHistograms && !slices.Contains(s.ScrapeProtocols, "PrometheusProto") {
		s.ScrapeProtocols = append([]string{"PrometheusProto"}, s.ScrapeProtocols...)
	}
	if diags := s.check(); len(diags) > 0 {
		return settings{}, diags
	}
	return s, nil
}

// check complains about combinations. It never quotes a secret.
func (s *settings) check() schema.Diagnostics {
	var diags schema.Diagnostics
	blame := func(summary string, path ...string) {
		diags = append(diags, schema.Diagnostic{Path: path, Summary: summary})
	}
	if _, err := parseSize(s.BodySizeLimit); err != nil {
		blame(err.Error(), "body_size_limit")
	}
	if err := checkProtocols(s.ScrapeProtocols); err != nil {
		blame(err.Error(), "scrape_protocols")
	}
	if (s.TLS.CertFile == "") != (s.TLS.KeyFile == "") {
		blame("cert_file and key_file come together", "tls", "cert_file")
	}
	for name := range s.Headers {
		if slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			blame(fmt.Sprintf("header %s is set by the scrape itself; use basic_auth, authorization, bearer_token, enable_compression or scrape_protocols", name), "headers")
		}
	}
	if s.ProxyURL != "" {
		if u, err := url.Parse(s.ProxyURL); err != nil || u.Host == "" {
			blame("is not a URL such as http://proxy:3128", "proxy_url")
		}
	}
	diags = append(diags, s.checkFiles()...)
	return append(diags, s.checkCredentials()...)
}

// checkFiles refuses relative paths: a plugin runs in a directory of its own, they would not mean what was meant.
func (s *settings) checkFiles() schema.Diagnostics {
	files := map[string]string{
		"bearer_token_file": s.BearerTokenFile, "tls.ca_file": s.TLS.CAFile, "tls.cert_file": s.TLS.CertFile, "tls.key_file": s.TLS.KeyFile,
	}
	if a := s.BasicAuth; a != nil {
		files["basic_auth.username_file"], files["basic_auth.password_file"] = a.UsernameFile, a.PasswordFile
	}
	if a := s.Authorization; a != nil {
		files["authorization.credentials_file"] = a.CredentialsFile
	}
	if o := s.OAuth2; o != nil {
		files["oauth2.client_secret_file"] = o.ClientSecretFile
	}
	var diags schema.Diagnostics
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if file := files[path]; file != "" && !filepath.IsAbs(file) {
			diags = append(diags, schema.Diagnostic{Path: strings.Split(path, "."), Summary: fmt.Sprintf("file %q must be an absolute path", file)})
		}
	}
	return diags
}

// checkCredentials allows one way to authenticate.
func (s *settings) checkCredentials() schema.Diagnostics {
	var ways []string
	if s.BasicAuth != nil {
		ways = append(ways, "basic_auth")
	}
	if s.Authorization != nil {
		ways = append(ways, "authorization")
	}
	if s.BearerToken != "" {
		ways = append(ways, "bearer_token")
	}
	if s.BearerTokenFile != "" {
		ways = append(ways, "bearer_token_file")
	}
	if s.OAuth2 != nil {
		ways = append(ways, "oauth2")
	}
	if len(ways) < 2 {
		return nil
	}
	return schema.Diagnostics{{
		Path:    []string{ways[1]},
		Summary: "only one way to authenticate is possible, there are " + strings.Join(ways, ", "),
	}}
}

// ownHeaders are the request headers that headers must not replace.
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Host", "Keep-Alive",
	"Proxy-Authorization", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds",
}

// parseSize reads a number of bytes with an optional unit. As in Prometheus KB and KiB are both 1024 bytes.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, " KMGiB")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is not a size such as 64MiB")
	}
	unit := strings.TrimSpace(text[len(digits):])
	shift, ok := map[string]int{"": 0, "B": 0, "KB": 10, "KiB": 10, "MB": 20, "MiB": 20, "GB": 30, "GiB": 30}[unit]
	if !ok {
		return 0, fmt.Errorf("is not a size such as 64MiB")
	}
	// Offsets into a page are 32 bits wide.
	if n <= 0 || n > math.MaxInt32>>shift {
		return 0, fmt.Errorf("must be more than 0 and less than 2GiB")
	}
	return n << shift, nil
}

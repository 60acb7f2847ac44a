package httpsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/schema"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write golden files")

// configured returns a source with the given configuration.
func configured(t testing.TB, config string) *scraper {
	t.Helper()
	s := &scraper{}
	if err := s.Configure(t.Context(), []byte(config)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve starts a server that answers with handler.
func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// text answers with a page of text.
func text(page string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentTypes[promText])
		_, _ = w.Write([]byte(page))
	}
}

// collect collects once, with more time than a test should need.
func collect(t testing.TB, s *scraper, address string) (source.Collection, error) {
	t.Helper()
	return s.Collect(t.Context(), source.Target{ID: "t", Address: address, Timeout: 30 * time.Second})
}

func mustCollect(t testing.TB, s *scraper, address string) source.Collection {
	t.Helper()
	c, err := collect(t, s, address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shown is a frame for people: one line for each series.
func shown(f frame.Frame) string {
	var b strings.Builder
	for i, s := range f.Layout.Series {
		fmt.Fprintf(&b, "%s %v", s.Labels, f.Values[i])
		if f.Times != nil {
			fmt.Fprintf(&b, " @%d", f.Times[i])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func address(server *httptest.Server) string { return server.Listener.Addr().String() }

// TestPages scrapes pages of real exporters and compares every series and value with what Prometheus' parser reads.
func TestPages(t *testing.T) {
	for _, exported := range exportedPages(t) {
		page, f := exported.text, exported.format
		want, err := oracle(page, f)
		if err != nil || len(want) == 0 {
			t.Fatal(exported.name, len(want), err)
		}
		for _, compress := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s gzip=%v", exported.name, compress), func(t *testing.T) {
				server := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", contentTypes[f])
					if r.Header.Get("Accept-Encoding") == "gzip" {
						w.Header().Set("Content-Encoding", "gzip")
						z := gzip.NewWriter(w)
						defer z.Close()
						_, _ = z.Write(page)
						return
					}
					_, _ = w.Write(page)
				})
				s := configured(t, fmt.Sprintf(`{"enable_compression":%v}`, compress))
				var layout *frame.Layout
				for range 3 {
					c := mustCollect(t, s, address(server))
					if c.Truncated || c.Bytes != int64(len(page)) {
						t.Errorf("truncated %v, %d bytes of %d", c.Truncated, c.Bytes, len(page))
					}
					got := withoutKinds(samplesOf(t, c.Frame.Layout, row{values: c.Frame.Values, stamps: c.Frame.Times}))
					if d := diff(want, got); d != "" {
						t.Error(d)
					}
					if layout != nil && layout != c.Frame.Layout {
						t.Error("a new layout for the same page")
					}
					layout = c.Frame.Layout
				}
			})
		}
	}
}

// TestPageFormats: the formats of one page name the same series with the same kinds.
func TestPageFormats(t *testing.T) {
	kinds := map[string]map[string]frame.Kind{}
	for _, exported := range exportedPages(t) {
		samples, err := readText(t, &page{}, exported.text, exported.format)
		if err != nil {
			t.Fatal(err)
		}
		kinds[exported.name] = map[string]frame.Kind{}
		for _, s := range samples {
			kinds[exported.name][s.Labels] = s.Kind
		}
	}
	seen, compared := map[frame.Kind]int{}, 0
	for series, kind := range kinds["prometheus.prom"] {
		seen[kind]++
		for _, other := range []string{"prometheus.prom in OpenMetrics", "prometheus.pb"} {
			if k, ok := kinds[other][series]; ok {
				compared++
				if k != kind {
					t.Errorf("%s: kind %d in text, %d in %s", series, kind, k, other)
				}
			}
		}
	}
	if seen[frame.Counter] < 100 || seen[frame.Gauge] < 50 || seen[frame.Histogram] < 50 || seen[frame.Summary] < 20 || compared < 1000 {
		t.Errorf("kinds: %v, compared %d", seen, compared)
	}
}

func TestRequest(t *testing.T) {
	const accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
	for name, c := range map[string]struct {
		config, target string
		timeout        time.Duration
		url            string
		header         map[string]string
	}{
		"defaults": {
			config: `{}`, target: "HOST", timeout: 10 * time.Second, url: "/metrics",
			header: map[string]string{
				"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": userAgent(), "X-Prometheus-Scrape-Timeout-Seconds": "10",
			},
		},
		"protobuf first": {
			config: `{"scrape_protocols":["PrometheusProto","PrometheusText0.0.4"],"enable_compression":false}`, target: "HOST",
			timeout: 1500 * time.Millisecond, url: "/metrics",
			header: map[string]string{
				"Accept":          "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
				"Accept-Encoding": "identity", "X-Prometheus-Scrape-Timeout-Seconds": "1.5",
			},
		},
		"path, params, headers": {
			config: `{"path":"/probe","params":{"module":"http","target":"a b"},"headers":{"X-Scope-OrgID":"1"}}`, target: "HOST",
			url: "/probe?module=http&target=a+b", header: map[string]string{"X-Scope-Orgid": "1"},
		},
		"URL":               {config: `{"path":"/no"}`, target: "http://HOST/own?x=1&x=2", url: "/own?x=1&x=2"},
		"URL without path":  {config: `{"path":"/yes","params":{"b":"2"}}`, target: "http://HOST?a=1", url: "/yes?a=1&b=2"},
		"URL with slash":    {config: `{}`, target: "http://HOST/", url: "/"},
		"URL with password": {config: `{}`, target: "http://u:p@HOST/", url: "/", header: map[string]string{"Authorization": "Basic dTpw"}},
		"basic":             {config: `{"basic_auth":{"username":"u","password":"p"}}`, target: "HOST", url: "/metrics", header: map[string]string{"Authorization": "Basic dTpw"}},
		"bearer":            {config: `{"bearer_token":"tok"}`, target: "HOST", url: "/metrics", header: map[string]string{"Authorization": "Bearer tok"}},
		"authorization": {
			config: `{"authorization":{"type":"Token","credentials":"tok"}}`, target: "HOST", url: "/metrics",
			header: map[string]string{"Authorization": "Token tok"},
		},
		"authorization, default type": {
			config: `{"authorization":{"credentials":"tok"}}`, target: "HOST", url: "/metrics",
			header: map[string]string{"Authorization": "Bearer tok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan *http.Request, 1)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got <- r
				text("up 1\n")(w, r)
			})
			s := configured(t, c.config)
			target := source.Target{Address: strings.Replace(c.target, "HOST", address(server), 1), Timeout: c.timeout}
			if _, err := s.Collect(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			r := <-got
			if r.Method != http.MethodGet || r.URL.String() != c.url {
				t.Errorf("%s %s, want %s", r.Method, r.URL, c.url)
			}
			for header, want := range c.header {
				if values := r.Header[header]; len(values) != 1 || values[0] != want {
					t.Errorf("%s: %q, want %q", header, values, want)
				}
			}
		})
	}
}

func TestBadTargets(t *testing.T) {
	s := configured(t, `{}`)
	for target, want := range map[string]string{
		"":                        "write host:port",
		"ftp://host/x":            `scheme "ftp" is not supported`,
		"http://u:secret@/x":      "write host:port",
		"host/path":               "write host:port",
		"unix:relative":           "unix:/path/of/socket",
		"http://[::1":             "target is no URL",
		"ldap://u:secret@h/x":     `ldap://u:xxxxx@h/x`,
		"user:secret@host:80/abc": "write host:port",
	} {
		_, err := collect(t, s, target)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", target, err, want)
		}
	}
}

func TestCredentialFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	var got atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		text("up 1\n")(w, r)
	})
	s := configured(t, fmt.Sprintf(`{"bearer_token_file":%q}`, file))
	if _, err := collect(t, s, address(server)); err == nil {
		t.Error("no error without the file")
	}
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		mustCollect(t, s, address(server))
		if got.Load() != "Bearer "+token {
			t.Errorf("sent %q", got.Load())
		}
	}
}

// TestRedirectKeepsSecrets: credentials do not follow a redirect to another host.
func TestRedirectKeepsSecrets(t *testing.T) {
	for _, config := range []string{
		`{"bearer_token":"tok"}`, `{"basic_auth":{"username":"u","password":"p"}}`, `{"authorization":{"credentials":"tok"}}`,
	} {
		var leaked atomic.Value
		other := serve(t, func(w http.ResponseWriter, r *http.Request) {
			leaked.Store(r.Header.Get("Authorization"))
			text("up 1\n")(w, r)
		})
		_, port, _ := strings.Cut(address(other), ":")
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:"+port+"/metrics", http.StatusFound)
		})
		mustCollect(t, configured(t, config), address(server))
		if leaked.Load() != "" {
			t.Errorf("%s: %q was sent to another host", config, leaked.Load())
		}
	}
}

func TestFrames(t *testing.T) {
	var answer atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { text(answer.Load().(string))(w, r) })
	s := configured(t, `{}`)
	step := func(page, want string) source.Collection {
		t.Helper()
		answer.Store(page)
		c := mustCollect(t, s, address(server))
		if err := c.Frame.Check(); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, shown(c.Frame)); d != "" {
			t.Error(d)
		}
		return c
	}
	a := step("a{x=\"1\"} 1\nb 2\n", "a{x=\"1\"} 1\nb{} 2\n")
	if a.Frame.Time != 0 || a.Frame.Times != nil {
		t.Errorf("time %d, times %v without timestamps", a.Frame.Time, a.Frame.Times)
	}
	b := step("a{x=\"1\"} 3\nb 4\n", "a{x=\"1\"} 3\nb{} 4\n")
	if a.Frame.Layout != b.Frame.Layout {
		t.Error("the layout changed with the values")
	}
	if a.Frame.Values[0] != 1 {
		t.Error("the row before was overwritten")
	}
	c := step("b 5\nc 6\n", "b{} 5\nc{} 6\n")
	if c.Frame.Layout == b.Frame.Layout {
		t.Error("the layout did not change with the series")
	}
	step("", "")
	step("c 6\nc 7\n", "c{} 6\n") // as in Prometheus the first counts

	before := time.Now().UnixMilli()
	answer.Store("a 1 1234\nb 2\n")
	d := mustCollect(t, s, address(server)).Frame
	if d.Time < before || d.Times[0] != 1234 || d.Times[1] != d.Time {
		t.Errorf("time %d, times %v", d.Time, d.Times)
	}
	s = configured(t, `{"honor_timestamps":false}`)
	if f := mustCollect(t, s, address(server)).Frame; f.Times != nil || f.Time != 0 {
		t.Errorf("time %d, times %v though timestamps are not honoured", f.Time, f.Times)
	}
}

// TestTargetsApart: what is known of a page belongs to its target.
func TestTargetsApart(t *testing.T) {
	one, two := serve(t, text("a 1\n")), serve(t, text("b 2\n"))
	s := configured(t, `{}`)
	layouts := map[string]*frame.Layout{}
	for range 3 {
		for id, server := range map[string]*httptest.Server{"one": one, "two": two} {
			c, err := s.Collect(t.Context(), source.Target{ID: id, Address: address(server)})
			if err != nil {
				t.Fatal(err)
			}
			if known := layouts[id]; known != nil && known != c.Frame.Layout {
				t.Errorf("%s: a new layout", id)
			}
			layouts[id] = c.Frame.Layout
		}
	}
	if layouts["one"] == layouts["two"] {
		t.Error("one layout for two targets")
	}
}

func TestLimits(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		f := promText
		if r.URL.Path == "/om" {
			f = openMetrics
		}
		w.Header().Set("Content-Type", contentTypes[f])
		_, _ = w.Write([]byte("a 1\nb 2\nc 3\nd 4\n"))
		if f == openMetrics {
			_, _ = w.Write([]byte("# EOF\n"))
		}
	})
	for name, c := range map[string]struct {
		config string
		limits source.Limits
		want   string
		cut    bool
	}{
		"none":             {`{}`, source.Limits{}, "a{} 1\nb{} 2\nc{} 3\nd{} 4\n", false},
		"exactly":          {`{}`, source.Limits{Series: 4, Bytes: 16}, "a{} 1\nb{} 2\nc{} 3\nd{} 4\n", false},
		"series":           {`{}`, source.Limits{Series: 3}, "a{} 1\nb{} 2\nc{} 3\n", true},
		"bytes":            {`{}`, source.Limits{Bytes: 10}, "a{} 1\nb{} 2\n", true},
		"a line":           {`{}`, source.Limits{Bytes: 4}, "a{} 1\n", true},
		"less than a line": {`{}`, source.Limits{Bytes: 3}, "", true},
		"OpenMetrics":      {`{"path":"/om"}`, source.Limits{Bytes: 10}, "a{} 1\nb{} 2\n", true},
		"OpenMetrics, EOF": {`{"path":"/om"}`, source.Limits{Bytes: 18}, "a{} 1\nb{} 2\nc{} 3\nd{} 4\n", true},
		"configured":       {`{"body_size_limit":"9B"}`, source.Limits{Bytes: 100}, "a{} 1\nb{} 2\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := configured(t, c.config)
			for range 3 {
				got, err := s.Collect(t.Context(), source.Target{Address: address(server), Limits: c.limits})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, shown(got.Frame)); d != "" || got.Truncated != c.cut {
					t.Errorf("truncated: %v\n%s", got.Truncated, d)
				}
			}
		})
	}
}

func TestLimitProtobuf(t *testing.T) {
	page, err := os.ReadFile("testdata/pages/prometheus.pb")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := oracle(page, protobuf)
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentTypes[protobuf])
		_, _ = w.Write(page)
	})
	s := configured(t, `{}`)
	for _, limit := range []int64{int64(len(page)) - 1, 5000, 100, 1} {
		c, err := s.Collect(t.Context(), source.Target{Address: address(server), Limits: source.Limits{Bytes: limit}})
		if err != nil {
			t.Fatal(err)
		}
		got := withoutKinds(samplesOf(t, c.Frame.Layout, row{values: c.Frame.Values}))
		if !c.Truncated || len(got) >= len(whole) || diff(whole[:len(got)], got) != "" {
			t.Errorf("%d bytes: truncated %v, %d series of %d", limit, c.Truncated, len(got), len(whole))
		}
	}
}

func TestContentTypes(t *testing.T) {
	for _, c := range []struct{ header, fallback, page, want string }{
		{"text/plain", "", "a 1\n", ""},
		{"text/plain; version=0.0.4; charset=utf-8; escaping=values", "", "a 1\n", ""},
		{"application/openmetrics-text", "", "a 1\n# EOF\n", ""},
		{"application/openmetrics-text; version=2.0.0", "", "a 1\n# EOF\n", "which is no metrics format"},
		{"application/openmetrics-text; version=2.0.0", "PrometheusText0.0.4", "a 1\n", ""},
		{"", "", "a 1\n", "has no Content-Type"},
		{"", "PrometheusText1.0.0", "a 1\n", ""},
		{"", "OpenMetricsText1.0.0", "a 1\n", "data does not end with # EOF"},
		{"text/html", "", "<html>", `"text/html", which is no metrics format`},
		{"text/html", "PrometheusText0.0.4", "<html>", "parse the page as Prometheus text"},
		{"application/json", "PrometheusText0.0.4", "a 1\n", ""},
		{"text/plain; =;", "", "a 1\n", "no metrics format"},
		{strings.Repeat("x", 9000), "", "a 1\n", "no metrics format"},
		{"text/html", "", "", ""}, // an empty page has no series, as in Prometheus
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{c.header}
			_, _ = w.Write([]byte(c.page))
		})
		config := `{}`
		if c.fallback != "" {
			config = fmt.Sprintf(`{"fallback_scrape_protocol":%q}`, c.fallback)
		}
		_, err := collect(t, configured(t, config), address(server))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.40q, fallback %q: %v, want %q", c.header, c.fallback, err, c.want)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestConfigureMistakes(t *testing.T) {
	for config, want := range map[string]string{
		`{"nonsense":1}`:                                                     "nonsense",
		`{"body_size_limit":"0"}`:                                            "body_size_limit",
		`{"body_size_limit":"3GiB"}`:                                         "body_size_limit",
		`{"body_size_limit":"12XB"}`:                                         "body_size_limit",
		`{"scrape_protocols":[]}`:                                            "scrape_protocols",
		`{"scrape_protocols":["x"]}`:                                         "scrape_protocols",
		`{"tls":{"cert_file":"x"}}`:                                          "tls.cert_file",
		`{"tls":{"ca_file":"/no/such"}}`:                                     "tls",
		`{"headers":{"user-agent":"x"}}`:                                     "headers",
		`{"proxy_url":"::"}`:                                                 "proxy_url",
		`{"authorization":{"type":"basic"}}`:                                 "basic_auth",
		`{"bearer_token":"geheim","basic_auth":{}}`:                          "bearer_token",
		`{"basic_auth":{"username":"u","username_file":"/f"}}`:               "basic_auth",
		`{"bearer_token_file":"secrets/token"}`:                              "bearer_token_file",
		`{"oauth2":{"client_id":"x"}}`:                                       "oauth2.token_url",
		`{"proxy_url":"http://proxy:3128","proxy_from_environment":true}`:    "proxy",
		`{"scrape_protocols":["PrometheusText0.0.4","PrometheusText0.0.4"]}`: "there twice",
	} {
		s := &scraper{}
		err := s.Configure(t.Context(), []byte(config))
		var diags schema.Diagnostics
		if !errors.As(err, &diags) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to blame %s", config, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error has the secret: %v", config, err)
		}
		if _, err := collect(t, s, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "not configured") {
			t.Errorf("%s: usable after a failed Configure: %v", config, err)
		}
	}
}

// TestSchema keeps the schema as it is published: change the golden file only with the change log.
func TestSchema(t *testing.T) {
	const golden = "testdata/schema.json"
	got, err := json.MarshalIndent(New().Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("the schema changed (go test -update writes it):", cmp.Diff(string(want), string(got)))
	}
}

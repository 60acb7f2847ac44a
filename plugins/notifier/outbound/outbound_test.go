package outbound

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, config HTTP, timeout time.Duration) *Client {
	t.Helper()
	c, err := NewClient(Options{HTTP: config, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnswerIsReadUpToABound(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return // the client had enough
			}
		}
	})
	answer, err := client(t, HTTP{}, 0).Post(t.Context(), Call{URL: address})
	if err != nil || len(answer.Body) != MaxAnswer {
		t.Errorf("%d bytes, %v; want %d", len(answer.Body), err, MaxAnswer)
	}
	if text := answer.Text(strings.Repeat("no ", 1000)); len([]rune(text)) > maxDetail+20 {
		t.Errorf("text of %d runes", len([]rune(text)))
	}
}

func TestNoAnswerInTime(t *testing.T) {
	started := make(chan struct{}, 4)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices the end of the connection only after the body
		started <- struct{}{}
		<-r.Context().Done()
	})
	t.Run("timeout", func(t *testing.T) {
		_, err := client(t, HTTP{}, 20*time.Millisecond).Post(t.Context(), Call{URL: address})
		if err == nil || err.Error() != "no answer within 20ms" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("context", func(t *testing.T) {
		for len(started) > 0 {
			<-started
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-started
			cancel(errors.New("stopping"))
		}()
		_, err := client(t, HTTP{}, 0).Post(ctx, Call{URL: address})
		if err == nil || err.Error() != "stopping" {
			t.Errorf("error %v", err)
		}
	})
}

// A connection that was used before and breaks: net/http would send a request with an Idempotency-Key a second time.
func TestNothingIsSentTwiceBehindOurBack(t *testing.T) {
	var requests atomic.Int32
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	})
	c := client(t, HTTP{}, 0)
	call := Call{URL: address, Body: []byte("{}"), Header: http.Header{"Idempotency-Key": {"4f1c"}}}
	if _, err := c.Post(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	_, err := c.Post(t.Context(), call)
	if _, lost := errors.AsType[*LostError](err); !lost || requests.Load() != 2 {
		t.Errorf("error %v after %d requests, want one that says that the answer was lost, after 2", err, requests.Load())
	}
}

func TestRedirects(t *testing.T) {
	var reached []string
	record := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		reached = append(reached, r.Method+" "+r.URL.Path+" "+string(body)+" "+r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusOK)
	}
	elsewhere := serve(t, record)
	mux := http.NewServeMux()
	home := serve(t, mux.ServeHTTP)
	mux.HandleFunc("/end", record)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/endless", http.StatusPermanentRedirect)
	})
	for path, to := range map[string]struct {
		status int
		target string
	}{
		"/301": {301, "/end"}, "/302": {302, "/end"}, "/303": {303, "/end"}, "/307": {307, "/end"}, "/308": {308, "/end"},
		"/away307": {307, elsewhere + "/end"}, "/away302": {302, elsewhere + "/end"},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to.target, to.status) })
	}
	tests := []struct {
		path    string
		want    notifier.Outcome
		reached []string
	}{
		{"/307", notifier.Delivered, []string{"POST /end {} Bearer t0ken"}},
		{"/308", notifier.Delivered, []string{"POST /end {} Bearer t0ken"}},
		{"/301", notifier.Rejected, nil},
		{"/302", notifier.Rejected, nil},
		{"/303", notifier.Rejected, nil},
		{"/away307", notifier.Rejected, nil},
		{"/away302", notifier.Rejected, nil},
		{"/endless", notifier.Rejected, nil},
	}
	for _, tt := range tests {
		t.Run(tt.path[1:], func(t *testing.T) {
			reached = nil
			c := client(t, HTTP{Authorization: &Authorization{Type: "Bearer", Credentials: "t0ken"}}, 0)
			answer, err := c.Post(t.Context(), Call{URL: home + tt.path, Body: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.Result(""); got.Outcome != tt.want {
				t.Errorf("%+v, want %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.reached, reached); diff != "" {
				t.Errorf("reached -want +got:\n%s", diff)
			}
		})
	}
}

func TestAuthorization(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config HTTP
		want   string
	}{
		{"none", HTTP{}, ""},
		{"basic", HTTP{BasicAuth: &BasicAuth{Username: "u", Password: "p"}}, "Basic dTpw"},
		{"basic, file", HTTP{BasicAuth: &BasicAuth{Username: "u", PasswordFile: file}}, "Basic dTpmcm9tLWZpbGU="},
		{"bearer", HTTP{Authorization: &Authorization{Type: "Bearer", Credentials: "t"}}, "Bearer t"},
		{"own type, file", HTTP{Authorization: &Authorization{Type: "GenieKey", CredentialsFile: file}}, "GenieKey from-file"},
		{"header", HTTP{Headers: map[string]string{"authorization": "Custom x"}}, "Custom x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := "no request"
			address := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") })
			if _, err := client(t, tt.config, 0).Post(t.Context(), Call{URL: address}); err != nil || got != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config *TLS
		ok     bool
	}{
		{"system's certificates", nil, false},
		{"ca_file", &TLS{CAFile: ca}, true},
		{"server_name that the certificate bears", &TLS{CAFile: ca, ServerName: "example.com"}, true},
		{"server_name that it does not bear", &TLS{CAFile: ca, ServerName: "other.test"}, false},
		{"insecure_skip_verify", &TLS{InsecureSkipVerify: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := client(t, HTTP{TLS: tt.config}, 0).Post(t.Context(), Call{URL: server.URL})
			if (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	var asked string
	proxy := serve(t, func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() })
	if _, err := client(t, HTTP{ProxyURL: proxy}, 0).Post(t.Context(), Call{URL: "http://service.test/x"}); err != nil {
		t.Fatal(err)
	}
	if asked != "http://service.test/x" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

func TestNewClientRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config HTTP
		path   string
	}{
		{"proxy", HTTP{ProxyURL: "::"}, "http_config.proxy_url"},
		{"credentials missing", HTTP{Authorization: &Authorization{}}, "http_config.authorization"},
		{"both passwords", HTTP{BasicAuth: &BasicAuth{Password: "p", PasswordFile: empty}}, "http_config.basic_auth.password_file"},
		{"empty secret file", HTTP{BasicAuth: &BasicAuth{PasswordFile: empty}}, "http_config.basic_auth.password_file"},
		{"header name", HTTP{Headers: map[string]string{"a b": "x"}}, "http_config.headers"},
		{"header value", HTTP{Headers: map[string]string{"a": "x\ny"}}, "http_config.headers"},
		{"header and block", HTTP{BasicAuth: &BasicAuth{}, Headers: map[string]string{"authorization": "x"}}, "http_config.headers"},
		{"ca_file missing", HTTP{TLS: &TLS{CAFile: filepath.Join(dir, "none")}}, "http_config.tls_config.ca_file"},
		{"ca_file without certificate", HTTP{TLS: &TLS{CAFile: empty}}, "http_config.tls_config.ca_file"},
		{"key without certificate", HTTP{TLS: &TLS{KeyFile: empty}}, "http_config.tls_config.cert_file"},
		{"no key pair", HTTP{TLS: &TLS{CertFile: empty, KeyFile: empty}}, "http_config.tls_config.cert_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewClient(Options{HTTP: tt.config})
			diags, ok := errors.AsType[schema.Diagnostics](err)
			if !ok || len(diags) != 1 || strings.Join(diags[0].Path, ".") != tt.path {
				t.Errorf("%v, want one complaint about %s", err, tt.path)
			}
		})
	}
}

// Whether the service may have got the content decides whether the next attempt is marked as a possible repeat.
func TestUnanswered(t *testing.T) {
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	})
	nobody := httptest.NewServer(nil)
	nobody.Close()
	for name, c := range map[string]struct {
		address string
		lost    bool
	}{
		"the connection broke after the request": {address: broken, lost: true},
		"nobody listens":                         {address: nobody.URL},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t, HTTP{}, 0).Post(t.Context(), Call{URL: c.address})
			if err == nil {
				t.Fatal("an answer")
			}
			result, unknown := Unanswered(err)
			if (unknown != nil) != c.lost || unknown == nil && (result.Outcome != notifier.Retry || result.Detail == "") {
				t.Errorf("%v: result %+v, error %v", err, result, unknown)
			}
		})
	}
}

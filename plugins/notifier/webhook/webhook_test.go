package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a service that answers everything with handler and keeps what it was sent.
func serve(t *testing.T, handler http.HandlerFunc) (address string, requests *[]*http.Request, bodies *[]string) {
	t.Helper()
	requests, bodies = new([]*http.Request), new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*requests, *bodies = append(*requests, r), append(*bodies, string(body))
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests, bodies
}

func configured(t *testing.T, config map[string]any) notifier.Notifier {
	t.Helper()
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	n := New()
	if err := n.Configure(t.Context(), data); err != nil {
		t.Fatalf("configuring: %v", err)
	}
	t.Cleanup(func() { n.(*webhook).current.Load().client.Close() })
	return n
}

func TestSend(t *testing.T) {
	address, requests, bodies := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	w := configured(t, map[string]any{
		"url": address + "/hook", "max_alerts": 2,
		"http_config": map[string]any{
			"authorization": map[string]any{"credentials": "s3cret-token"},
			"headers":       map[string]any{"X-Team": "ops"},
		},
	})
	result, err := w.Send(t.Context(), notifier.Notification{
		Test: true, ID: "4f1c", Attempt: 3, Receiver: "ops.team+1", Reason: notifier.ReasonAdded, Alerts: three(), ExternalURL: "http://tocsin:9095",
		GroupLabels: map[string]string{"alertname": "HighAPIErrorRate"},
		GroupKey:    `{}/{severity="page"}:{alertname="HighAPIErrorRate"}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(notifier.Result{Outcome: notifier.Delivered, Detail: "204 No Content"}, result); diff != "" {
		t.Error(diff)
	}
	want, err := os.ReadFile("testdata/alertmanager_two.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), (*bodies)[0]); diff != "" {
		t.Errorf("body -want +got:\n%s", diff)
	}
	r := (*requests)[0]
	got := map[string]string{"method": r.Method, "path": r.URL.Path}
	for _, name := range []string{"Content-Type", "User-Agent", "Authorization", "X-Team", "Idempotency-Key", "X-Tocsin-Delivery", "X-Tocsin-Attempt", "X-Tocsin-Test"} {
		got[name] = r.Header.Get(name)
	}
	if diff := cmp.Diff(map[string]string{
		"method": "POST", "path": "/hook", "Content-Type": "application/json", "User-Agent": "Tocsin",
		"Authorization": "Bearer s3cret-token", "X-Team": "ops",
		"Idempotency-Key": "4f1c", "X-Tocsin-Delivery": "4f1c", "X-Tocsin-Attempt": "3", "X-Tocsin-Test": "true",
	}, got); diff != "" {
		t.Errorf("request -want +got:\n%s", diff)
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		status     int
		retryAfter string
		want       notifier.Outcome
		wait       time.Duration
	}{
		{200, "", notifier.Delivered, 0},
		{201, "", notifier.Delivered, 0},
		{299, "", notifier.Delivered, 0},
		{304, "", notifier.Rejected, 0},
		{400, "", notifier.Rejected, 0},
		{401, "", notifier.Rejected, 0},
		{404, "30", notifier.Rejected, 0},
		{408, "", notifier.Retry, 0},
		{413, "", notifier.Rejected, 0},
		{422, "", notifier.Rejected, 0},
		{429, "", notifier.Retry, 0},
		{429, "17", notifier.Retry, 17 * time.Second},
		{500, "", notifier.Retry, 0},
		{503, "120", notifier.Retry, 2 * time.Minute},
		{599, "", notifier.Retry, 0},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status)+tt.retryAfter, func(t *testing.T) {
			address, _, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
			})
			got, err := configured(t, map[string]any{"url": address}).Send(t.Context(), notifier.Notification{Alerts: three()})
			if err != nil || got.Outcome != tt.want || got.RetryAfter != tt.wait {
				t.Errorf("%d: %+v, %v; want %s after %s", tt.status, got, err, tt.want, tt.wait)
			}
		})
	}
}

func TestNoAnswerIsRetriedAndKeepsTheSecretURL(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	got, err := configured(t, map[string]any{"url": server.URL + "/hook/0123456789abcdef?token=hunter2x"}).Send(t.Context(), notifier.Notification{})
	if err != nil || got.Outcome != notifier.Retry {
		t.Errorf("%+v, %v; want retry", got, err)
	}
	if strings.Contains(got.Detail, "0123456789abcdef") || strings.Contains(got.Detail, "hunter2x") || !strings.Contains(got.Detail, "refused") {
		t.Errorf("detail %q: must say why, without the URL", got.Detail)
	}
}

func TestURLFileIsReadEachTime(t *testing.T) {
	first, firstRequests, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	second, secondRequests, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	file := filepath.Join(t.TempDir(), "url")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first + "\n")
	w := configured(t, map[string]any{"url_file": file})
	send := func() (notifier.Result, error) { return w.Send(t.Context(), notifier.Notification{}) }
	if r, err := send(); err != nil || r.Outcome != notifier.Delivered {
		t.Fatal(r, err)
	}
	write(second)
	if r, err := send(); err != nil || r.Outcome != notifier.Delivered {
		t.Fatal(r, err)
	}
	if len(*firstRequests) != 1 || len(*secondRequests) != 1 {
		t.Errorf("%d and %d requests, want one each", len(*firstRequests), len(*secondRequests))
	}
	write("://not a url 0123456789abcdef")
	if r, err := send(); err != nil || r.Outcome != notifier.Retry || strings.Contains(r.Detail, "0123456789abcdef") {
		t.Errorf("a file without a URL: %+v, %v; want retry without the content", r, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := send(); err == nil || !strings.Contains(err.Error(), "url_file") {
		t.Errorf("without the file: %v", err)
	}
}

func TestConfigureRefuses(t *testing.T) {
	tests := []struct{ name, config, path string }{
		{"nothing", `{}`, "url"},
		{"both", `{"url":"http://h","url_file":"/x"}`, "url_file"},
		{"relative file", `{"url_file":"secrets/url"}`, "url_file"},
		{"missing file", `{"url_file":"/does/not/exist"}`, "url_file"},
		{"no host", `{"url":"http:///x"}`, "url"},
		{"another scheme", `{"url":"ftp://h/x"}`, "url"},
		{"template", `{"url":"http://h/{{ .Receiver }}"}`, "url"},
		{"unknown attribute", `{"url":"http://h","payload":"x"}`, "payload"},
		{"two authorizations", `{"url":"http://h","http_config":{"basic_auth":{"username":"u"},"authorization":{"credentials":"c"}}}`, "http_config.authorization"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New().Configure(t.Context(), []byte(tt.config))
			diags, ok := errors.AsType[schema.Diagnostics](err)
			if !ok || len(diags) == 0 {
				t.Fatalf("error %v, want diagnostics", err)
			}
			if got := strings.Join(diags[0].Path, "."); got != tt.path {
				t.Errorf("blames %q (%v), want %q", got, diags, tt.path)
			}
		})
	}
}

func TestSecondConfigurationReplacesTheFirst(t *testing.T) {
	first, firstRequests, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	second, secondRequests, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	w := configured(t, map[string]any{"url": first})
	if err := w.Configure(t.Context(), []byte(`{"url":"`+second+`"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Configure(t.Context(), []byte(`{}`)); err == nil {
		t.Fatal("an empty configuration was taken")
	}
	if r, err := w.Send(t.Context(), notifier.Notification{}); err != nil || r.Outcome != notifier.Delivered {
		t.Fatal(r, err)
	}
	if len(*firstRequests) != 0 || len(*secondRequests) != 1 {
		t.Errorf("%d and %d requests, want 0 and 1: a refused configuration changes nothing", len(*firstRequests), len(*secondRequests))
	}
}

func TestSendBeforeConfigure(t *testing.T) {
	if _, err := New().Send(t.Context(), notifier.Notification{}); err == nil {
		t.Error("no error")
	}
}

package pagerduty

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
	"github.com/tocsinhq/tocsin/sdk/plugintest"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "R0123456789abcdef0123456789abcde"

// service is a stand-in for PagerDuty.
type service struct {
	URL    string
	Events []string                           // bodies in order of arrival
	Answer func(w http.ResponseWriter, i int) // of the i-th event; nil: 202
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v, %v", r.Method, r.URL, r.Header, err)
		}
		s.Events = append(s.Events, string(body))
		if s.Answer != nil {
			s.Answer(w, len(s.Events)-1)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"status":"success","message":"Event processed","dedup_key":"x"}`))
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL + "/v2/enqueue"
	return s
}

func configured(t *testing.T, config map[string]any) notifier.Notifier {
	t.Helper()
	n := New()
	if err := n.Configure(t.Context(), asJSON(t, config)); err != nil {
		t.Fatalf("configuring: %v", err)
	}
	t.Cleanup(func() { n.(*pagerduty).current.Load().client.Close() })
	return n
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTriggerAndResolve(t *testing.T) {
	s := serve(t)
	p := configured(t, map[string]any{"routing_key": testKey, "url": s.URL})
	n := incident()
	result, err := p.Send(t.Context(), n)
	want := notifier.Result{Outcome: notifier.Delivered, Detail: "202 Accepted: Event processed", Reference: n.DedupKey}
	if diff := cmp.Diff(want, result); diff != "" || err != nil {
		t.Fatalf("trigger: %v\n%s", err, diff)
	}
	n = ended(n)
	n.Reference = result.Reference
	result, err = p.Send(t.Context(), n)
	if diff := cmp.Diff(want, result); diff != "" || err != nil {
		t.Fatalf("resolve: %v\n%s", err, diff)
	}
	if len(s.Events) != 2 {
		t.Fatalf("%d events, want 2", len(s.Events))
	}
	golden(t, "trigger.json", s.Events[0])
	golden(t, "resolve.json", s.Events[1])
}

// An incident that ended before PagerDuty took anything must still be told: it drops a resolve for an unknown key.
func TestEndedBeforeItWasTold(t *testing.T) {
	s := serve(t)
	p := configured(t, map[string]any{"routing_key": testKey, "url": s.URL})
	n := ended(incident())
	n.Late = true
	first, err := p.Send(t.Context(), n)
	if err != nil || first.Outcome != notifier.Opened || first.Reference != n.DedupKey || actions(t, s.Events) != "trigger" {
		t.Fatalf("%+v, %v, events %q", first, err, actions(t, s.Events))
	}
	t.Run("then its end", func(t *testing.T) {
		s.Events = nil
		n := n
		n.Reference = first.Reference
		for range 2 { // the answer to the first is lost, perhaps
			if result, err := p.Send(t.Context(), n); err != nil || result.Outcome != notifier.Delivered {
				t.Fatalf("%+v, %v", result, err)
			}
		}
		if got := actions(t, s.Events); got != "resolve resolve" {
			t.Errorf("events %q", got)
		}
	})
	t.Run("of which nobody is to hear", func(t *testing.T) { // an answer was lost, and then it was silenced
		s.Events = nil
		n := n
		n.Late = false
		if result, err := p.Send(t.Context(), n); err != nil || result.Outcome != notifier.Delivered || actions(t, s.Events) != "resolve" {
			t.Errorf("%+v, %v, events %q", result, err, actions(t, s.Events))
		}
	})

	t.Run("the trigger is refused", func(t *testing.T) {
		s.Events = nil
		s.Answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusInternalServerError) }
		if result, err := p.Send(t.Context(), n); err != nil || result.Outcome != notifier.Retry || actions(t, s.Events) != "trigger" {
			t.Errorf("%+v, %v, events %q", result, err, actions(t, s.Events))
		}
	})
}

func actions(t *testing.T, events []string) string {
	t.Helper()
	var all []string
	for _, e := range events {
		var event struct {
			Action string `json:"event_action"`
		}
		if err := json.Unmarshal([]byte(e), &event); err != nil {
			t.Fatal(err)
		}
		all = append(all, event.Action)
	}
	return strings.Join(all, " ")
}

func TestOutcomes(t *testing.T) {
	const refused = `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}`
	tests := []struct {
		status           int
		retryAfter, body string
		want             notifier.Result
	}{
		{200, "", "", notifier.Result{Outcome: notifier.Delivered, Detail: "200 OK"}},
		{202, "", "not JSON", notifier.Result{Outcome: notifier.Delivered, Detail: "202 Accepted: not JSON"}},
		{400, "", refused, notifier.Result{Outcome: notifier.Rejected, Detail: "400 Bad Request: Event object is invalid; Length of 'routing_key' is incorrect (should be 32 characters)"}},
		{400, "", `{"message":"no key ` + testKey + `"}`, notifier.Result{Outcome: notifier.Rejected, Detail: "400 Bad Request: no key <secret>"}},
		{401, "", "", notifier.Result{Outcome: notifier.Rejected, Detail: "401 Unauthorized"}},
		{403, "", "", notifier.Result{Outcome: notifier.Rejected, Detail: "403 Forbidden"}},
		{404, "", "", notifier.Result{Outcome: notifier.Rejected, Detail: "404 Not Found"}},
		{413, "", "", notifier.Result{Outcome: notifier.Rejected, Detail: "413 Request Entity Too Large"}},
		{429, "", "", notifier.Result{Outcome: notifier.Retry, RetryAfter: rateLimitPause, Detail: "429 Too Many Requests"}},
		{429, "7", "", notifier.Result{Outcome: notifier.Retry, RetryAfter: 7 * time.Second, Detail: "429 Too Many Requests"}},
		{500, "", "<html>\n oops", notifier.Result{Outcome: notifier.Retry, Detail: "500 Internal Server Error: <html> oops"}},
		{503, "60", "", notifier.Result{Outcome: notifier.Retry, RetryAfter: time.Minute, Detail: "503 Service Unavailable"}},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status)+tt.retryAfter, func(t *testing.T) {
			s := serve(t)
			s.Answer = func(w http.ResponseWriter, _ int) {
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}
			n := incident()
			if tt.want.Outcome == notifier.Delivered {
				tt.want.Reference = n.DedupKey
			}
			got, err := configured(t, map[string]any{"routing_key": testKey, "url": s.URL}).Send(t.Context(), n)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		got, err := configured(t, map[string]any{"routing_key": testKey, "url": server.URL}).Send(t.Context(), incident())
		if err != nil || got.Outcome != notifier.Retry || !strings.Contains(got.Detail, "refused") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestAttributes(t *testing.T) {
	s := serve(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := configured(t, map[string]any{
		"routing_key_file": file, "url": s.URL, "client": "Alerts", "client_url": "https://alerts.example.org", "description": "Look at\nit",
		"severity": "info", "source": "src", "component": "comp", "group": "grp", "class": "cls",
		"details": map[string]any{"team": "edge", "firing": "see the link"},
		"images":  []any{map[string]any{"src": "https://img/x.png", "alt": "graph"}},
		"links":   []any{map[string]any{"href": "https://wiki", "text": "Wiki"}},
	})
	if _, err := p.Send(t.Context(), incident()); err != nil {
		t.Fatal(err)
	}
	golden(t, "attributes.json", s.Events[0])
}

func TestSchema(t *testing.T) {
	golden(t, "schema.json", string(asJSON(t, New().Schema())))
}

func TestConfigureRefuses(t *testing.T) {
	tests := []struct{ name, config, path string }{
		{"no key", `{}`, "routing_key"},
		{"two keys", `{"routing_key":"k","routing_key_file":"/k"}`, "routing_key_file"},
		{"missing file", `{"routing_key_file":"/does/not/exist"}`, "routing_key_file"},
		{"url", `{"routing_key":"k","url":"pagerduty"}`, "url"},
		{"template", `{"routing_key":"k","description":"{{ .CommonLabel.alertname }}"}`, "description"},
		{"template in details", `{"routing_key":"k","details":{"a":"{{ .x }}"}}`, "details.a"},
		{"unknown attribute", `{"routing_key":"k","service_key":"x"}`, "service_key"},
		{"link without address", `{"routing_key":"k","links":[{"text":"x"}]}`, "links.0.href"},
		{"http_config", `{"routing_key":"k","http_config":{"tls_config":{"ca_file":"/does/not/exist"}}}`, "http_config.tls_config.ca_file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New().Configure(t.Context(), []byte(tt.config))
			diags, ok := errors.AsType[schema.Diagnostics](err)
			if !ok || len(diags) == 0 || strings.Join(diags[0].Path, ".") != tt.path {
				t.Errorf("%v, want a complaint about %s", err, tt.path)
			}
		})
	}
}

func TestKeyFileThatWentAway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	p := configured(t, map[string]any{"routing_key_file": file})
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), incident()); err == nil || !strings.Contains(err.Error(), "routing_key_file") {
		t.Errorf("error %v", err)
	}
}

func TestConformance(t *testing.T) {
	accepting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	t.Cleanup(accepting.Close)
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(failing.Close)
	plugintest.Notifier(t, plugintest.NotifierOptions{
		New:     New,
		Config:  asJSON(t, map[string]any{"routing_key": testKey, "url": accepting.URL}),
		Failing: asJSON(t, map[string]any{"routing_key": testKey, "url": failing.URL}),
	})
}

package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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

const (
	hookPath = "/services/T0000000001/B0000000002/XXXXXXXXXXXXXXXXXXXXXXXX"
	token    = "xoxb-0123456789-abcdef"
)

// service is a stand-in for Slack: a webhook and the Web API.
type service struct {
	URL    string
	Calls  []string // path of each call, in order
	Bodies []string
	Tokens []string                                                      // Authorization of each call
	Answer func(w http.ResponseWriter, method string, i int) (done bool) // nil or not done: as Slack does when all is well
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v, %v", r.Method, r.URL, r.Header, err)
		}
		s.Calls, s.Bodies, s.Tokens = append(s.Calls, r.URL.Path), append(s.Bodies, string(body)), append(s.Tokens, r.Header.Get("Authorization"))
		i := len(s.Calls) - 1
		if s.Answer != nil && s.Answer(w, strings.TrimPrefix(r.URL.Path, "/api/"), i) {
			return
		}
		if r.URL.Path == hookPath {
			_, _ = io.WriteString(w, "ok")
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = fmt.Fprintf(w, `{"ok":true,"channel":"C0123456789","ts":"1767261723.%06d","message":{"text":"…"}}`, i)
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *service) methods() string {
	return strings.ReplaceAll(strings.Join(s.Calls, " "), "/api/", "")
}

// refuse answers calls of method with an error of the Web API.
func refuse(method, code string) func(http.ResponseWriter, string, int) bool {
	return func(w http.ResponseWriter, called string, _ int) bool {
		if called != method {
			return false
		}
		_, _ = fmt.Fprintf(w, `{"ok":false,"error":%q}`, code)
		return true
	}
}

func (s *service) bot(t *testing.T, more map[string]any) notifier.Notifier {
	t.Helper()
	config := map[string]any{"app_token": token, "app_url": s.URL + "/api/chat.postMessage", "channel": "#ops"}
	maps.Copy(config, more)
	return configured(t, config)
}

func configured(t *testing.T, config map[string]any) notifier.Notifier {
	t.Helper()
	n := New()
	if err := n.Configure(t.Context(), asJSON(t, config)); err != nil {
		t.Fatalf("configuring: %v", err)
	}
	t.Cleanup(func() { n.(*slack).current.Load().client.Close() })
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

func TestWebhook(t *testing.T) {
	s := serve(t)
	hook := configured(t, map[string]any{"api_url": s.URL + hookPath})
	for _, n := range []notifier.Notification{incident(), ended(incident())} {
		result, err := hook.Send(t.Context(), n)
		if diff := cmp.Diff(notifier.Result{Outcome: notifier.Delivered, Detail: "200 OK: ok"}, result); diff != "" || err != nil {
			t.Fatalf("%v\n%s", err, diff)
		}
	}
	golden(t, "webhook_firing.json", s.Bodies[0])
	golden(t, "webhook_resolved.json", s.Bodies[1])
}

func TestBotKeepsOneMessageAnIncident(t *testing.T) {
	s := serve(t)
	bot := s.bot(t, nil)
	n := incident()
	reference := ""
	send := func(change func(*notifier.Notification)) {
		t.Helper()
		n.Reference = reference
		if change != nil {
			change(&n)
		}
		result, err := bot.Send(t.Context(), n)
		if err != nil || result.Outcome != notifier.Delivered {
			t.Fatalf("%+v, %v", result, err)
		}
		if reference != "" && result.Reference != reference {
			t.Errorf("the reference became %q, was %q", result.Reference, reference)
		}
		reference = result.Reference
	}
	send(nil)
	if reference != "C0123456789/1767261723.000000" {
		t.Errorf("reference %q", reference)
	}
	send(func(n *notifier.Notification) {
		n.Reason, n.Alerts = notifier.ReasonAdded, append(n.Alerts, incident().Alerts[0])
		n.Alerts[1].Labels = map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/pay"}
	})
	send(func(n *notifier.Notification) { n.Reason, n.Alerts = notifier.ReasonSomeEnded, n.Alerts[:1] })
	send(func(n *notifier.Notification) { n.Reason = notifier.ReasonRepeat })
	send(func(n *notifier.Notification) { *n = ended(*n) })

	want := "chat.postMessage chat.update chat.postMessage chat.update chat.update chat.postMessage chat.update chat.postMessage"
	if got := s.methods(); got != want {
		t.Fatalf("calls %q, want %q", got, want)
	}
	for i, name := range []string{"post", "update", "reply_added", "", "", "reply_repeat", "update_resolved", "reply_resolved"} {
		if name != "" {
			golden(t, "bot_"+name+".json", s.Bodies[i])
		}
		if s.Tokens[i] != "Bearer "+token {
			t.Errorf("call %d: Authorization %q", i, s.Tokens[i])
		}
	}
}

func TestBotAsAlertmanagerWritesIt(t *testing.T) {
	s := serve(t)
	bot := configured(t, map[string]any{
		"api_url": s.URL + "/api/chat.postMessage", "channel": "#ops",
		"http_config": map[string]any{"authorization": map[string]any{"credentials": token}},
	})
	n := incident()
	n.Reference = "C1/2.3"
	if result, err := bot.Send(t.Context(), n); err != nil || result.Outcome != notifier.Delivered || s.methods() != "chat.update" || s.Tokens[0] != "Bearer "+token {
		t.Errorf("%+v, %v, calls %q with %q", result, err, s.methods(), s.Tokens)
	}
}

func TestBotSwitches(t *testing.T) {
	tests := []struct {
		name      string
		config    map[string]any
		reference string
		want      string
	}{
		{"no edits", map[string]any{"update_message": false}, "C1/2.3", "chat.postMessage"},
		{"no replies", map[string]any{"thread_replies": false}, "C1/2.3", "chat.update"},
		{"edit and reply", nil, "C1/2.3", "chat.update chat.postMessage"},
		{"never told", nil, "", "chat.postMessage"},
		{"reference of something else", nil, "what", "chat.postMessage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			n := ended(incident())
			n.Reference = tt.reference
			if result, err := s.bot(t, tt.config).Send(t.Context(), n); err != nil || result.Outcome != notifier.Delivered || s.methods() != tt.want {
				t.Errorf("%+v, %v, calls %q, want %q", result, err, s.methods(), tt.want)
			}
		})
	}
}

func TestMessageThatCannotBeEditedIsPostedAnew(t *testing.T) {
	for _, code := range uneditable {
		s := serve(t)
		s.Answer = refuse("chat.update", code)
		n := incident()
		n.Reference = "C0/1.0"
		result, err := s.bot(t, nil).Send(t.Context(), n)
		if err != nil || result.Outcome != notifier.Delivered || result.Reference != "C0123456789/1767261723.000001" || s.methods() != "chat.update chat.postMessage" {
			t.Errorf("%s: %+v, %v, calls %q", code, result, err, s.methods())
		}
		if !strings.Contains(s.Bodies[1], `"channel":"#ops"`) || strings.Contains(s.Bodies[1], `"ts"`) {
			t.Errorf("%s: posted %s", code, s.Bodies[1])
		}
	}
	s := serve(t)
	s.Answer = refuse("chat.update", "invalid_auth")
	n := incident()
	n.Reference = "C0/1.0"
	if result, err := s.bot(t, nil).Send(t.Context(), n); err != nil || result.Outcome != notifier.Rejected || s.methods() != "chat.update" {
		t.Errorf("another refusal: %+v, %v, calls %q", result, err, s.methods())
	}
}

// Whatever a drill shows says so, also in texts of the configuration and in the thread.
func TestDrillSaysSo(t *testing.T) {
	s := serve(t)
	bot := s.bot(t, map[string]any{"message_text": "<!here>", "pretext": "{{ .CommonLabels.alertname }}", "title": "down", "text": "help", "fallback": "x"})
	n := ended(incident())
	n.Reference, n.Test = "C1/2.3", true
	if result, err := bot.Send(t.Context(), n); err != nil || result.Outcome != notifier.Delivered || s.methods() != "chat.update chat.postMessage" {
		t.Fatalf("%+v, %v, calls %q", result, err, s.methods())
	}
	for _, want := range []string{`"text":"TEST <!here>"`, `"pretext":"TEST HighAPIErrorRate"`, `"title":"TEST down"`, `"text":"TEST help"`, `"fallback":"TEST x"`} {
		if !strings.Contains(s.Bodies[0], want) {
			t.Errorf("no %s in %s", want, s.Bodies[0])
		}
	}
	if !strings.Contains(s.Bodies[1], `"text":"TEST :white_check_mark: `) {
		t.Errorf("reply %s", s.Bodies[1])
	}
}

func TestReplyThatFails(t *testing.T) {
	tests := []struct {
		code   string
		want   notifier.Outcome
		detail string
	}{
		{"ratelimited", notifier.Retry, "200 OK: ratelimited"},
		{"restricted_action_thread_locked", notifier.Delivered, "200 OK: ok; the reply in the thread was refused: 200 OK: restricted_action_thread_locked"},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			s := serve(t)
			s.Answer = refuse("chat.postMessage", tt.code)
			n := ended(incident())
			n.Reference = "C0/1.0"
			if result, err := s.bot(t, nil).Send(t.Context(), n); err != nil || result.Outcome != tt.want || result.Detail != tt.detail {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name       string
		status     int
		retryAfter string
		body       string
		want       notifier.Outcome
		wait       time.Duration
		detail     string
	}{
		{"webhook ok", 200, "", "ok", notifier.Delivered, 0, "200 OK: ok"},
		{"empty", 200, "", "", notifier.Delivered, 0, "200 OK"},
		{"API ok", 200, "", `{"ok":true}`, notifier.Delivered, 0, "200 OK: ok"},
		{"imitation of Slack", 200, "", `{"success":true}`, notifier.Delivered, 0, "200 OK: ok"},
		{"API refuses", 200, "", `{"ok":false,"error":"channel_not_found"}`, notifier.Rejected, 0, "200 OK: channel_not_found"},
		{"API refuses without a word", 200, "", `{"ok":false}`, notifier.Rejected, 0, "200 OK"},
		{"API is busy", 200, "3", `{"ok":false,"error":"ratelimited"}`, notifier.Retry, 3 * time.Second, "200 OK: ratelimited"},
		{"API is ill", 200, "", `{"ok":false,"error":"internal_error"}`, notifier.Retry, 0, "200 OK: internal_error"},
		{"login page", 200, "", "<html>sign in", notifier.Rejected, 0, "200 OK: not an answer of Slack: <html>sign in"},
		{"webhook text", 200, "", "invalid_token", notifier.Rejected, 0, "200 OK: not an answer of Slack: invalid_token"},
		{"bad payload", 400, "", "invalid_payload", notifier.Rejected, 0, "400 Bad Request: invalid_payload"},
		{"prohibited", 403, "", "action_prohibited", notifier.Rejected, 0, "403 Forbidden: action_prohibited"},
		{"no channel", 404, "", "channel_not_found", notifier.Rejected, 0, "404 Not Found: channel_not_found"},
		{"archived", 410, "", "channel_is_archived", notifier.Rejected, 0, "410 Gone: channel_is_archived"},
		{"rate", 429, "30", "", notifier.Retry, 30 * time.Second, "429 Too Many Requests"},
		{"rollup", 500, "", "rollup_error", notifier.Retry, 0, "500 Internal Server Error: rollup_error"},
		{"down", 503, "", "", notifier.Retry, 0, "503 Service Unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			s.Answer = func(w http.ResponseWriter, _ string, _ int) bool {
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
				return true
			}
			for _, n := range []notifier.Notifier{configured(t, map[string]any{"api_url": s.URL + hookPath}), s.bot(t, nil)} {
				got, err := n.Send(t.Context(), incident())
				want := notifier.Result{Outcome: tt.want, RetryAfter: tt.wait, Detail: tt.detail}
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%v\n%s", err, diff)
				}
			}
		})
	}
	t.Run("answer that breaks off", func(t *testing.T) {
		s := serve(t)
		s.Answer = func(w http.ResponseWriter, _ string, _ int) bool {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"ok":tr`)
			return true
		}
		if got, err := s.bot(t, nil).Send(t.Context(), incident()); err != nil || got.Outcome != notifier.Retry || got.Detail != "200 OK: the answer broke off" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		got, err := configured(t, map[string]any{"api_url": server.URL + hookPath}).Send(t.Context(), incident())
		if err != nil || got.Outcome != notifier.Retry || strings.Contains(got.Detail, "XXXX") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestSecretsDoNotShow(t *testing.T) {
	s := serve(t)
	s.Answer = func(w http.ResponseWriter, _ string, i int) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "POST %s with %s", s.Calls[i], s.Tokens[i])
		return true
	}
	for _, n := range []notifier.Notifier{configured(t, map[string]any{"api_url": s.URL + hookPath}), s.bot(t, nil)} {
		result, err := n.Send(t.Context(), incident())
		if err != nil || !strings.Contains(result.Detail, "<secret>") || strings.Contains(result.Detail, "XXXX") || strings.Contains(result.Detail, "xoxb") {
			t.Errorf("%+v, %v", result, err)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	s := serve(t)
	write := func(content string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, config := range []map[string]any{
		{"api_url_file": write(s.URL + hookPath)},
		{"app_token_file": write(token), "app_url": s.URL + "/api/chat.postMessage", "channel": "#ops"},
	} {
		if result, err := configured(t, config).Send(t.Context(), incident()); err != nil || result.Outcome != notifier.Delivered {
			t.Errorf("%v: %+v, %v", config, result, err)
		}
	}
	if diff := cmp.Diff([]string{"", "Bearer " + token}, s.Tokens); diff != "" {
		t.Error(diff)
	}
}

func TestConfigureRefuses(t *testing.T) {
	tests := []struct{ name, config, path string }{
		{"nothing", `{}`, "api_url"},
		{"both", `{"api_url":"https://h/x","app_token":"t","channel":"c"}`, "app_token"},
		{"both in files", `{"api_url":"https://h/x","api_url_file":"/x"}`, "api_url_file"},
		{"no URL", `{"api_url":"hooks.slack.com/x"}`, "api_url"},
		{"bot without channel", `{"app_token":"t"}`, "channel"},
		{"bot with another method", `{"app_token":"t","channel":"c","app_url":"https://slack.com/api/files.upload"}`, "app_url"},
		{"two authorizations", `{"app_token":"t","channel":"c","http_config":{"authorization":{"credentials":"x"}}}`, "http_config"},
		{"chat.postMessage without token", `{"api_url":"https://slack.com/api/chat.postMessage","channel":"c"}`, "api_url"},
		{"relative file", `{"api_url_file":"slack"}`, "api_url_file"},
		{"template", `{"api_url":"https://h/x","fields":[{"title":"a","value":"{{ .Stat }}"}]}`, "fields.0.value"},
		{"unknown attribute", `{"api_url":"https://h/x","colour":"red"}`, "colour"},
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

func TestSchema(t *testing.T) {
	golden(t, "schema.json", string(asJSON(t, New().Schema())))
}

func TestConformance(t *testing.T) {
	server := func(handler http.HandlerFunc) string {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		return s.URL
	}
	accepting := server(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok":true,"channel":"C1","ts":"1.2"}`)
	})
	failing := server(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for name, config := range map[string]func(string) map[string]any{
		"webhook": func(url string) map[string]any { return map[string]any{"api_url": url} },
		"bot": func(url string) map[string]any {
			return map[string]any{"app_token": token, "channel": "#ops", "app_url": url + "/api/chat.postMessage"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			plugintest.Notifier(t, plugintest.NotifierOptions{
				New: New, Config: asJSON(t, config(accepting)), Failing: asJSON(t, config(failing)),
			})
		})
	}
}

// Templates of the configuration stand in for the built-in texts; one that fails with a real alert costs its own attribute.
func TestTemplates(t *testing.T) {
	s := serve(t)
	hook := configured(t, map[string]any{
		"api_url": s.URL + hookPath, "title": "{{ .Status }}: {{ .CommonLabels.alertname }}", "footer": "{{ (index .Alerts 1).Course }}",
	})
	if _, err := hook.Send(t.Context(), incident()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"title":"firing: HighAPIErrorRate"`, "template failed: footer: ", "12.5% of requests fail"} {
		if !strings.Contains(s.Bodies[0], want) {
			t.Errorf("no %q in %s", want, s.Bodies[0])
		}
	}
	if strings.Contains(s.Bodies[0], `"footer"`) {
		t.Errorf("a footer whose template failed: %s", s.Bodies[0])
	}
}

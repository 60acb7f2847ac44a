package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// firing is an alert as the routes left it.
func firing(name string, change func(*Alert)) Alert {
	ls := frame.FromMap(map[string]string{"alertname": name, "severity": "critical"})
	a := Alert{Alert: alert.Alert{
		Fingerprint: alert.NewExternalFingerprint(ls), Labels: ls, State: alert.Firing, FiredAt: noon, ExpiresAt: noon.Add(time.Hour),
	}, Receivers: []string{"pagerduty.oncall"}, Routed: true}
	change(&a)
	return a
}

// serve is the API over some alerts and an empty store of silences.
func serve(t *testing.T, alerts []Alert, post func([]Posted) error) string {
	t.Helper()
	silences, err := silence.Open(state.Memory())
	if err != nil {
		t.Fatal(err)
	}
	am := &Alertmanager{
		Post: post, Alerts: func() []Alert { return alerts }, Silences: silences,
		Groups: func() []Group {
			return []Group{{Receiver: "pagerduty.oncall", Labels: frame.FromMap(map[string]string{"severity": "critical"}), Alerts: alerts}}
		},
		Receivers: func() []string { return []string{"pagerduty.oncall", "slack.ops"} },
		Config:    func() string { return "route:\n  receiver: pagerduty.oncall\n" }, Version: "0.34.0", Started: noon,
	}
	server := httptest.NewServer(New(Options{Ready: func() error { return nil }, Alertmanager: am}))
	t.Cleanup(server.Close)
	return server.URL
}

// call returns status and body.
func call(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

func TestAlertsAreShownAsAlertmanagerDoes(t *testing.T) {
	address := serve(t, []Alert{firing("Down", func(a *Alert) {
		a.Annotations, a.GeneratorURL = map[string]string{"summary": "it is down"}, "http://prometheus/graph"
		a.SilencedBy = []string{"db"}
	})}, nil)
	_, body := call(t, http.MethodGet, address+"/api/v2/alerts", "")
	var shown []map[string]any
	if err := json.Unmarshal([]byte(body), &shown); err != nil || len(shown) != 1 {
		t.Fatalf("alerts: %v in %s", err, body)
	}
	fingerprint, _ := shown[0]["fingerprint"].(string)
	if _, err := alert.ParseFingerprint(fingerprint); err != nil {
		t.Errorf("fingerprint: %v", err)
	}
	delete(shown[0], "fingerprint")
	if _, err := time.Parse(time.RFC3339, fmt.Sprint(shown[0]["updatedAt"])); err != nil {
		t.Errorf("updatedAt: %v", err)
	}
	delete(shown[0], "updatedAt")
	want := map[string]any{
		"labels": map[string]any{"alertname": "Down", "severity": "critical"}, "annotations": map[string]any{"summary": "it is down"},
		"receivers": []any{map[string]any{"name": "pagerduty.oncall"}}, "generatorURL": "http://prometheus/graph",
		"startsAt": "2026-01-01T12:00:00.000Z", "endsAt": "2026-01-01T13:00:00.000Z",
		"status": map[string]any{"state": "suppressed", "silencedBy": []any{"db"}, "inhibitedBy": []any{}, "mutedBy": []any{}},
	}
	if diff := cmp.Diff(want, shown[0]); diff != "" {
		t.Errorf("alert (-want +got):\n%s", diff)
	}
}

func TestFilters(t *testing.T) {
	address := serve(t, []Alert{
		firing("Active", func(*Alert) {}),
		firing("Silenced", func(a *Alert) { a.SilencedBy = []string{"x"} }),
		firing("Inhibited", func(a *Alert) { a.InhibitedBy = []string{"x"} }),
		firing("Muted", func(a *Alert) { a.MutedBy = []string{"x"} }),
		firing("Unprocessed", func(a *Alert) { a.Routed, a.Receivers = false, nil }),
		firing("Slack", func(a *Alert) { a.Receivers = []string{"slack.ops"} }),
	}, nil)
	for _, tt := range []struct{ query, want string }{
		{"", "Active Inhibited Muted Silenced Slack Unprocessed"},
		// What amtool sends when nothing is asked for in particular.
		{"active=true&inhibited=false&silenced=false&unprocessed=false", "Active Muted Slack"},
		{"active=false&inhibited=true&silenced=false&unprocessed=false&muted=false", "Inhibited"},
		{"active=false&unprocessed=false", "Inhibited Muted Silenced"},
		{"receiver=slack.*", "Slack"},
		{"receiver=slack", ""},
		{"filter=" + url.QueryEscape(`alertname="Active"`), "Active"},
		{"filter=" + url.QueryEscape(`alertname=~"S.*"`) + "&filter=" + url.QueryEscape(`alertname!=Slack`), "Silenced"},
		{"filter=" + url.QueryEscape(`{severity!~"crit.*"}`), ""},
		{"filter=" + url.QueryEscape(`team=""`) + "&active=true&silenced=false&inhibited=false&muted=false&unprocessed=false", "Active Slack"},
	} {
		status, body := call(t, http.MethodGet, address+"/api/v2/alerts?"+tt.query, "")
		var shown []alertJSON
		if err := json.Unmarshal([]byte(body), &shown); err != nil || status != http.StatusOK {
			t.Errorf("%s: status %d, %v in %s", tt.query, status, err, body)
			continue
		}
		got := map[string]bool{}
		for _, a := range shown {
			got[a.Labels["alertname"]] = true
		}
		want := map[string]bool{}
		for name := range strings.FieldsSeq(tt.want) {
			want[name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
	for _, query := range []string{"active=maybe", "receiver=(", "filter=" + url.QueryEscape(`a=~"("`), "filter=" + url.QueryEscape(`=`)} {
		for _, path := range []string{"/api/v2/alerts", "/api/v2/alerts/groups"} {
			status, body := call(t, http.MethodGet, address+path+"?"+query, "")
			var message string
			if err := json.Unmarshal([]byte(body), &message); err != nil || status != http.StatusBadRequest {
				t.Errorf("%s?%s: status %d, %s; want 400 and a JSON string", path, query, status, body)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	address := serve(t, []Alert{firing("Active", func(*Alert) {}), firing("Silenced", func(a *Alert) { a.SilencedBy = []string{"x"} })}, nil)
	_, body := call(t, http.MethodGet, address+"/api/v2/alerts/groups?silenced=false", "")
	var shown []groupJSON
	if err := json.Unmarshal([]byte(body), &shown); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(shown) != 1 || len(shown[0].Alerts) != 1 || shown[0].Receiver.Name != "pagerduty.oncall" || shown[0].Labels["severity"] != "critical" {
		t.Errorf("groups: %s", body)
	}
	if _, body := call(t, http.MethodGet, address+"/api/v2/alerts/groups?receiver=nobody", ""); body != "[]" {
		t.Errorf("groups of nobody: %s, want []", body)
	}
}

func TestStatusAndReceivers(t *testing.T) {
	address := serve(t, nil, nil)
	_, body := call(t, http.MethodGet, address+"/api/v2/status", "")
	var status struct {
		Cluster     map[string]any
		Config      map[string]string
		Uptime      time.Time
		VersionInfo map[string]string
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if status.Cluster["status"] != "disabled" || !strings.HasPrefix(status.Config["original"], "route:") || status.VersionInfo["version"] != "0.34.0" || len(status.VersionInfo) != 6 {
		t.Errorf("status: %s", body)
	}
	if _, body := call(t, http.MethodGet, address+"/api/v2/receivers", ""); body != `[{"name":"pagerduty.oncall"},{"name":"slack.ops"}]` {
		t.Errorf("receivers: %s", body)
	}
	// Grafana asks here whether it speaks to a Mimir: anything but 404 means yes.
	if status, _ := call(t, http.MethodGet, address+"/alertmanager/api/v2/status", ""); status != http.StatusNotFound {
		t.Errorf("status of a path that does not exist: %d", status)
	}
}

func TestPost(t *testing.T) {
	var taken []Posted
	var failure error
	address := serve(t, nil, func(posted []Posted) error {
		taken = append(taken, posted...)
		return failure
	})
	const body = `[{"labels":{"alertname":"Down","empty":""},"annotations":{"summary":"x","none":""},"startsAt":"2026-01-01T12:00:00Z","generatorURL":"http://p/g"}]`
	want := Posted{
		Labels: frame.FromMap(map[string]string{"alertname": "Down"}), Annotations: map[string]string{"summary": "x"},
		StartsAt: noon, GeneratorURL: "http://p/g",
	}
	if status, text := call(t, http.MethodPost, address+"/api/v2/alerts", body); status != http.StatusOK || text != "" {
		t.Errorf("v2: %d %q, want 200 and nothing", status, text)
	}
	if status, text := call(t, http.MethodPost, address+"/api/v1/alerts", body); status != http.StatusOK || text != `{"status":"success"}` {
		t.Errorf("v1: %d %q", status, text)
	}
	if diff := cmp.Diff([]Posted{want, want}, taken); diff != "" {
		t.Errorf("posted (-want +got):\n%s", diff)
	}
	failure = errors.New("alert {}: no labels")
	if status, text := call(t, http.MethodPost, address+"/api/v2/alerts", body); status != http.StatusBadRequest || text != `"alert {}: no labels"` {
		t.Errorf("invalid, v2: %d %s", status, text)
	}
	if status, text := call(t, http.MethodPost, address+"/api/v1/alerts", body); status != http.StatusBadRequest || text != `{"error":"alert {}: no labels","errorType":"bad_data","status":"error"}` {
		t.Errorf("invalid, v1: %d %s", status, text)
	}
	failure = fmt.Errorf("disk full: %w", ErrStorage)
	if status, _ := call(t, http.MethodPost, address+"/api/v2/alerts", body); status != http.StatusInternalServerError {
		t.Errorf("storage: %d, want 500 so that the sender tries again", status)
	}
	for name, wrong := range map[string]string{
		"no JSON": `[{`, "an object": `{}`, "a time": `[{"labels":{"a":"b"},"startsAt":"yesterday"}]`, "a number": `[{"labels":{"a":1}}]`,
	} {
		if status, _ := call(t, http.MethodPost, address+"/api/v2/alerts", wrong); status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, status)
		}
	}
	long := `[{"labels":{"a":"` + strings.Repeat("x", maxBody) + `"}}]`
	if status, _ := call(t, http.MethodPost, address+"/api/v2/alerts", long); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of more than %d bytes: status %d, want 413", maxBody, status)
	}
	response, err := http.Post(address+"/api/v2/alerts", "text/plain", strings.NewReader(body)) //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a type that any web page may send: status %d, want 415", response.StatusCode)
	}
}

func TestSilences(t *testing.T) {
	address := serve(t, nil, nil)
	body := func(id string, ends time.Duration) string {
		return fmt.Sprintf(`{"id":%q,"matchers":[{"name":"job","value":"odoo","isRegex":false},{"name":"severity","value":"crit.*","isRegex":true,"isEqual":false}],`+
			`"startsAt":%q,"endsAt":%q,"createdBy":"dba","comment":"migration","annotations":{"ticket":"OPS-1"}}`,
			id, time.Now().Add(-time.Minute).Format(time.RFC3339), time.Now().Add(ends).Format(time.RFC3339))
	}
	set := func(id string, ends time.Duration) (int, string) {
		status, text := call(t, http.MethodPost, address+"/api/v2/silences", body(id, ends))
		var made struct{ SilenceID string }
		_ = json.Unmarshal([]byte(text), &made) // an error is a string
		return status, made.SilenceID
	}
	status, id := set("", time.Hour)
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	_, text := call(t, http.MethodGet, address+"/api/v2/silence/"+id, "")
	var got silenceJSON
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	yes, no := true, false
	want := []matcherJSON{{"job", "odoo", false, &yes}, {"severity", "crit.*", true, &no}}
	if diff := cmp.Diff(want, got.Matchers); diff != "" {
		t.Errorf("matchers (-want +got):\n%s", diff)
	}
	if got.Status.State != silence.Active || got.CreatedBy != "dba" || got.Comment != "migration" || got.Annotations["ticket"] != "OPS-1" {
		t.Errorf("silence: %s", text)
	}
	for query, n := range map[string]int{
		"": 1, "active=false": 0, "expired=false": 1, "filter=" + url.QueryEscape(`job="odoo"`): 1, "filter=" + url.QueryEscape(`job="x"`): 0,
		"filter=" + url.QueryEscape(`job=~"od.*"`): 1, "filter=" + url.QueryEscape(`severity!~"crit.*"`): 1,
	} {
		_, text := call(t, http.MethodGet, address+"/api/v2/silences?"+query, "")
		var all []silenceJSON
		if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != n {
			t.Errorf("silences?%s: %d, want %d (%v): %s", query, len(all), n, err, text)
		}
	}
	if status, _ := set(id, -time.Hour); status != http.StatusBadRequest {
		t.Errorf("an end in the past: status %d", status)
	}
	const unknown = "0b5f7d0e-0000-4000-8000-000000000000"
	if status, _ := set(unknown, time.Hour); status != http.StatusNotFound {
		t.Errorf("change of an unknown silence: status %d", status)
	}
	for _, tt := range []struct {
		method, id string
		status     int
	}{
		{http.MethodGet, unknown, http.StatusNotFound},
		{http.MethodDelete, unknown, http.StatusNotFound},
		{http.MethodGet, "x", http.StatusUnprocessableEntity},
		{http.MethodDelete, "x", http.StatusUnprocessableEntity},
		{http.MethodDelete, id, http.StatusOK},
		{http.MethodDelete, id, http.StatusInternalServerError}, // as Alertmanager says that it has expired already
	} {
		if status, text := call(t, tt.method, address+"/api/v2/silence/"+tt.id, ""); status != tt.status {
			t.Errorf("%s %s: status %d (%s), want %d", tt.method, tt.id, status, text, tt.status)
		}
	}
	_, text = call(t, http.MethodGet, address+"/api/v2/silence/"+id, "")
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Status.State != silence.Expired {
		t.Errorf("after its end: %s", text)
	}
	for name, wrong := range map[string]string{
		"no label":           `{"matchers":[{"name":"","value":"x","isRegex":false}]}`,
		"regular expression": `{"matchers":[{"name":"a","value":"(","isRegex":true}]}`,
		"nothing":            `{}`,
	} {
		if status, _ := call(t, http.MethodPost, address+"/api/v2/silences", wrong); status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", name, status)
		}
	}
}

func FuzzParseMatchers(f *testing.F) {
	for _, seed := range []string{`a="b"`, `{a=~"b|c",d!="e"}`, `a=b`, `"ü"!~".*"`, `a=~"("`, `{`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		matchers, err := ParseMatchers([]string{text})
		if err != nil {
			return
		}
		for _, m := range matchers {
			if m.Type == labels.MatchEqual && !m.Matches(m.Value) {
				t.Errorf("%q gave a matcher that does not match its own value: %s", text, m)
			}
		}
	})
}

package main

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The links in a message lead on: to why the alert fired, and to a silence for it that only has to be signed.
func TestLinksOfMessages(t *testing.T) {
	t.Parallel()
	const outside = "https://tocsin.example.org"
	p, h := newPager(t), newHook(t)
	configuration := strings.NewReplacer(
		`text    = "as always"`, "", `group_wait = "1h"`, `group_wait = "0s"`, `{ listen = "127.0.0.1:0" }`, "{\n listen = \"127.0.0.1:0\"\n external_url = \""+outside+"\"\n}",
	).Replace(drilled(p, h))
	engine := start(t, writeConfig(t, configuration))
	api := engine.address(t)
	call(t, http.MethodPost, api+"/api/v2/alerts", posting("/critical/a&b<c>", time.Now().Add(time.Hour)))
	var body string
	eventually(t, "Slack is told", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.bodies) > 0 {
			body = h.bodies[0]
		}
		return body != ""
	})
	var message struct{ Attachments []struct{ Text string } }
	if err := json.Unmarshal([]byte(body), &message); err != nil || len(message.Attachments) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	link := func(text string) string {
		t.Helper()
		found := regexp.MustCompile(`<` + outside + `([^|>]*)\|` + text + `>`).FindStringSubmatch(message.Attachments[0].Text)
		if found == nil {
			t.Fatalf("no link %q in %s", text, message.Attachments[0].Text)
		}
		return api + html.UnescapeString(found[1])
	}
	eventually(t, "the page tells who was told", func() bool {
		return strings.Contains(html.UnescapeString(call(t, http.MethodGet, link("Why"), "")), "slack.ops: told at ")
	})

	page := call(t, http.MethodGet, link("Silence"), "")
	filled := regexp.MustCompile(`<textarea[^>]*>(.*)</textarea>`).FindStringSubmatch(page)
	if filled == nil {
		t.Fatalf("nothing is filled in: %s", page)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/silences/new", strings.NewReader(url.Values{
		"matchers": {html.UnescapeString(filled[1])}, "hours": {"1"}, "by": {"ann"}, "comment": {"known"},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got := call(t, http.MethodGet, api+"/api/v2/alerts?active=false", ""); response.StatusCode != http.StatusOK || !strings.Contains(got, `"state":"suppressed"`) {
		t.Errorf("%s, and then alerts %s", response.Status, got)
	}
	engine.stop(t)
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// address is where a running tocsin answers HTTP.
func (p *process) address(t testing.TB) string {
	t.Helper()
	var address string
	eventually(t, "for the address of the API", func() bool {
		address = addressIn(p.log.String())
		return address != ""
	})
	return "http://" + address
}

// addressIn is the last one that a log names.
func addressIn(log string) (address string) {
	for line := range strings.Lines(log) {
		var entry struct{ Message, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Message == "tocsin runs" {
			address = entry.Address
		}
	}
	return address
}

// call is one request to the API; anything but 200 fails the test.
func call(t testing.TB, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s (%v)", method, url, response.Status, text, err)
	}
	return string(text)
}

// posting is what a Prometheus posts about one endpoint; it ends at that time.
func posting(endpoint string, ends time.Time) string {
	return fmt.Sprintf(`[{"labels":{"alertname":"HighLatency","endpoint":%q,"severity":"critical"},"annotations":{"summary":"%s is slow"},"startsAt":%q,"endsAt":%q,"generatorURL":"http://prometheus/graph"}]`,
		endpoint, endpoint, time.Now().Add(-time.Hour).Format(time.RFC3339), ends.Format(time.RFC3339))
}

// The engine as somebody's Alertmanager: what it said yes to is there after kill -9.
func TestAlertsOfOthers(t *testing.T) {
	pager := newPager(t)
	dir := writeConfig(t, pipeline(newGateway(t), pager, ""))
	p := start(t, dir)
	api := p.address(t)
	later := time.Now().Add(time.Hour)
	var silence struct{ SilenceID string }
	answer := call(t, http.MethodPost, api+"/api/v2/silences", fmt.Sprintf(
		`{"matchers":[{"name":"endpoint","value":"/quiet.*","isRegex":true}],"startsAt":%q,"endsAt":%q,"createdBy":"ops","comment":"migration"}`,
		time.Now().Format(time.RFC3339), later.Format(time.RFC3339)))
	if err := json.Unmarshal([]byte(answer), &silence); err != nil {
		t.Fatal(err)
	}
	p.kill(t)

	p = start(t, dir)
	api = p.address(t)
	if got := call(t, http.MethodGet, api+"/api/v2/silence/"+silence.SilenceID, ""); !strings.Contains(got, `"state":"active"`) {
		t.Errorf("the silence after kill -9: %s", got)
	}
	call(t, http.MethodPost, api+"/api/v2/alerts", posting("/quiet/api", later))
	call(t, http.MethodPost, api+"/api/v2/alerts", posting("/critical/api", later))
	p.kill(t)

	p = start(t, dir)
	api = p.address(t)
	eventually(t, "for the page", func() bool { return pager.actions() == "trigger" })
	if got := call(t, http.MethodGet, api+"/api/v2/alerts?active=false&unprocessed=false", ""); !strings.Contains(got, silence.SilenceID) || !strings.Contains(got, "/quiet/api") {
		t.Errorf("suppressed alerts: %s, want the silenced one with the silence that hides it", got)
	}
	call(t, http.MethodPost, api+"/api/v2/alerts", posting("/critical/api", time.Now().Add(-time.Second)))
	eventually(t, "for the resolve", func() bool { return pager.actions() == "trigger resolve" })
	pager.checkIncident(t)

	// The end of the silence is an event: the alert that it hid is told.
	call(t, http.MethodDelete, api+"/api/v2/silence/"+silence.SilenceID, "")
	eventually(t, "for what was silenced", func() bool { return pager.actions() == "trigger resolve trigger" })
	p.stop(t)
}

// amtool, if it is installed, works against the engine.
func TestAmtool(t *testing.T) {
	amtool, err := exec.LookPath("amtool")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("amtool is not installed: .ci/run installs it, so this must not be skipped")
	case err != nil:
		t.Skip("amtool is not installed: go install github.com/prometheus/alertmanager/cmd/amtool@v0.34.2")
	}
	pager := newPager(t)
	p := start(t, writeConfig(t, pipeline(newGateway(t), pager, "")))
	api := p.address(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), amtool, append([]string{"--alertmanager.url=" + api}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("amtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	says := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("amtool printed %q, want it to say %q", got, w)
			}
		}
	}
	run("alert", "add", "alertname=Down", "endpoint=/critical/api", "severity=critical", "--annotation=summary=it is down")
	run("alert", "add", "alertname=Slow", "endpoint=/other", "severity=warning")
	eventually(t, "for both pages", func() bool { return pager.actions() == "trigger trigger" })
	says(run("alert", "query"), "Down", "Slow")
	if got := run("alert", "query", "severity=warning"); strings.Contains(got, "Down") || !strings.Contains(got, "Slow") {
		t.Errorf("query with a filter: %s", got)
	}
	id := strings.TrimSpace(run("silence", "add", "alertname=Slow", "--author=ops", "--comment=known", "--duration=1h"))
	says(run("silence", "query"), id, "alertname=\"Slow\"", "ops", "known")
	says(run("alert", "query", "--silenced"), "Slow")
	says(run("silence", "update", "--duration=2h", "--comment=still known", id), id)
	exported := run("silence", "query", "-o", "json")
	run("silence", "expire", id)
	if got := run("silence", "query"); strings.Contains(got, id) {
		t.Errorf("an expired silence is listed: %s", got)
	}
	importing := exec.CommandContext(t.Context(), amtool, "--alertmanager.url="+api, "silence", "import")
	importing.Stdin = strings.NewReader(exported)
	if out, err := importing.CombinedOutput(); err != nil {
		t.Errorf("amtool silence import: %v\n%s", err, out)
	}
	says(run("silence", "query"), "still known")
	says(run("cluster", "show"), "disabled")
	says(run("config", "routes", "test", "alertname=Down"), "pagerduty.oncall")
	p.stop(t)
}

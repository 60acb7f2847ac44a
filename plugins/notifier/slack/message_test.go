package slack

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares JSON, indented for reading, with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(got), "", "  "); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	got = strings.TrimSpace(indented.String()) + "\n"
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s -want +got (-update writes it):\n%s", name, diff)
	}
}

var started = time.Date(2026, 1, 1, 10, 2, 3, 456e6, time.UTC)

// incident is the reference scenario.
func incident() notifier.Notification {
	return notifier.Notification{
		ID: "4f1c", Attempt: 1, Reason: notifier.ReasonFirst, Receiver: "ops",
		GroupKey: `{}:{alertname="HighAPIErrorRate", endpoint="/critical/api"}`, DedupKey: strings.Repeat("0123456789abcdef", 4),
		GroupLabels: map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/api"},
		ExternalURL: "https://tocsin.example.org",
		Alerts: []notifier.Alert{{
			Fingerprint: "c166d1c4548843fb", Status: notifier.StatusFiring, Rule: "HighAPIErrorRate", StartsAt: started, Value: 0.125,
			FireValue: 0.08, Peak: 0.2, Recent: []float64{0.08, 0.1, 0.2, 0.125}, Change: notifier.Added,
			Labels: map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/api", "severity": "critical"},
			Annotations: map[string]string{
				"summary": "/critical/api: 12.5% of requests fail", "runbook": "https://runbooks.example.org/high-api-error-rate?a=1&b=2",
			},
		}},
	}
}

// ended is n when all its alerts are resolved.
func ended(n notifier.Notification) notifier.Notification {
	n.ID, n.Reason, n.Alerts = "4f1d", notifier.ReasonAllResolved, slices.Clone(n.Alerts)
	for i := range n.Alerts {
		a := &n.Alerts[i]
		a.Status, a.Change, a.EndsAt, a.Value = notifier.StatusResolved, notifier.Ended, started.Add(38*time.Minute), 0.001
		a.Recent = append(slices.Clone(a.Recent), 0.001)
	}
	return n
}

func defaults(t *testing.T, config string) *Config {
	t.Helper()
	var c Config
	if err := schema.Decode([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestAttributes(t *testing.T) {
	c := defaults(t, `{
		"username":"Tocsin","icon_emoji":":bell:","icon_url":"https://i/x.png","link_names":true,"message_text":"<!here> look","title":"A *title*",
		"title_link":"https://t","pretext":"pre","text":"text <https://x|x>","color":"#123456","fallback":"fb","footer":"foot","callback_id":"cb",
		"image_url":"https://i/i.png","thumb_url":"https://i/t.png","short_fields":true,"mrkdwn_in":["text"],
		"fields":[{"title":"a","value":"1"},{"title":"b","value":"2","short":false}],
		"actions":[{"text":"Runbook","url":"https://rb","style":"primary"}]}`)
	n := incident()
	body, err := encode(c.message(&n))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "attributes.json", string(body))
}

func TestColor(t *testing.T) {
	tests := []struct {
		status   notifier.Status
		severity string
		want     string
	}{
		{notifier.StatusFiring, "critical", "danger"},
		{notifier.StatusFiring, "error", "danger"},
		{notifier.StatusFiring, "", "danger"},
		{notifier.StatusFiring, "warning", "warning"},
		{notifier.StatusFiring, "info", "#439fe0"},
		{notifier.StatusResolved, "critical", "good"},
	}
	for _, tt := range tests {
		n := notifier.Notification{Alerts: []notifier.Alert{{Status: tt.status, Labels: map[string]string{"severity": tt.severity}}}}
		if got := color(&n); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.status, tt.severity, got, tt.want)
		}
	}
}

// What comes from alerts must not mention people, link or break out of its markup.
func TestAlertsCannotInject(t *testing.T) {
	n := incident()
	n.Note = "<!channel>"
	n.Alerts[0].Labels = map[string]string{"alertname": "<!everyone>", "endpoint": "`<@U123>` & <https://evil|click>"}
	n.Alerts[0].Annotations = map[string]string{
		"summary": "*<!here>* a & b\n<https://evil|click>", "runbook": "https://rb/x|<!channel>>y",
	}
	c := defaults(t, `{}`)
	m := c.message(&n)
	for name, text := range map[string]string{
		"title": m.Attachments[0].Title, "text": m.Attachments[0].Text, "fallback": m.Attachments[0].Fallback, "reply": replyText(new(ended(n))),
	} {
		for _, bad := range []string{"<!", "<@", "<https://evil"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s holds %q: %s", name, bad, text)
			}
		}
	}
	if got := strings.Count(m.Attachments[0].Text, "`"); got != 2 {
		t.Errorf("%d backticks in %s", got, m.Attachments[0].Text)
	}
	if !strings.Contains(m.Attachments[0].Text, "<https://rb/x%7C%3C!channel%3E%3Ey|Runbook>") {
		t.Errorf("link in %s", m.Attachments[0].Text)
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("ä&<", 20_000)
	many := incident()
	for i := range 10_000 {
		a := incident().Alerts[0]
		a.Labels = map[string]string{"alertname": "HighAPIErrorRate", "endpoint": fmt.Sprint("/critical/", i)}
		many.Alerts = append(many.Alerts, a)
	}
	wide := incident()
	wide.Note = long
	wide.Alerts[0].Labels = map[string]string{"alertname": long, "endpoint": long, "x": long}
	wide.Alerts[0].Annotations = map[string]string{"summary": long, "runbook": "https://rb/" + strings.Repeat("&", 1900)}
	bare := notifier.Notification{Alerts: []notifier.Alert{{Status: notifier.StatusFiring}}}
	tests := []struct {
		name   string
		n      notifier.Notification
		config string
		more   string // how the text ends
	}{
		{"ten thousand", many, `{}`, "more"},
		{"long texts", wide, `{}`, ""},
		{"long configured texts", incident(), `{"title":"` + strings.Repeat("ä", 3000) + `","text":"` + strings.Repeat("ä", 9000) + `"}`, "…"},
		{"hardly anything", bare, `{}`, ""},
		{"no alerts", notifier.Notification{}, `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := defaults(t, tt.config)
			m := c.message(&tt.n)
			a := m.Attachments[0]
			for name, limited := range map[string]struct {
				text string
				most int
			}{"title": {a.Title, maxTitle}, "text": {a.Text, maxText}, "fallback": {a.Fallback, maxFallback}} {
				if n := utf8.RuneCountInString(limited.text); n > limited.most || !utf8.ValidString(limited.text) {
					t.Errorf("%s has %d runes", name, n)
				}
				if rest := entity.ReplaceAllString(limited.text, ""); strings.Contains(rest, "&") && tt.config == `{}` {
					t.Errorf("%s holds a bare or cut &", name)
				}
			}
			if a.Title == "" || len(tt.n.Alerts) > 0 && tt.config == `{}` && !strings.Contains(a.Text, ":red_circle:") {
				t.Errorf("title %q, text %.100q", a.Title, a.Text)
			}
			if !strings.HasSuffix(a.Text, tt.more) {
				t.Errorf("text ends in %q", a.Text[len(a.Text)-30:])
			}
			if reply := replyText(new(ended(tt.n))); utf8.RuneCountInString(reply) > maxText {
				t.Errorf("reply of %d runes", utf8.RuneCountInString(reply))
			}
		})
	}
}

func TestRemarks(t *testing.T) {
	n := incident()
	n.Note, n.PossibleRepeat, n.Truncated = "delivered late", true, 7
	text := builtinText(&n)
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != "_delivered late_" || !strings.HasPrefix(lines[1], "_possible repeat") || lines[3] != "… and 7 more" {
		t.Errorf("%s", text)
	}
}

package pagerduty

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares JSON, indented for reading, with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(got), "", "  "); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	indented.WriteByte('\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("%s -want +got (-update writes it):\n%s", name, diff)
	}
}

var started = time.Date(2026, 1, 1, 10, 2, 3, 456e6, time.UTC)

// incident is the reference scenario.
func incident() notifier.Notification {
	return notifier.Notification{
		ID: "4f1c", Attempt: 1, Reason: notifier.ReasonFirst, Receiver: "oncall",
		GroupKey: `{}:{alertname="HighAPIErrorRate", endpoint="/critical/api"}`, DedupKey: strings.Repeat("0123456789abcdef", 4),
		GroupLabels: map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/api"},
		ExternalURL: "https://tocsin.example.org",
		Alerts: []notifier.Alert{{
			Fingerprint: "c166d1c4548843fb", Status: notifier.StatusFiring, Rule: "HighAPIErrorRate", StartsAt: started, Value: 0.125,
			FireValue: 0.08, Peak: 0.2, Recent: []float64{0.08, 0.1, 0.2, 0.125}, Change: notifier.Added,
			Labels: map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/api", "severity": "critical"},
			Annotations: map[string]string{
				"summary": "/critical/api: 12.5% of requests fail", "runbook": "https://runbooks.example.org/high-api-error-rate",
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

func defaults() *Config { return &Config{Client: "Tocsin"} }

// decoded is an event as PagerDuty reads it.
type decoded struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Payload    struct {
		Summary   string                     `json:"summary"`
		Source    string                     `json:"source"`
		Severity  string                     `json:"severity"`
		Timestamp string                     `json:"timestamp"`
		Component string                     `json:"component"`
		Group     string                     `json:"group"`
		Class     string                     `json:"class"`
		Details   map[string]json.RawMessage `json:"custom_details"`
	} `json:"payload"`
	Links []link `json:"links"`
}

func encoded(t *testing.T, c *Config, n notifier.Notification) (decoded, []byte) {
	t.Helper()
	body, err := c.event(&n, actionTrigger, testKey).encode(maxEvent)
	if err != nil {
		t.Fatal(err)
	}
	var d decoded
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	return d, body
}

func TestSeverity(t *testing.T) {
	alerts := func(severities ...string) []notifier.Alert {
		var list []notifier.Alert
		for _, s := range severities {
			list = append(list, notifier.Alert{Status: notifier.StatusFiring, Labels: map[string]string{"severity": s}})
		}
		return list
	}
	resolved := notifier.Alert{Status: notifier.StatusResolved, Labels: map[string]string{"severity": "critical"}}
	tests := []struct {
		name   string
		alerts []notifier.Alert
		config Config
		want   string
	}{
		{"of the label", alerts("warning"), Config{}, "warning"},
		{"worst", alerts("info", "critical", "warning"), Config{}, "critical"},
		{"not PagerDuty's", alerts("page"), Config{}, "error"},
		{"none", alerts(""), Config{}, "error"},
		{"of firing alerts only", append(alerts("info"), resolved), Config{}, "info"},
		{"of all when none fires", []notifier.Alert{resolved}, Config{}, "critical"},
		{"configured", alerts("critical"), Config{Severity: "info"}, "info"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := encoded(t, &tt.config, notifier.Notification{Alerts: tt.alerts})
			if d.Payload.Severity != tt.want {
				t.Errorf("%s, want %s", d.Payload.Severity, tt.want)
			}
		})
	}
}

func TestWhereItComesFrom(t *testing.T) {
	type set = map[string]string
	tests := []struct {
		name   string
		labels []set
		url    string
		want   string // source component group class
	}{
		{"nothing known", []set{nil}, "", "tocsin - - -"},
		{"external URL", []set{nil}, "https://t.example:9095/x", "t.example:9095 - - -"},
		{"instance", []set{{"instance": "gw1:9113", "job": "gateway", "alertname": "A"}}, "", "gw1:9113 gateway - A"},
		{"several instances", []set{{"instance": "gw1", "job": "gateway"}, {"instance": "gw2", "job": "gateway"}}, "", "gateway gateway - -"},
		{"nothing shared", []set{{"instance": "gw1"}, {"instance": "gw2", "severity": "critical"}}, "", "gw2 - - -"},
		{"neither instance nor job", []set{{"endpoint": "/critical/api", "alertname": "A"}}, "https://t.example", "/critical/api - - A"},
		{"service and cluster", []set{{"service": "checkout", "cluster": "eu-1", "job": "x"}}, "", "x checkout eu-1 -"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := notifier.Notification{ExternalURL: tt.url}
			for _, l := range tt.labels {
				n.Alerts = append(n.Alerts, notifier.Alert{Status: notifier.StatusFiring, Labels: l})
			}
			d, _ := encoded(t, defaults(), n)
			dash := func(s string) string {
				if s == "" {
					return "-"
				}
				return s
			}
			got := strings.Join([]string{dash(d.Payload.Source), dash(d.Payload.Component), dash(d.Payload.Group), dash(d.Payload.Class)}, " ")
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimestampIsTheEarliestStart(t *testing.T) {
	n := incident()
	n.Alerts = append(n.Alerts, n.Alerts[0], n.Alerts[0])
	n.Alerts[1].StartsAt = started.Add(-time.Hour).In(time.FixedZone("", 3600))
	n.Alerts[2].StartsAt = time.Time{}
	if d, _ := encoded(t, defaults(), n); d.Payload.Timestamp != "2026-01-01T09:02:03.456Z" {
		t.Errorf("%s", d.Payload.Timestamp)
	}
}

func TestSummaryIsWithinTheLimit(t *testing.T) {
	for name, text := range map[string]string{
		"ASCII": strings.Repeat("x", 5000), "two bytes": strings.Repeat("ä", 5000), "four bytes": strings.Repeat("🔥", 5000),
		"exact": strings.Repeat("x", maxSummary), "invalid": strings.Repeat("\xff", 5000), "empty": "",
	} {
		for _, c := range []*Config{defaults(), {Description: text}} {
			for _, n := range []notifier.Notification{incident(), ended(incident())} {
				n.Alerts[0].Annotations = map[string]string{"summary": text}
				d, _ := encoded(t, c, n)
				s := d.Payload.Summary
				if s == "" || utf8.RuneCountInString(s) > maxSummary || strings.ContainsRune(s, utf8.RuneError) != (name == "invalid") {
					t.Errorf("%s: %d runes: %.80q", name, utf8.RuneCountInString(s), s)
				}
				if c.Description == "" && !strings.Contains(s, "/critical/api") {
					t.Errorf("%s: no endpoint in %.80q…", name, s)
				}
			}
		}
	}
}

func TestLongDedupKeyIsCut(t *testing.T) {
	n := incident()
	n.DedupKey = strings.Repeat("f", 300)
	if d, _ := encoded(t, defaults(), n); len(d.DedupKey) != maxDedupKey {
		t.Errorf("%d bytes", len(d.DedupKey))
	}
}

// big makes an incident of many alerts, the worst of them last.
func big(firing, resolved, text int) notifier.Notification {
	n := incident()
	n.Alerts = nil
	for i := range firing + resolved {
		a := notifier.Alert{
			Fingerprint: fmt.Sprintf("%016x", i), Status: notifier.StatusFiring, StartsAt: started.Add(time.Duration(i) * time.Second), Value: float64(i),
			Labels:      map[string]string{"alertname": "HighAPIErrorRate", "endpoint": fmt.Sprint("/critical/", i), "severity": "warning"},
			Annotations: map[string]string{"summary": strings.Repeat("<ä>", text/3), "runbook": "https://runbooks.example.org/x"},
		}
		if i >= firing {
			a.Status, a.EndsAt = notifier.StatusResolved, started.Add(time.Hour)
		}
		if i == firing-1 {
			a.Labels["severity"] = "critical"
		}
		n.Alerts = append(n.Alerts, a)
	}
	return n
}

func TestShrinking(t *testing.T) {
	hostile := big(1, 0, 3_000_000)
	hostile.Note = strings.Repeat("n", 1_000_000)
	hostile.GroupLabels = map[string]string{strings.Repeat("g", 100_000): strings.Repeat("g", 700_000)}
	wide := big(3, 0, 10)
	for i := range 20_000 {
		wide.Alerts[2].Labels[fmt.Sprint("label_", i)] = strings.Repeat("v", 50)
	}
	controls := big(1, 0, 0)
	controls.Alerts[0].Annotations = map[string]string{"summary": strings.Repeat("\x01", 300_000)} // six bytes each in JSON
	tests := []struct {
		name             string
		n                notifier.Notification
		details          map[string]string
		firing, resolved string // how many are listed: "all", "some", "none"
		team             bool   // whether the configured detail stays
	}{
		{"small", big(3, 2, 100), map[string]string{"team": "edge"}, "all", "all", true},
		{"resolved tail goes first", big(100, 10_000, 100), map[string]string{"team": "edge"}, "all", "some", true},
		{"firing tail next", big(10_000, 10, 100), map[string]string{"team": "edge"}, "some", "none", true},
		{"one alert too long", big(1, 0, 3_000_000), map[string]string{"team": "edge"}, "all", "none", true},
		{"one of many too long", wide, map[string]string{"team": "edge"}, "all", "none", true},
		{"details too long", big(2, 0, 100), map[string]string{"team": strings.Repeat("x", 600_000)}, "all", "none", false},
		{"everything too long", hostile, map[string]string{"team": strings.Repeat("x", 600_000)}, "all", "none", false},
		{"control characters", controls, map[string]string{"team": "edge"}, "all", "none", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := defaults()
			c.Details = tt.details
			d, body := encoded(t, c, tt.n)
			if len(body) > maxEvent {
				t.Fatalf("%d bytes", len(body))
			}
			var firing, resolved int
			for _, a := range tt.n.Alerts {
				if a.Status == notifier.StatusFiring {
					firing++
				} else {
					resolved++
				}
			}
			details := d.Payload.Details
			if got, want := string(details["num_firing"])+string(details["num_resolved"]), fmt.Sprintf(`"%d""%d"`, firing, resolved); got != want {
				t.Errorf("counts %s, want %s", got, want)
			}
			checkListed(t, "firing", details["firing"], firing, tt.firing)
			checkListed(t, "resolved", details["resolved"], resolved, tt.resolved)
			var listed []alertDetail
			if err := json.Unmarshal(details["firing"], &listed); err != nil {
				t.Fatal(err)
			}
			if listed[0].Fingerprint != fmt.Sprintf("%016x", firing-1) {
				t.Errorf("the first alert listed is %s, want the worst", listed[0].Fingerprint)
			}
			if _, ok := details["team"]; ok != tt.team {
				t.Errorf("configured detail kept: %t", ok)
			}
			if !slices.Contains(d.Links, link{Href: tt.n.ExternalURL, Text: "Tocsin"}) {
				t.Errorf("links %v", d.Links)
			}
			if _, omitted := details["omitted"]; omitted != (len(listed) < firing || resolved > 0 && tt.resolved != "all") {
				t.Errorf("omitted: %s", details["omitted"])
			}
			if strings.Contains(tt.name, " tail ") && len(body) < maxEvent*95/100 {
				t.Errorf("only %d bytes used", len(body))
			}
		})
	}
}

// Whatever comes is told, within the limit, and says how many alerts there are, which is the worst and where to look.
func TestWhateverComesFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(what string) string {
			unit := rapid.SampledFrom([]string{"x", "ä", "🔥", "\x01", "\xff", "<", "\"", "\u2028"}).Draw(t, what+" of")
			return strings.Repeat(unit, rapid.SampledFrom([]int{0, 1, 100, 3000, 150_000}).Draw(t, what+" long"))
		}
		labels := func(what string) map[string]string {
			set := map[string]string{"alertname": "A"}
			value := text(what)
			many := 1
			if len(value) <= 12_000 {
				many = rapid.SampledFrom([]int{0, 1, 50}).Draw(t, what+" many")
			}
			for i := range many {
				set[fmt.Sprint(i, value[:min(len(value), 2000)])] = value
			}
			return set
		}
		n := notifier.Notification{
			Note: text("note"), GroupLabels: labels("group"), ExternalURL: "https://tocsin.example.org/" + strings.Repeat("x", rapid.SampledFrom([]int{0, 3000}).Draw(t, "path")),
			DedupKey: "k", Receiver: text("receiver"), Reference: text("reference"),
		}
		firing, resolved := rapid.IntRange(0, 12).Draw(t, "firing"), rapid.IntRange(0, 12).Draw(t, "resolved")
		worst := -1
		if firing > 0 {
			worst = rapid.IntRange(0, firing-1).Draw(t, "worst")
		}
		shared, noted := labels("labels"), labels("annotations")
		for i := range firing + resolved {
			a := notifier.Alert{
				Fingerprint: fmt.Sprintf("%016x", i), Status: notifier.StatusFiring, Labels: maps.Clone(shared), Annotations: noted,
				GeneratorURL: text("generator"),
			}
			a.Labels["severity"] = "warning"
			if i >= firing {
				a.Status = notifier.StatusResolved
			}
			if i == worst {
				a.Labels["severity"] = "critical"
			}
			n.Alerts = append(n.Alerts, a)
		}
		c := &Config{
			Client: text("client"), ClientURL: text("client_url"), Description: text("description"), Source: text("source"), Class: text("class"),
			Details: labels("details"), Links: []Link{{Href: "https://wiki.example.org/" + text("link"), Text: text("link text")}},
			Images: []Image{{Src: "https://wiki.example.org/" + text("image"), Href: text("image link"), Alt: text("alt")}},
		}
		body, err := c.event(&n, actionTrigger, testKey).encode(maxEvent)
		if err != nil {
			t.Fatal(err)
		}
		var d decoded
		if err := json.Unmarshal(body, &d); err != nil || len(body) > maxEvent || !utf8.Valid(body) {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
		if len([]rune(d.Payload.Summary)) > maxSummary || d.Payload.Summary == "" {
			t.Errorf("a summary of %d runes", len([]rune(d.Payload.Summary)))
		}
		if got, want := string(d.Payload.Details["num_firing"]), fmt.Sprintf("%q", fmt.Sprint(firing)); got != want {
			t.Errorf("num_firing is %s, want %s", got, want)
		}
		if len(n.ExternalURL) < 1000 && !slices.Contains(d.Links, link{Href: n.ExternalURL, Text: "Tocsin"}) {
			t.Errorf("links %v", d.Links)
		}
		var listed []alertDetail
		if list := d.Payload.Details["firing"]; list != nil {
			if err := json.Unmarshal(list, &listed); err != nil {
				t.Fatal(err)
			}
		}
		if firing > 0 && (len(listed) == 0 || listed[0].Fingerprint != fmt.Sprintf("%016x", worst)) {
			t.Errorf("the first of %d alerts listed is not the worst, %d", len(listed), worst)
		}
	})
}

func checkListed(t *testing.T, what string, list json.RawMessage, all int, want string) {
	t.Helper()
	var alerts []json.RawMessage
	if list != nil {
		if err := json.Unmarshal(list, &alerts); err != nil {
			t.Fatal(err)
		}
	}
	got := "some"
	switch len(alerts) {
	case 0:
		got = "none"
	case all:
		got = "all"
	}
	if got != want {
		t.Errorf("%s: %d of %d listed, want %s", what, len(alerts), all, want)
	}
}

func TestRemarksForPeople(t *testing.T) {
	n := incident()
	n.Note, n.PossibleRepeat, n.Truncated = "delivered late", true, 12
	d, _ := encoded(t, defaults(), n)
	want := map[string]string{
		"note": `"delivered late"`, "num_left_out": `"12"`,
		"possible_repeat": `"an earlier attempt got no answer; you may have seen this already"`,
	}
	for name, value := range want {
		if got := string(d.Payload.Details[name]); got != value {
			t.Errorf("%s is %s, want %s (of %v)", name, got, value, slices.Sorted(maps.Keys(d.Payload.Details)))
		}
	}
}

func TestHostileAlertsStillEncode(t *testing.T) {
	for name, a := range map[string]notifier.Alert{
		"invalid UTF-8": {Status: notifier.StatusFiring, Labels: map[string]string{"a\xff": "\xc3\x28"}, GeneratorURL: "::\xff"},
		"no finite":     {Status: notifier.StatusFiring, Value: math.Inf(1)},
		"year 30000":    {Status: notifier.StatusFiring, StartsAt: time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"nothing":       {},
	} {
		t.Run(name, func(t *testing.T) {
			d, body := encoded(t, defaults(), notifier.Notification{Alerts: []notifier.Alert{a}})
			if !utf8.Valid(body) || d.Payload.Summary == "" || d.Payload.Source == "" || d.Payload.Severity == "" {
				t.Errorf("%s", body)
			}
		})
	}
	if d, _ := encoded(t, defaults(), notifier.Notification{}); d.Payload.Summary == "" {
		t.Error("no summary without alerts")
	}
}

func BenchmarkTenThousandAlerts(b *testing.B) {
	n := big(10_000, 0, 100)
	for b.Loop() {
		if _, err := defaults().event(&n, actionTrigger, testKey).encode(maxEvent); err != nil {
			b.Fatal(err)
		}
	}
}

package webhook

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

var started = time.Date(2026, 1, 1, 10, 0, 0, 123e6, time.UTC)

// three are the alerts that the files in testdata were made from.
func three() []notifier.Alert {
	const generator = "http://prom/graph?g0.expr=up<1&g0.tab=1"
	return []notifier.Alert{
		{
			Fingerprint: "c166d1c4548843fb", Status: notifier.StatusFiring, StartsAt: started, GeneratorURL: generator,
			Labels:      map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/api", "job": "gateway", "severity": "critical"},
			Annotations: map[string]string{"summary": "/critical/api: 12.5% of requests fail & <b>", "runbook": "https://rb/x"},
		},
		{
			Fingerprint: "e506e3e021255551", Status: notifier.StatusResolved, StartsAt: started, EndsAt: started.Add(5 * time.Minute), GeneratorURL: generator,
			Labels:      map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/critical/päy", "job": "gateway"},
			Annotations: map[string]string{"summary": "\u2028pay", "runbook": "https://rb/x"},
		},
		{
			Fingerprint: "fde2c7eba9a4c142", Status: notifier.StatusResolved, StartsAt: started, EndsAt: started.Add(5 * time.Minute), GeneratorURL: generator,
			Labels: map[string]string{"alertname": "HighAPIErrorRate", "endpoint": "/c", "job": "gateway"},
		},
	}
}

// The files in testdata are what Alertmanager 0.34.2 itself wrote (webhook.Message of template.Data) for the same alerts.
func TestMessageIsAlertmanagersByteForByte(t *testing.T) {
	tests := []struct {
		file      string
		n         notifier.Notification
		maxAlerts int
	}{
		{"alertmanager_two.json", notifier.Notification{
			Receiver: "ops.team+1", Reason: notifier.ReasonAdded, Alerts: three(), ExternalURL: "http://tocsin:9095",
			GroupLabels: map[string]string{"alertname": "HighAPIErrorRate"},
			GroupKey:    `{}/{severity="page"}:{alertname="HighAPIErrorRate"}`,
		}, 2},
		{"alertmanager_resolved.json", notifier.Notification{
			Receiver: "ops", Reason: notifier.ReasonAllResolved, Alerts: three()[1:], ExternalURL: "http://tocsin:9095", GroupKey: "{}:{}",
		}, 0},
		{"alertmanager_empty.json", notifier.Notification{
			Receiver: "ops", Reason: notifier.ReasonFirst, ExternalURL: "http://tocsin:9095", GroupKey: "{}:{}",
			Alerts: []notifier.Alert{{
				Status: notifier.StatusFiring, StartsAt: started, Fingerprint: "cbf29ce484222325", GeneratorURL: "http://prom/graph?g0.expr=up<1&g0.tab=1",
			}},
		}, 5},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := encode(&tt.n, tt.maxAlerts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-Alertmanager +ours:\n%s", diff)
			}
		})
	}
}

func TestTruncation(t *testing.T) {
	tests := []struct {
		name              string
		max, left         int
		listed, truncated int
		status            string
	}{
		{"no limit", 0, 0, 3, 0, "firing"},
		{"limit not reached", 3, 0, 3, 0, "firing"},
		{"one left", 1, 0, 1, 2, "firing"},
		{"the engine left some out too", 1, 7, 1, 9, "firing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := encode(&notifier.Notification{Alerts: three(), Truncated: tt.left}, tt.max)
			if err != nil {
				t.Fatal(err)
			}
			var m message
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			if len(m.Alerts) != tt.listed || m.TruncatedAlerts != tt.truncated || string(m.Status) != tt.status {
				t.Errorf("%d alerts, %d truncated, %s; want %d, %d, %s", len(m.Alerts), m.TruncatedAlerts, m.Status, tt.listed, tt.truncated, tt.status)
			}
		})
	}
}

func TestHostileAlertsStillEncode(t *testing.T) {
	tests := map[string]notifier.Alert{
		"invalid UTF-8":    {Status: notifier.StatusFiring, Labels: map[string]string{"a\xff": "\xc3\x28"}},
		"year 30000":       {Status: notifier.StatusFiring, StartsAt: time.Date(30000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"before year 1":    {Status: notifier.StatusFiring, StartsAt: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)},
		"odd zone":         {Status: notifier.StatusFiring, StartsAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 100000))},
		"value not finite": {Status: notifier.StatusFiring, Value: math.NaN()},
		"no status":        {},
	}
	for name, a := range tests {
		t.Run(name, func(t *testing.T) {
			body, err := encode(&notifier.Notification{Alerts: []notifier.Alert{a}}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(body) {
				t.Errorf("not JSON: %q", body)
			}
		})
	}
	body, err := encode(&notifier.Notification{}, 0)
	if err != nil || !strings.Contains(string(body), `"status":"resolved","alerts":[]`) {
		t.Errorf("no alerts: %s, %v", body, err)
	}
}

func TestTenThousandAlerts(t *testing.T) {
	n := notifier.Notification{}
	for i := range 10_000 {
		n.Alerts = append(n.Alerts, notifier.Alert{Status: notifier.StatusFiring, Labels: map[string]string{"alertname": "X", "i": strconv.Itoa(i)}})
	}
	body, err := encode(&n, 0)
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Alerts) != 10_000 || len(m.CommonLabels) != 1 {
		t.Errorf("%d alerts, common %v", len(m.Alerts), m.CommonLabels)
	}
}

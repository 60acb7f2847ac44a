package outbound

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

type set = map[string]string

func firing(labels, annotations set) notifier.Alert {
	return notifier.Alert{Status: notifier.StatusFiring, Labels: labels, Annotations: annotations}
}

func TestHeadline(t *testing.T) {
	errors := set{"alertname": "HighAPIErrorRate", "severity": "critical", "endpoint": "/critical/api", "job": "gateway"}
	many := func(n int) []notifier.Alert {
		var alerts []notifier.Alert
		for i := range n {
			alerts = append(alerts, firing(set{"alertname": "HighAPIErrorRate", "endpoint": fmt.Sprint("/", i), "job": "gateway"}, nil))
		}
		return alerts
	}
	tests := []struct {
		name   string
		group  set
		alerts []notifier.Alert
		want   string
	}{
		{
			"summary that says all", nil,
			[]notifier.Alert{firing(errors, set{"summary": "HighAPIErrorRate at gateway: /critical/api fails"})},
			"HighAPIErrorRate at gateway: /critical/api fails",
		},
		{
			"summary without name and job", nil,
			[]notifier.Alert{firing(errors, set{"summary": "/critical/api: 12.5% of requests fail"})},
			"/critical/api: 12.5% of requests fail (HighAPIErrorRate, job=gateway)",
		},
		{
			"summary without endpoint", nil,
			[]notifier.Alert{firing(errors, set{"summary": "12.5% of requests fail"})},
			"12.5% of requests fail (HighAPIErrorRate, endpoint=/critical/api, job=gateway)",
		},
		{"no summary", nil, []notifier.Alert{firing(errors, nil)}, "HighAPIErrorRate (endpoint=/critical/api, job=gateway)"},
		{"what groups comes first", set{"job": "gateway"}, []notifier.Alert{firing(errors, nil)}, "HighAPIErrorRate (job=gateway, endpoint=/critical/api)"},
		{"short values are not taken for mentioned", nil, []notifier.Alert{firing(set{"alertname": "A", "shard": "1"}, set{"summary": "A: 11% fail"})}, "A: 11% fail (A, shard=1)"},
		{"no labels at all", nil, []notifier.Alert{firing(nil, nil)}, "alert of group {}:{}"},
		{"no alerts", nil, nil, "no alerts in group {}:{}"},
		{"one fires, one ended", nil, []notifier.Alert{firing(errors, set{"summary": "x"}), {Status: notifier.StatusResolved}}, "x (HighAPIErrorRate, endpoint=/critical/api, job=gateway)"},
		{"three", nil, many(3), "3 alerts: HighAPIErrorRate (job=gateway), endpoint: /0, /1, /2"},
		{"nine", nil, many(9), "9 alerts: HighAPIErrorRate (job=gateway), endpoint: /0, /1, /2, /3, /4 and 4 more"},
		{"ten thousand", nil, many(10_000), "10000 alerts: HighAPIErrorRate (job=gateway), endpoint: /0, /1, /2, /3, /4 and 9995 more"},
		{"different names", nil, []notifier.Alert{firing(set{"alertname": "A", "job": "x"}, nil), firing(set{"alertname": "B", "job": "x"}, nil)}, "2 alerts (job=x), alertname: A, B"},
		{"nothing tells them apart", nil, []notifier.Alert{firing(nil, nil), firing(nil, nil)}, "2 alerts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Headline(&notifier.Notification{GroupKey: "{}:{}", GroupLabels: tt.group, Alerts: tt.alerts}, 1024)
			if got != tt.want {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestHeadlineKeepsTheEndpointWithinTheLimit(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	for name, alert := range map[string]notifier.Alert{
		"long summary":                  firing(set{"alertname": "A", "endpoint": "/critical/api"}, set{"summary": long}),
		"endpoint only past the cut":    firing(set{"alertname": "A", "endpoint": "/critical/api"}, set{"summary": long + "/critical/api"}),
		"endpoint near the cut":         firing(set{"alertname": "A", "endpoint": "/critical/api"}, set{"summary": strings.Repeat("x", 90) + "/critical/api" + long}),
		"long name":                     firing(set{"alertname": "A" + long, "endpoint": "/critical/api"}, nil),
		"long labels":                   firing(set{"alertname": "A", "endpoint": "/critical/api", "a": long, "b": long}, set{"summary": long}),
		"summary of control characters": firing(set{"alertname": "A", "endpoint": "/critical/api"}, set{"summary": "\x00\n\xff" + long}),
	} {
		for _, limit := range []int{100, 300, 1024} {
			got := Headline(&notifier.Notification{Alerts: []notifier.Alert{alert}}, limit)
			if n := utf8.RuneCountInString(got); n > limit || !utf8.ValidString(got) || !strings.Contains(got, "/critical/api") {
				t.Errorf("%s, limit %d: %d runes: %q", name, limit, n, got)
			}
		}
	}
}

func TestCommon(t *testing.T) {
	tests := []struct {
		name   string
		labels []set
		want   set
	}{
		{"none", nil, set{}},
		{"one", []set{{"a": "1", "b": "2"}}, set{"a": "1", "b": "2"}},
		{"shared", []set{{"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "1"}}, set{"a": "1"}},
		{"nothing", []set{{"a": "1"}, {"b": "1"}}, set{}},
		{"no labels", []set{nil, {"a": "1"}}, set{}},
		{"empty value equals missing, as in Alertmanager", []set{{"a": ""}, {}}, set{"a": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var alerts []notifier.Alert
			for _, l := range tt.labels {
				alerts = append(alerts, firing(l, nil))
			}
			if diff := cmp.Diff(tt.want, CommonLabels(alerts)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	alert := func(severity string, minute int) notifier.Alert {
		return notifier.Alert{Labels: set{"severity": severity}, StartsAt: at.Add(time.Duration(minute) * time.Minute)}
	}
	tests := []struct {
		name     string
		alerts   []notifier.Alert
		want     int
		severity string
	}{
		{"one", []notifier.Alert{alert("info", 0)}, 0, "info"},
		{"by severity", []notifier.Alert{alert("warning", 0), alert("critical", 5), alert("error", 0)}, 1, "critical"},
		{"by start", []notifier.Alert{alert("warning", 2), alert("warning", 1), alert("warning", 3)}, 1, "warning"},
		{"unknown is error", []notifier.Alert{alert("warning", 0), alert("page", 5)}, 1, "error"},
		{"case", []notifier.Alert{alert("Critical", 0)}, 0, "critical"},
		{"none set", []notifier.Alert{{}}, 0, "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Worst(tt.alerts)
			if got != tt.want || SeverityOf(&tt.alerts[got]) != tt.severity {
				t.Errorf("%d (%s), want %d (%s)", got, SeverityOf(&tt.alerts[got]), tt.want, tt.severity)
			}
		})
	}
	if Worst(nil) != -1 {
		t.Error("the worst of none")
	}
}

func TestAlertLinks(t *testing.T) {
	a := notifier.Alert{
		GeneratorURL: "http://tocsin/rule",
		Annotations:  set{"runbook_url": "https://rb/1", "runbook": "https://rb/2", "dashboard": "javascript:alert(1)", "other": "https://o"},
	}
	if diff := cmp.Diff([]Link{{"Runbook", "https://rb/1"}, {"Source", "http://tocsin/rule"}}, AlertLinks(&a)); diff != "" {
		t.Error(diff)
	}
}

func TestPageLinks(t *testing.T) {
	n := notifier.Notification{ExternalURL: "https://tocsin"}
	a := notifier.Alert{Fingerprint: "c166", Status: notifier.StatusFiring, Labels: set{"b": `"&`, "alertname": "A"}}
	why := Link{"Why", "https://tocsin/why?alert=c166"}
	if diff := cmp.Diff([]Link{why, {"Silence", "https://tocsin/silences/new?filter=%7B%22alertname%22%3D%22A%22%2C%22b%22%3D%22%5C%22%26%22%7D"}}, PageLinks(&n, &a)); diff != "" {
		t.Error(diff)
	}
	a.Status = notifier.StatusResolved
	if diff := cmp.Diff([]Link{why}, PageLinks(&n, &a)); diff != "" {
		t.Error(diff)
	}
	n.ExternalURL = ""
	if got := PageLinks(&n, &a); len(got) != 0 {
		t.Errorf("links to nowhere: %v", got)
	}
}

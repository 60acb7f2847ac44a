package rule

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestLabelSet(t *testing.T) {
	identity := frame.FromMap(map[string]string{"endpoint": "/pay", "team": "edge"})
	for _, tt := range []struct {
		name     string
		labels   map[string]string
		severity uint8
		want     map[string]string
	}{
		{"identity and alertname", nil, 0, map[string]string{"endpoint": "/pay", "team": "edge"}},
		{"attributes are added", map[string]string{"severity": "critical"}, 0, map[string]string{"endpoint": "/pay", "team": "edge", "severity": "critical"}},
		{"an attribute replaces an identity label", map[string]string{"team": "odoo"}, 0, map[string]string{"endpoint": "/pay", "team": "odoo"}},
		{"an empty one removes it", map[string]string{"team": ""}, 0, map[string]string{"endpoint": "/pay"}},
		{"the name of the rule cannot be replaced", map[string]string{"alertname": "Fake"}, 0, map[string]string{"endpoint": "/pay", "team": "edge"}},
		{"the severity of the verdict", map[string]string{"severity": "info"}, 2, map[string]string{"endpoint": "/pay", "team": "edge", "severity": "critical"}},
		{"a severity that the module does not declare", map[string]string{"severity": "info"}, 9, map[string]string{"endpoint": "/pay", "team": "edge", "severity": "info"}},
		{"a template", map[string]string{"where": "{{ $labels.endpoint | toUpper }}"}, 0, map[string]string{"endpoint": "/pay", "team": "edge", "where": "/PAY"}},
		{"a template that declares severity gives way to the verdict", map[string]string{"severity": "{{ $value }}"}, 1, map[string]string{"endpoint": "/pay", "team": "edge", "severity": "warning"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRenderer(&Definition{Labels: tt.labels, Severities: []string{"warning", "critical"}})
			got, errs := r.labelSet("HighErrors", &abi.Verdict{Labels: identity, Severity: tt.severity, Value: 1})
			tt.want["alertname"] = "HighErrors"
			if want := frame.FromMap(tt.want); len(errs) > 0 || !got.Equal(want) {
				t.Errorf("labels %s, %v; want %s", got, errs, want)
			}
		})
	}
}

// A template that fails costs its text, not the alert.
func TestABadTemplateDoesNotCostTheAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, func(d *Definition) {
			d.Labels = map[string]string{"severity": "critical", "bad": "{{ .Nope }}"}
			d.Annotations = map[string]string{"summary": "{{ broken", "runbook": "https://runbooks.example.org"}
		})
		defer b.stop()
		b.rounds(2, interval, "http.gateway")
		a := b.store.OfRule("HighErrors")[0]
		if !strings.HasPrefix(a.Annotations["summary"], "<error: ") || a.Annotations["runbook"] != "https://runbooks.example.org" {
			t.Errorf("annotations %v", a.Annotations)
		}
		if !strings.HasPrefix(a.Labels.Get("bad"), "<error: ") || a.Labels.Get("severity") != "critical" {
			t.Errorf("labels %s", a.Labels)
		}
		p.say(complete(verdict(abi.Active, "/pay", 2)))
		b.rounds(2, interval, "http.gateway")
		b.wantTold("transition inactive>firing", "template", "template") // each once
	})
}

func TestASeverityThatRisesRevisesTheAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := firing(t, func(d *Definition) {
			d.Labels = map[string]string{"severity": `{{ if gt $value 5.0 }}critical{{ else }}warning{{ end }}`}
			d.Annotations = map[string]string{"summary": "{{ $labels.severity }} at {{ $value }}"}
		})
		defer b.stop()
		before := b.store.OfRule("HighErrors")[0]

		p.say(complete(verdict(abi.Active, "/pay", 4)))
		b.rounds(1, interval, "http.gateway")
		same := b.store.OfRule("HighErrors")[0]
		if same.Revision != before.Revision || same.Annotations["summary"] != "warning at 1" || same.Value != 4 {
			t.Errorf("a change of value made revision %d, summary %q", same.Revision, same.Annotations["summary"])
		}

		p.say(complete(verdict(abi.Active, "/pay", 9)))
		b.rounds(1, interval, "http.gateway")
		after := b.store.OfRule("HighErrors")[0]
		if after.Revision <= before.Revision || !after.FiredAt.Equal(before.FiredAt) || after.Fingerprint != before.Fingerprint {
			t.Errorf("revision %d to %d, fired %v to %v: want the same incident, revised", before.Revision, after.Revision, before.FiredAt, after.FiredAt)
		}
		if got := after.Annotations["summary"]; got != "critical at 9" {
			t.Errorf("summary %q", got)
		}
		b.wantTold("transition inactive>firing", "revised")
		if reason := b.lines[1].Reason; reason != `severity "warning" became "critical"` {
			t.Errorf("reason %q", reason)
		}
		if b.changes() != 2 {
			t.Errorf("OnChange was called %d times, want at firing and at the rise", b.changes())
		}
	})
}

// The text of an alert that ends speaks of the value at its end, where the rule gave one.
func TestTheTextOfAnEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		ev   Evaluation
		want string
	}{
		{"left out", complete(), "1"},
		{"found healthy", complete(verdict(abi.Healthy, "/pay", 0.25)), "0.25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := firing(t, func(d *Definition) { d.Annotations = map[string]string{"summary": "{{ $value }}"} })
				defer b.stop()
				p.set(func(time.Time) (Evaluation, error) { return tt.ev, nil })
				b.rounds(1, interval, "http.gateway")
				if got := b.store.OfRule("HighErrors")[0].Annotations["summary"]; got != tt.want {
					t.Errorf("summary %q, want %q", got, tt.want)
				}
			})
		})
	}
}

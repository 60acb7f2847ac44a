package alert_test

import (
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestWhenAnAcknowledgementIsOver(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	of := func(severity string) frame.Labels { return frame.FromMap(map[string]string{"severity": severity}) }
	k := alert.Ack{Labels: of("warning"), FiredAt: noon, Until: noon.Add(time.Hour)}
	for _, tt := range []struct {
		name  string
		alert *alert.Alert
		after time.Duration
		want  alert.Cause
	}{
		{"it fires on", &alert.Alert{State: alert.Firing, FiredAt: noon, Labels: of("warning")}, 0, ""},
		{"with other labels", &alert.Alert{State: alert.Firing, FiredAt: noon, Labels: of("info").With(frame.Label{Name: "a", Value: "b"})}, 0, ""},
		{"unknown", &alert.Alert{State: alert.Firing, Unknown: true, FiredAt: noon.In(time.Local), Labels: of("warning")}, 0, ""},
		{"the severity rises", &alert.Alert{State: alert.Firing, FiredAt: noon, Labels: of("critical")}, 0, alert.CauseAckLifted},
		{"resolved", &alert.Alert{State: alert.Resolved, FiredAt: noon, Labels: of("warning")}, 0, alert.CauseAckOver},
		{"gone", nil, 0, alert.CauseAckOver},
		{"the next incident", &alert.Alert{State: alert.Firing, FiredAt: noon.Add(time.Second), Labels: of("warning")}, 0, alert.CauseAckOver},
		{"at its time", &alert.Alert{State: alert.Firing, FiredAt: noon, Labels: of("warning")}, time.Hour, alert.CauseAckExpired},
	} {
		if got := k.Over(tt.alert, noon.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// message is Alertmanager's payload, version 4. The order of fields is that of Alertmanager 0.34.
type message struct {
	Receiver           string            `json:"receiver"` // quoted as a regular expression, an old habit that consumers rely on
	Status             notifier.Status   `json:"status"`
	Alerts             []alert           `json:"alerts"`
	NotificationReason notifier.Reason   `json:"notification_reason"`
	GroupLabels        map[string]string `json:"groupLabels"`
	CommonLabels       map[string]string `json:"commonLabels"`
	CommonAnnotations  map[string]string `json:"commonAnnotations"`
	RouteLabels        map[string]string `json:"routeLabels"` // labels of routes do not exist here: always empty
	ExternalURL        string            `json:"externalURL"`
	Version            string            `json:"version"`
	GroupKey           string            `json:"groupKey"`
	TruncatedAlerts    int               `json:"truncatedAlerts"`
}

type alert struct {
	Status       notifier.Status   `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // 0001-01-01T00:00:00Z while firing
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// encode writes the message with at most maxAlerts alerts (0: all). Like Alertmanager's, it ends with a newline, escapes
// <, > and &, and computes status and what is common over the alerts that are left.
func encode(n *notifier.Notification, maxAlerts int) ([]byte, error) {
	alerts := n.Alerts
	if maxAlerts > 0 && len(alerts) > maxAlerts {
		alerts = alerts[:maxAlerts]
	}
	m := message{
		Receiver:           regexp.QuoteMeta(n.Receiver),
		Status:             notifier.StatusResolved,
		Alerts:             make([]alert, 0, len(alerts)),
		NotificationReason: cmp.Or(n.Reason, "unknown"),
		GroupLabels:        present(n.GroupLabels),
		CommonLabels:       outbound.CommonLabels(alerts),
		CommonAnnotations:  outbound.CommonAnnotations(alerts),
		RouteLabels:        map[string]string{},
		ExternalURL:        n.ExternalURL,
		Version:            "4",
		GroupKey:           n.GroupKey,
		TruncatedAlerts:    n.Truncated + len(n.Alerts) - len(alerts),
	}
	for _, a := range alerts {
		if a.Status == notifier.StatusFiring {
			m.Status = notifier.StatusFiring
		}
		m.Alerts = append(m.Alerts, alert{
			Status: a.Status, Labels: present(a.Labels), Annotations: present(a.Annotations),
			StartsAt: encodable(a.StartsAt), EndsAt: encodable(a.EndsAt),
			GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint,
		})
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(m); err != nil {
		return nil, fmt.Errorf("encoding the webhook message: %w", err)
	}
	return body.Bytes(), nil
}

// present makes an empty set {} instead of null.
func present(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

// encodable moves times that RFC 3339 cannot write, which would cost the whole message, to the zero time.
func encodable(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

package notifier

import (
	"fmt"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

func toMessage(n Notification) *pluginpb.Notification {
	m := &pluginpb.Notification{
		Id: clean(n.ID), Attempt: uint32(n.Attempt), PossibleRepeat: n.PossibleRepeat, Reason: string(n.Reason),
		Receiver: clean(n.Receiver), GroupKey: clean(n.GroupKey), DedupKey: clean(n.DedupKey), GroupLabels: cleanMap(n.GroupLabels),
		Truncated: uint32(n.Truncated), Reference: clean(n.Reference), ExternalUrl: clean(n.ExternalURL), Note: clean(n.Note), Late: n.Late, Test: n.Test,
	}
	for _, a := range n.Alerts {
		m.Alerts = append(m.Alerts, &pluginpb.Alert{
			Fingerprint: a.Fingerprint, Status: string(a.Status), Rule: clean(a.Rule), Labels: cleanMap(a.Labels),
			Annotations: cleanMap(a.Annotations), StartsAtNs: nanos(a.StartsAt), EndsAtNs: nanos(a.EndsAt), Value: a.Value,
			GeneratorUrl: clean(a.GeneratorURL), Change: string(a.Change), FireValue: a.FireValue, Peak: a.Peak, Recent: a.Recent,
		})
	}
	return m
}

func fromMessage(m *pluginpb.Notification) Notification {
	n := Notification{
		ID: m.GetId(), Attempt: int(m.GetAttempt()), PossibleRepeat: m.GetPossibleRepeat(), Reason: Reason(m.GetReason()),
		Receiver: m.GetReceiver(), GroupKey: m.GetGroupKey(), DedupKey: m.GetDedupKey(), GroupLabels: m.GetGroupLabels(),
		Truncated: int(m.GetTruncated()), Reference: m.GetReference(), ExternalURL: m.GetExternalUrl(), Note: m.GetNote(), Late: m.GetLate(), Test: m.GetTest(),
	}
	for _, a := range m.GetAlerts() {
		n.Alerts = append(n.Alerts, Alert{
			Fingerprint: a.GetFingerprint(), Status: Status(a.GetStatus()), Rule: a.GetRule(), Labels: a.GetLabels(),
			Annotations: a.GetAnnotations(), StartsAt: moment(a.GetStartsAtNs()), EndsAt: moment(a.GetEndsAtNs()), Value: a.GetValue(),
			GeneratorURL: a.GetGeneratorUrl(), Change: Change(a.GetChange()), FireValue: a.GetFireValue(), Peak: a.GetPeak(), Recent: a.GetRecent(),
		})
	}
	return n
}

func resultMessage(r Result) *pluginpb.SendResponse {
	m := &pluginpb.SendResponse{RetryAfterNs: int64(r.RetryAfter), Detail: clean(r.Detail), Reference: clean(r.Reference)}
	switch r.Outcome {
	case Delivered:
		m.Outcome = pluginpb.Outcome_OUTCOME_DELIVERED
	case Rejected:
		m.Outcome = pluginpb.Outcome_OUTCOME_REJECTED
	case Opened:
		m.Outcome = pluginpb.Outcome_OUTCOME_OPENED
	default:
		m.Outcome = pluginpb.Outcome_OUTCOME_RETRY
	}
	return m
}

// Bounds of what a plugin may hand back: it is stored, and shown to people.
const (
	maxDetail     = 4 << 10
	maxReference  = 4 << 10
	maxRetryAfter = 24 * time.Hour
)

func fromResultMessage(m *pluginpb.SendResponse) (Result, error) {
	r := Result{RetryAfter: min(max(time.Duration(m.GetRetryAfterNs()), 0), maxRetryAfter), Detail: m.GetDetail(), Reference: m.GetReference()}
	switch m.GetOutcome() {
	case pluginpb.Outcome_OUTCOME_RETRY:
		r.Outcome = Retry
	case pluginpb.Outcome_OUTCOME_DELIVERED:
		r.Outcome = Delivered
	case pluginpb.Outcome_OUTCOME_REJECTED:
		r.Outcome = Rejected
	case pluginpb.Outcome_OUTCOME_OPENED:
		r.Outcome = Opened
	default:
		return Result{}, fmt.Errorf("the plugin answered with the unknown outcome %d", m.GetOutcome())
	}
	if len(r.Detail) > maxDetail {
		r.Detail = strings.ToValidUTF8(r.Detail[:maxDetail], "") + "…"
	}
	if len(r.Reference) > maxReference {
		r.Reference = "" // what was delivered stays delivered
		r.Detail = fmt.Sprintf("a reference of more than %d bytes was left out. %s", maxReference, r.Detail)
	}
	return r, nil
}

// clean makes text that came from anywhere fit for a protobuf string.
func clean(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func cleanMap(m map[string]string) map[string]string {
	cleaned := make(map[string]string, len(m))
	for name, value := range m {
		cleaned[clean(name)] = clean(value)
	}
	return cleaned
}

// nanos is Unix nanoseconds; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

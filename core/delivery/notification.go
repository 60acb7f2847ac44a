package delivery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

const (
	maxAlerts = 2000 // of one notification: more would not fit into a message to a plugin
	maxNotes  = 3    // of a kind: late alerts whose times are told, reasons
)

// notification writes content for the receiver of a record.
func (l *Ledger) notification(rec *record, c *content, attempt *Attempt) notifier.Notification {
	n := notifier.Notification{
		ID: attempt.ID, Attempt: attempt.Number, PossibleRepeat: rec.Unknown, Reason: c.reason,
		Receiver: rec.receiver.Name, GroupKey: rec.Group, DedupKey: rec.dedup, GroupLabels: rec.Labels.Map(),
		Reference: rec.Reference, ExternalURL: l.options.ExternalURL, Note: c.note(rec.group.Note), Late: c.late(), Test: c.drill(),
		Alerts: make([]notifier.Alert, 0, min(len(c.parts), maxAlerts)),
	}
	for _, firing := range []bool{true, false} {
		for i := range c.parts {
			p := &c.parts[i]
			switch {
			case p.firing() != firing:
			case len(n.Alerts) == maxAlerts:
				n.Truncated++
			default:
				n.Alerts = append(n.Alerts, p.alert())
			}
		}
	}
	return n
}

// late tells that nothing fires any more of which the receiver should have heard while it did. What is withheld by now, or
// not wanted any more, only has to be taken back.
func (c *content) late() bool {
	any := false
	for i := range c.parts {
		p := &c.parts[i]
		if p.firing() {
			return false
		}
		any = any || p.role == late || p.member != nil && !p.member.Held.Holds() && p.known.ToldAt.IsZero() && !p.known.Ended
	}
	return any
}

// drill tells that all of it is a test.
func (c *content) drill() bool {
	return !slices.ContainsFunc(c.parts, func(p part) bool {
		if p.member != nil {
			return p.member.Alert.Rule != alert.Drill
		}
		return p.known.Labels.Get(alert.DrillLabel) == ""
	})
}

// alert writes one alert.
func (p *part) alert() notifier.Alert {
	if p.member == nil {
		return notifier.Alert{
			Fingerprint: p.known.Fingerprint.String(), Status: notifier.StatusResolved, Rule: p.known.Rule,
			Labels: p.known.Labels.Map(), Annotations: p.known.Annotations,
			StartsAt: p.known.StartsAt, EndsAt: p.known.GoneAt, Value: p.known.Value, Change: notifier.Ended,
		}
	}
	a := p.member.Alert
	told := notifier.Alert{
		Fingerprint: a.Fingerprint.String(), Status: notifier.StatusFiring, Rule: a.Name(),
		Labels: a.Labels.Map(), Annotations: a.Annotations, StartsAt: beganAt(a), Value: a.Value,
		FireValue: a.FireValue, Peak: a.Peak, Recent: a.Recent, Change: notifier.Added, GeneratorURL: a.GeneratorURL,
	}
	switch p.role {
	case standing:
		told.Change = notifier.Standing
	case closing, late:
		told.Status, told.EndsAt, told.Change = notifier.StatusResolved, a.ResolvedAt, notifier.Ended
	}
	return told
}

// note says what the reader must know beyond the alerts: that some come late, or end for another reason than health.
func (c *content) note(whyHere string) string {
	var notes []string
	if whyHere != "" && c.reason != notifier.ReasonAllResolved {
		notes = append(notes, whyHere)
	}
	lates, reasons := 0, 0
	because := func(reason string) {
		if reasons < maxNotes && !slices.Contains(notes, reason) {
			notes = append(notes, reason)
			reasons++
		}
	}
	for i := range c.parts {
		p := &c.parts[i]
		switch {
		case p.role == closing && p.member == nil:
			because(p.known.Gone)
		case p.role == opening && p.known.Lifted != "":
			because("no longer " + p.known.Lifted)
		case p.role == closing && p.member.Alert.Reason == alert.RuleRemoved:
			because(alert.RuleRemoved)
		case p.role == closing && strings.HasPrefix(p.member.Alert.Reason, alert.Expired):
			if !slices.Contains(notes, p.member.Alert.Reason) {
				notes = append(notes, p.member.Alert.Reason)
			}
		case p.role == late, p.role == closing && p.known.ToldAt.IsZero():
			if lates++; lates <= maxNotes {
				a := p.member.Alert
				notes = append(notes, fmt.Sprintf("fired %s, resolved %s (delivered late)", hourMinute(beganAt(a)), hourMinute(a.ResolvedAt)))
			}
		}
	}
	if lates > maxNotes {
		notes = append(notes, fmt.Sprintf("and %d more delivered late", lates-maxNotes))
	}
	return strings.Join(notes, "; ")
}

// hourMinute writes a time of day for people: 10:02 UTC.
func hourMinute(t time.Time) string { return t.UTC().Format("15:04 UTC") }

package outbound

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Firing returns the alerts that fire.
func Firing(alerts []notifier.Alert) []notifier.Alert {
	return withStatus(alerts, notifier.StatusFiring)
}

// Resolved returns the alerts that ended.
func Resolved(alerts []notifier.Alert) []notifier.Alert {
	return withStatus(alerts, notifier.StatusResolved)
}

func withStatus(alerts []notifier.Alert, status notifier.Status) []notifier.Alert {
	var found []notifier.Alert
	for _, a := range alerts {
		if a.Status == status {
			found = append(found, a)
		}
	}
	return found
}

// Subject returns the alerts that a notification is about: those that fire, or all when none does.
func Subject(n *notifier.Notification) []notifier.Alert {
	if firing := Firing(n.Alerts); len(firing) > 0 {
		return firing
	}
	return n.Alerts
}

// CommonLabels returns the labels that all alerts share.
func CommonLabels(alerts []notifier.Alert) map[string]string {
	return common(alerts, func(a *notifier.Alert) map[string]string { return a.Labels })
}

// CommonAnnotations returns the annotations that all alerts share.
func CommonAnnotations(alerts []notifier.Alert) map[string]string {
	return common(alerts, func(a *notifier.Alert) map[string]string { return a.Annotations })
}

// common is Alertmanager's: a name that is missing equals the empty value. It never returns nil.
func common(alerts []notifier.Alert, of func(*notifier.Alert) map[string]string) map[string]string {
	shared := map[string]string{}
	if len(alerts) == 0 {
		return shared
	}
	maps.Copy(shared, of(&alerts[0]))
	for i := 1; i < len(alerts) && len(shared) > 0; i++ {
		values := of(&alerts[i])
		maps.DeleteFunc(shared, func(name, value string) bool { return values[name] != value })
	}
	return shared
}

// Severities are those that PagerDuty knows, the worst first.
func Severities() []string { return []string{"critical", "error", "warning", "info"} }

// DefaultSeverity is that of an alert whose severity label says something else, or nothing.
const DefaultSeverity = "error"

// SeverityOf reads the severity label of an alert.
func SeverityOf(a *notifier.Alert) string {
	if s := strings.ToLower(a.Labels["severity"]); slices.Contains(Severities(), s) {
		return s
	}
	return DefaultSeverity
}

// Worst returns the index of the alert with the worst severity, the one that began first among equals; -1 for none.
func Worst(alerts []notifier.Alert) int {
	worst, rank := -1, 0
	for i := range alerts {
		r := slices.Index(Severities(), SeverityOf(&alerts[i]))
		if worst < 0 || r < rank || r == rank && alerts[i].StartsAt.Before(alerts[worst].StartsAt) {
			worst, rank = i, r
		}
	}
	return worst
}

// Links of an alert that are annotations by convention, with what to call them.
var linkAnnotations = [...][2]string{
	{"runbook_url", "Runbook"}, {"runbook", "Runbook"}, {"dashboard_url", "Dashboard"}, {"dashboard", "Dashboard"},
}

// Link leads a person on.
type Link struct{ Text, URL string }

// AlertLinks returns what the annotations of an alert link to, and where it was generated.
func AlertLinks(a *notifier.Alert) []Link {
	var links []Link
	add := func(text, address string) {
		if IsWebURL(address) && !slices.ContainsFunc(links, func(l Link) bool { return l.URL == address || l.Text == text }) {
			links = append(links, Link{text, address})
		}
	}
	for _, l := range linkAnnotations {
		add(l[1], a.Annotations[l[0]])
	}
	add("Source", a.GeneratorURL)
	return links
}

// PageLinks returns the pages of the engine about an alert: why it fired and, while it does, a silence for it. There are none
// where nobody said under which URL people reach the engine.
func PageLinks(n *notifier.Notification, a *notifier.Alert) (links []Link) {
	if a.Fingerprint != "" {
		links = append(links, Link{"Why", n.ExternalURL + "/why?alert=" + url.QueryEscape(a.Fingerprint)})
	}
	if a.Status == notifier.StatusFiring && len(a.Labels) > 0 {
		links = append(links, Link{"Silence", n.ExternalURL + "/silences/new?filter=" + url.QueryEscape(matchers(a.Labels))})
	}
	return slices.DeleteFunc(links, func(l Link) bool { return !IsWebURL(l.URL) })
}

// matchers are those that match an alert with these labels, as people write them.
func matchers(labels map[string]string) string {
	var each []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		each = append(each, fmt.Sprintf("%q=%q", name, labels[name]))
	}
	return "{" + strings.Join(each, ",") + "}"
}

// Value formats the value of an alert for people: six significant digits.
func Value(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// Headline says in one line of at most limit runes what matters to somebody who was just woken. For one alert that is
// its summary, then in brackets the name and the labels that the summary does not mention; for several their number,
// what they share and what tells them apart. Labels that group come first, so that they survive a cut.
func Headline(n *notifier.Notification, limit int) string {
	alerts := Subject(n)
	switch len(alerts) {
	case 0:
		return Clip(OneLine("no alerts in group "+n.GroupKey), limit)
	case 1:
		return headlineOne(n, &alerts[0], limit)
	}
	return headlineMany(n, alerts, limit)
}

func headlineOne(n *notifier.Notification, a *notifier.Alert, limit int) string {
	text := OneLine(a.Annotations["summary"])
	name := OneLine(a.Labels["alertname"])
	if text == "" {
		text, name = cmp.Or(name, OneLine(a.Rule), OneLine("alert of group "+n.GroupKey)), ""
	}
	text = Clip(text, limit) // what is cut off mentions nothing
	mentioned := func(value string) bool { return len(value) > 2 && strings.Contains(Clip(text, limit/2), value) }
	var rest []string
	if name != "" && !mentioned(name) {
		rest = append(rest, name)
	}
	for _, label := range labelOrder(n, a.Labels) {
		if value := OneLine(a.Labels[label]); value != "" && !mentioned(value) {
			rest = append(rest, label+"="+Clip(value, 200))
		}
	}
	suffix := bracketed(rest, limit/2)
	return strings.TrimSpace(Clip(text, limit-runeLen(suffix)) + suffix)
}

func headlineMany(n *notifier.Notification, alerts []notifier.Alert, limit int) string {
	shared := CommonLabels(alerts)
	text := strconv.Itoa(len(alerts)) + " alerts"
	if name := OneLine(shared["alertname"]); name != "" {
		text += ": " + name
	}
	var rest []string
	for _, label := range labelOrder(n, shared) {
		if value := OneLine(shared[label]); value != "" {
			rest = append(rest, label+"="+Clip(value, 200))
		}
	}
	text += bracketed(rest, limit/2)
	if label, values := telling(n, alerts, shared); label != "" {
		text += ", " + label + ": " + enumerate(values, 5)
	}
	return Clip(text, limit)
}

// telling picks the label that best tells the alerts apart, with its values in order of appearance.
func telling(n *notifier.Notification, alerts []notifier.Alert, shared map[string]string) (string, []string) {
	differing := map[string]string{}
	for i := range alerts {
		for name, value := range alerts[i].Labels {
			if _, same := shared[name]; !same {
				differing[name] = value
			}
		}
	}
	label := ""
	if _, ok := differing["alertname"]; ok {
		label = "alertname"
	} else if order := labelOrder(n, differing); len(order) > 0 {
		label = order[0]
	}
	var values []string
	seen := map[string]bool{}
	for i := range alerts {
		if value := OneLine(alerts[i].Labels[label]); value != "" && !seen[value] {
			seen[value] = true
			values = append(values, Clip(value, 100))
		}
	}
	return label, values
}

func enumerate(values []string, most int) string {
	if len(values) <= most {
		return strings.Join(values, ", ")
	}
	return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
}

// bracketed joins as many parts as limit runes have room for; the first always stands, if need be cut.
func bracketed(parts []string, limit int) string {
	if len(parts) == 0 {
		return ""
	}
	text := " (" + Clip(parts[0], limit-6)
	for _, part := range parts[1:] {
		if runeLen(text)+runeLen(part)+6 > limit {
			text += ", " + ellipsis
			break
		}
		text += ", " + part
	}
	return text + ")"
}

func runeLen(s string) int { return len([]rune(s)) }

// labelOrder lists the names of labels by how much they tell: those that group, then what usually says where, then the rest.
// What is said elsewhere is left out.
func labelOrder(n *notifier.Notification, labels map[string]string) []string {
	usual := []string{"endpoint", "service", "instance", "job"}
	rank := func(name string) int {
		if _, groups := n.GroupLabels[name]; groups {
			return -1
		}
		if i := slices.Index(usual, name); i >= 0 {
			return i
		}
		return len(usual)
	}
	names := slices.Sorted(maps.Keys(labels))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "alertname" || name == "severity" })
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

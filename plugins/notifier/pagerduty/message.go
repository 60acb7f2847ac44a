package pagerduty

import (
	"cmp"
	"net/url"
	"strconv"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Limits of the API.
const (
	maxSummary  = 1024    // runes
	maxEvent    = 512_000 // bytes: the API says 512 KB, the smaller reading is safe
	maxDedupKey = 255     // bytes

	// What is no detail stays in any case, so it has to be small.
	maxURL    = 2000 // bytes
	maxLinks  = 20
	maxImages = 10
)

// Actions of an event.
const (
	actionTrigger = "trigger"
	actionResolve = "resolve"
)

// event is one event on its way, with the custom details still apart so that they can be shrunk.
type event struct {
	pd.V2Event
	details details
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text,omitempty"`
}

type image struct {
	Src  string `json:"src"`
	Href string `json:"href,omitempty"`
	Alt  string `json:"alt,omitempty"`
}

// event makes the event that action asks for. A resolve carries the same payload: PagerDuty shows it in the incident's log.
func (c *Config) event(n *notifier.Notification, action, key string) event {
	alerts := outbound.Subject(n)
	shared := outbound.CommonLabels(alerts)
	e := event{
		V2Event: pd.V2Event{
			RoutingKey: key,
			Action:     action,
			DedupKey:   dedupKey(n),
			Payload: &pd.V2Payload{
				Summary:   outbound.Clip(outbound.Marked(n, cmp.Or(outbound.OneLine(c.Description), summary(n))), maxSummary),
				Source:    clipLabel(cmp.Or(c.Source, source(n, alerts, shared))),
				Severity:  cmp.Or(c.Severity, severity(alerts)),
				Timestamp: timestamp(alerts),
				Component: clipLabel(cmp.Or(c.Component, shared["component"], shared["service"], shared["job"])),
				Group:     clipLabel(cmp.Or(c.Group, shared["cluster"], shared["namespace"], shared["environment"])),
				Class:     clipLabel(cmp.Or(c.Class, shared["alertname"])),
			},
			Links: c.links(n, alerts),
		},
		details: c.details(n),
	}
	for _, i := range c.Images[:min(len(c.Images), maxImages)] {
		if len(i.Src) <= maxURL {
			e.Images = append(e.Images, image{Src: i.Src, Href: short(i.Href), Alt: clipLabel(i.Alt)})
		}
	}
	if action == actionTrigger {
		e.Client = clipLabel(c.Client)
		e.ClientURL = short(cmp.Or(c.ClientURL, n.ExternalURL))
	}
	return e
}

// short is a URL, or nothing where it is too long to be one that was meant: texts of the configuration may be templates.
func short(address string) string {
	if len(address) > maxURL {
		return ""
	}
	return address
}

// summary is what the woken engineer reads first.
func summary(n *notifier.Notification) string {
	prefix := ""
	if !n.Firing() {
		prefix = "Resolved: "
	}
	return prefix + outbound.Headline(n, maxSummary-len(prefix))
}

func dedupKey(n *notifier.Notification) string {
	return n.DedupKey[:min(len(n.DedupKey), maxDedupKey)]
}

// clipLabel holds a value that comes from labels to a length that PagerDuty shows.
func clipLabel(s string) string { return outbound.Clip(outbound.OneLine(s), 255) }

func severity(alerts []notifier.Alert) string {
	if worst := outbound.Worst(alerts); worst >= 0 {
		return outbound.SeverityOf(&alerts[worst])
	}
	return outbound.DefaultSeverity
}

// source is what is ill: what all alerts come from, else what the worst does. PagerDuty requires one.
func source(n *notifier.Notification, alerts []notifier.Alert, shared map[string]string) string {
	of := func(labels map[string]string) string {
		return cmp.Or(labels["instance"], labels["job"], labels["service"], labels["endpoint"])
	}
	if s := of(shared); s != "" {
		return s
	}
	if worst := outbound.Worst(alerts); worst >= 0 {
		if s := of(alerts[worst].Labels); s != "" {
			return s
		}
	}
	if u, err := url.Parse(n.ExternalURL); err == nil && u.Host != "" {
		return u.Host
	}
	return "tocsin"
}

// timestamp is when the first of the alerts began; "" lets PagerDuty take the time of arrival.
func timestamp(alerts []notifier.Alert) string {
	var first time.Time
	for _, a := range alerts {
		if !a.StartsAt.IsZero() && (first.IsZero() || a.StartsAt.Before(first)) {
			first = a.StartsAt
		}
	}
	return formatTime(first)
}

// formatTime writes a time as ISO 8601 in UTC; "" if that cannot be done.
func formatTime(t time.Time) string {
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// links leads to what the configuration names, to the runbook and source of the worst alert, and to Tocsin.
func (c *Config) links(n *notifier.Notification, alerts []notifier.Alert) []any {
	var links []any
	for _, l := range c.Links[:min(len(c.Links), maxLinks)] {
		if short(l.Href) != "" {
			links = append(links, link{Href: l.Href, Text: clipLabel(l.Text)})
		}
	}
	if worst := outbound.Worst(alerts); worst >= 0 {
		a := &alerts[worst]
		for _, l := range append(outbound.AlertLinks(a), outbound.PageLinks(n, a)...) {
			links = append(links, link{Href: l.URL, Text: l.Text})
		}
	}
	if outbound.IsWebURL(n.ExternalURL) {
		links = append(links, link{Href: n.ExternalURL, Text: "Tocsin"})
	}
	return links
}

// details are the custom details, with the lists of alerts still apart.
type details struct {
	firing, resolved []notifier.Alert // the worst first
	fixed            map[string]any   // entries that are always kept
	extra            map[string]any   // entries of the configuration
}

func (c *Config) details(n *notifier.Notification) details {
	d := details{
		firing:   worstFirst(outbound.Firing(n.Alerts)),
		resolved: outbound.Resolved(n.Alerts),
		extra:    map[string]any{},
	}
	d.fixed = map[string]any{
		"num_firing":   strconv.Itoa(len(d.firing)), // strings, as Alertmanager sends them
		"num_resolved": strconv.Itoa(len(d.resolved)),
		"receiver":     n.Receiver,
		"group":        clip(n.GroupLabels, 1000),
		"labels":       clip(outbound.CommonLabels(outbound.Subject(n)), 1000),
		"annotations":  clip(outbound.CommonAnnotations(outbound.Subject(n)), 1000),
	}
	optional := map[string]string{
		"reason":       string(n.Reason),
		"note":         outbound.Clip(n.Note, 4000),
		"external_url": short(n.ExternalURL),
	}
	if n.PossibleRepeat {
		optional["possible_repeat"] = "an earlier attempt got no answer; you may have seen this already"
	}
	if n.Truncated > 0 {
		optional["num_left_out"] = strconv.Itoa(n.Truncated)
	}
	for name, value := range optional {
		if value != "" {
			d.fixed[name] = value
		}
	}
	for name, value := range c.Details {
		d.extra[name] = value
	}
	return d
}

// worstFirst moves the worst alert to the front, the others keep their order.
func worstFirst(alerts []notifier.Alert) []notifier.Alert {
	worst := outbound.Worst(alerts)
	if worst <= 0 {
		return alerts
	}
	sorted := append([]notifier.Alert{alerts[worst]}, alerts[:worst]...)
	return append(sorted, alerts[worst+1:]...)
}

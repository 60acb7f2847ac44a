package outbound

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/template"

	"github.com/tocsinhq/tocsin/sdk/notifier"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Templates are the strings of a notifier block that are Go templates, wherever they stand. They have Alertmanager's
// functions, data and default templates, so that those of an Alertmanager go on to work; what it has no word for is in
// [templateData] and [templateAlert]. Values of alerts are put in as they are, as Alertmanager does.
type Templates struct {
	settings map[string]any
	places   [][]string // where in settings templates stand
	set      *template.Template
}

// NewTemplates finds the templates of a block, nil for none, and tries each with made-up notifications, so that a mistake in
// one is known before somebody has to be woken. Secrets, names of files and http_config are taken as they are.
func NewTemplates(config []byte, described schema.Block) (*Templates, schema.Diagnostics) {
	t := &Templates{}
	if json.Unmarshal(config, &t.settings) != nil {
		return nil, nil // schema.Decode says what is wrong
	}
	for _, name := range slices.Sorted(maps.Keys(t.settings)) {
		plain := name == block || strings.HasSuffix(name, "_file") || slices.ContainsFunc(described.Attributes, func(a schema.Attribute) bool {
			return a.Name == name && a.Sensitive
		})
		if !plain {
			t.find(t.settings[name], []string{name})
		}
	}
	if len(t.places) == 0 {
		return nil, nil
	}
	var err error
	if t.set, err = template.FromGlobs(nil); err != nil {
		return nil, schema.Diagnostics{{Summary: "Alertmanager's default templates cannot be read", Detail: err.Error()}}
	}
	var diags schema.Diagnostics
	for _, place := range t.places {
		for _, n := range samples() {
			if _, err := t.render(place, n); err != nil {
				diags = append(diags, schema.Diagnostic{Path: place, Summary: "the template does not work", Detail: err.Error()})
				break
			}
		}
	}
	return t, diags
}

func (t *Templates) find(v any, place []string) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "{{") {
			t.places = append(t.places, slices.Clone(place))
		}
	case []any:
		for i, item := range v {
			t.find(item, append(place, strconv.Itoa(i)))
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			t.find(v[name], append(place, name))
		}
	}
}

// Render returns the configuration with its templates filled in for a notification. An attribute whose template fails
// is left out, so that the built-in text takes its place; failed then says so, for the reader of the message.
func Render[T any](t *Templates, config T, n *notifier.Notification) (rendered T, failed string) {
	if t == nil {
		return config, ""
	}
	settings := copied(t.settings).(map[string]any)
	var failures []string
	for _, place := range t.places {
		text, err := t.render(place, n)
		if err != nil {
			failures = append(failures, fmt.Sprintf("template failed: %s: %v", strings.Join(place, "."), err))
			delete(settings, place[0])
			continue
		}
		put(settings, place, text)
	}
	data, err := json.Marshal(settings)
	if err == nil {
		err = schema.Decode(data, &rendered)
	}
	if err != nil { // what came out is no valid configuration: a number of so many characters, an empty title
		failures = append(failures, "template failed: "+err.Error())
		for _, place := range t.places {
			delete(settings, place[0])
		}
		data, _ = json.Marshal(settings)
		var plain T
		if schema.Decode(data, &plain) != nil {
			plain = config // with the templates as they are written, which is better than nothing
		}
		rendered = plain
	}
	return rendered, strings.Join(failures, "; ")
}

// render fills in one template.
func (t *Templates) render(place []string, n *notifier.Notification) (string, error) {
	text, err := t.set.ExecuteTextString(get(t.settings, place).(string), dataOf(n))
	if err != nil {
		return "", fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return text, nil
}

func get(v any, place []string) any {
	for _, step := range place {
		if list, ok := v.([]any); ok {
			i, _ := strconv.Atoi(step)
			v = list[i]
		} else {
			v = v.(map[string]any)[step]
		}
	}
	return v
}

// put replaces a string; nothing where an attribute around it was left out.
func put(settings map[string]any, place []string, text string) {
	if _, there := settings[place[0]]; !there {
		return
	}
	last := len(place) - 1
	if list, ok := get(settings, place[:last]).([]any); ok {
		i, _ := strconv.Atoi(place[last])
		list[i] = text
	} else {
		get(settings, place[:last]).(map[string]any)[place[last]] = text
	}
}

func copied(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = copied(v[i])
		}
		return list
	case map[string]any:
		all := make(map[string]any, len(v))
		for name := range v {
			all[name] = copied(v[name])
		}
		return all
	}
	return v
}

// templateData is what a template sees: Alertmanager's data, and the note.
type templateData struct {
	template.Data
	Alerts templateAlerts
	Note   string // what the reader must know about the message itself
}

// templateAlert is an alert as a template sees it: Alertmanager's, and how its value went.
type templateAlert struct {
	template.Alert
	Value, FireValue, Peak float64
	Course                 string // see [Course]
	Duration               string // for how long it fired; "" while it does
	Change                 string // added, standing, resolved
}

type templateAlerts []templateAlert

// Firing and Resolved are as in Alertmanager.
func (as templateAlerts) Firing() templateAlerts   { return as.with(notifier.StatusFiring) }
func (as templateAlerts) Resolved() templateAlerts { return as.with(notifier.StatusResolved) }

func (as templateAlerts) with(status notifier.Status) templateAlerts {
	found := templateAlerts{}
	for _, a := range as {
		if a.Status == string(status) {
			found = append(found, a)
		}
	}
	return found
}

func dataOf(n *notifier.Notification) templateData {
	d := templateData{Note: n.Note, Data: template.Data{
		Receiver: n.Receiver, Status: string(notifier.StatusResolved), NotificationReason: string(n.Reason),
		GroupLabels: kv(n.GroupLabels), CommonLabels: CommonLabels(n.Alerts), CommonAnnotations: CommonAnnotations(n.Alerts),
		RouteLabels: template.KV{}, ExternalURL: n.ExternalURL,
	}}
	if n.Firing() {
		d.Status = string(notifier.StatusFiring)
	}
	for i := range n.Alerts {
		a := &n.Alerts[i]
		seen := template.Alert{
			Status: string(a.Status), Labels: kv(a.Labels), Annotations: kv(a.Annotations),
			StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint,
		}
		d.Data.Alerts = append(d.Data.Alerts, seen)
		d.Alerts = append(d.Alerts, templateAlert{
			Alert: seen, Value: a.Value, FireValue: a.FireValue, Peak: a.Peak,
			Course: Course(a), Duration: Duration(a), Change: string(a.Change),
		})
	}
	return d
}

func kv(m map[string]string) template.KV {
	if m == nil {
		return template.KV{}
	}
	return m
}

// samples are notifications to try templates with: one that fires, and its end.
func samples() []*notifier.Notification {
	start := time.Date(2026, 1, 1, 10, 2, 0, 0, time.UTC)
	var alerts []notifier.Alert
	for _, endpoint := range []string{"/critical/api", "/critical/pay"} {
		alerts = append(alerts, notifier.Alert{
			Fingerprint: "c166d1c4548843fb", Status: notifier.StatusFiring, Rule: "Sample", StartsAt: start,
			Labels:      map[string]string{"alertname": "Sample", "endpoint": endpoint, "severity": "critical"},
			Annotations: map[string]string{"summary": "a sample"}, Value: 2, FireValue: 1, Peak: 3, Recent: []float64{1, 3, 2},
			Change: notifier.Added,
		})
	}
	n := &notifier.Notification{
		ID: "sample", Attempt: 1, Reason: notifier.ReasonFirst, Receiver: "sample", GroupKey: `{}:{alertname="Sample"}`,
		GroupLabels: map[string]string{"alertname": "Sample"}, Alerts: alerts, ExternalURL: "http://localhost:9095",
	}
	over := *n
	over.Reason, over.Alerts = notifier.ReasonAllResolved, slices.Clone(alerts)
	for i := range over.Alerts {
		over.Alerts[i].Status, over.Alerts[i].Change, over.Alerts[i].EndsAt = notifier.StatusResolved, notifier.Ended, start.Add(time.Hour)
	}
	return []*notifier.Notification{n, &over}
}

package pagerduty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// alertDetail is one alert in the custom details.
type alertDetail struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Value       string            `json:"value,omitempty"` // as it went: see outbound.Course
	Change      string            `json:"change,omitempty"`
	Duration    string            `json:"duration,omitempty"`
	StartsAt    string            `json:"startsAt,omitempty"`
	EndsAt      string            `json:"endsAt,omitempty"`
	Source      string            `json:"source,omitempty"`
	Fingerprint string            `json:"fingerprint,omitempty"`
}

// encode writes the event in at most limit bytes. What does not fit goes in this order: the tail of the resolved alerts,
// the tail of the firing ones, the details of the configuration, long texts. What stays in any case: the summary, the numbers of
// alerts, the worst alert (with its texts cut) and the links.
func (e event) encode(limit int) ([]byte, error) {
	for _, attempt := range []struct {
		text         int // runes that each label and annotation may have, 0: all
		extra, fixed bool
	}{{0, true, true}, {1000, true, true}, {1000, false, true}, {200, false, true}, {50, false, false}} {
		list := entries(e.details.firing, e.details.resolved, attempt.text)
		body, err := e.fit(list, attempt.extra, attempt.fixed, limit)
		if err != nil || body != nil {
			return body, err
		}
	}
	return nil, fmt.Errorf("encoding the PagerDuty event: it is over %d bytes even without details", limit)
}

// listed is the alerts of an event, each encoded on its own so that fitting costs one pass.
type listed struct{ firing, resolved []json.RawMessage }

func entries(firing, resolved []notifier.Alert, text int) listed {
	each := func(alerts []notifier.Alert) []json.RawMessage {
		encoded := make([]json.RawMessage, 0, len(alerts))
		for i := range alerts {
			encoded = append(encoded, encodeAlert(&alerts[i], text))
		}
		return encoded
	}
	return listed{each(firing), each(resolved)}
}

func encodeAlert(a *notifier.Alert, text int) json.RawMessage {
	d := alertDetail{
		Labels: a.Labels, Annotations: a.Annotations, Value: outbound.Course(a), Change: string(a.Change), Duration: outbound.Duration(a), StartsAt: formatTime(a.StartsAt),
		EndsAt: formatTime(a.EndsAt), Source: a.GeneratorURL, Fingerprint: a.Fingerprint,
	}
	if text > 0 {
		d.Labels, d.Annotations, d.Source = clip(a.Labels, text), clip(a.Annotations, text), outbound.Clip(a.GeneratorURL, text)
	}
	data, err := encodeJSON(d)
	if err != nil { // strings and maps of strings always encode
		panic(err)
	}
	return data
}

// fit returns the event with as many alerts as limit bytes have room for, nil when not even the worst one has.
func (e event) fit(list listed, extra, fixed bool, limit int) ([]byte, error) {
	body, err := e.with(listed{}, e.omitted(listed{}), extra, fixed)
	if err != nil {
		return nil, err
	}
	room := limit - len(body) - len(`"firing":[],"resolved":[],`)
	var kept listed
	take := func(from []json.RawMessage) []json.RawMessage {
		for i, alert := range from {
			if room -= len(alert) + 1; room < 0 {
				return from[:i]
			}
		}
		return from
	}
	kept.firing = take(list.firing)
	kept.resolved = take(list.resolved)
	if len(kept.firing) == 0 && len(list.firing) > 0 || len(body) > limit {
		return nil, nil
	}
	return e.with(kept, e.omitted(kept), extra, fixed)
}

// omitted says how many alerts are not listed; "" when all are.
func (e event) omitted(kept listed) string {
	firing, resolved := len(e.details.firing)-len(kept.firing), len(e.details.resolved)-len(kept.resolved)
	if firing == 0 && resolved == 0 {
		return ""
	}
	return fmt.Sprintf("%d firing and %d resolved alerts are not listed here, PagerDuty takes 512 KB", firing, resolved)
}

// with encodes the event with the given parts of its details.
func (e event) with(kept listed, omitted string, extra, fixed bool) ([]byte, error) {
	d := map[string]any{"firing": kept.firing, "resolved": kept.resolved}
	if fixed {
		maps.Copy(d, e.details.fixed)
	}
	d["num_firing"], d["num_resolved"] = e.details.fixed["num_firing"], e.details.fixed["num_resolved"]
	if extra {
		maps.Copy(d, e.details.extra)
	}
	if omitted != "" {
		d["omitted"] = omitted
	}
	for _, name := range []string{"firing", "resolved"} {
		if list, ok := d[name].([]json.RawMessage); ok && len(list) == 0 {
			delete(d, name)
		}
	}
	payload := *e.Payload
	payload.Details = d
	whole := e.V2Event
	whole.Payload = &payload
	data, err := encodeJSON(whole)
	if err != nil {
		return nil, fmt.Errorf("encoding the PagerDuty event: %w", err)
	}
	return data, nil
}

// encodeJSON leaves <, > and & as they are: escaped they cost six bytes each.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// maxLabels is how many labels or annotations of one alert are kept when texts are cut.
const maxLabels = 40

// clip cuts the names and values of a label set to text runes, and the set to [maxLabels].
func clip(labels map[string]string, text int) map[string]string {
	cut := make(map[string]string, min(len(labels), maxLabels))
	names := slices.Sorted(maps.Keys(labels))
	for _, name := range names[:min(len(names), maxLabels)] {
		cut[outbound.Clip(name, text)] = outbound.Clip(labels[name], text)
	}
	return cut
}

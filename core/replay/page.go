package replay

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Page is one notification that a receiver took.
type Page struct {
	Time     time.Time       `json:"time"`
	Receiver string          `json:"receiver"` // "pagerduty.oncall"
	Status   notifier.Status `json:"status"`
	Reason   notifier.Reason `json:"reason"`
	Group    frame.Labels    `json:"group"`
	Alerts   []Alert         `json:"alerts"`
	Note     string          `json:"note,omitempty"`
}

// Alert is one alert of a page.
type Alert struct {
	Rule   string          `json:"rule"`
	Status notifier.Status `json:"status"`
	Labels frame.Labels    `json:"labels"` // without alertname
	Value  Number          `json:"value"`
	Since  time.Time       `json:"since"`
}

// Number is a float64 that JSON can hold: what it has no numbers for, such as NaN, is a string.
type Number float64

// MarshalJSON implements [json.Marshaler].
func (n Number) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(n), 'g', -1, 64)
	if strings.ContainsAny(text, "IN") {
		text = strconv.Quote(text)
	}
	return []byte(text), nil
}

func pageOf(t *rehearsal.Told) Page {
	n := &t.Notification
	p := Page{
		Time: t.At.UTC(), Receiver: t.Notifier, Status: notifier.StatusResolved, Reason: n.Reason,
		Group: frame.FromMap(n.GroupLabels), Alerts: []Alert{}, Note: n.Note,
	}
	if n.Firing() {
		p.Status = notifier.StatusFiring
	}
	for _, a := range n.Alerts {
		p.Alerts = append(p.Alerts, Alert{
			Rule: a.Rule, Status: a.Status, Labels: frame.FromMap(a.Labels).Without("alertname"), Value: Number(a.Value), Since: a.StartsAt.UTC(),
		})
	}
	return p
}

// opens tells whether the page is the first of its incident: what wakes somebody.
func (p *Page) opens() bool { return p.Reason == notifier.ReasonFirst }

// about is what the page speaks of, whenever it is sent.
func (p *Page) about() string {
	return p.Receiver + "\x00" + p.Group.String() + "\x00" + string(p.Status) + "\x00" + string(p.Reason)
}

// content is which alerts it names, in an order of its own.
func (p *Page) content() string {
	names := map[string]bool{}
	for _, a := range p.Alerts {
		names[a.Rule+a.Labels.String()+" "+string(a.Status)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), "; ")
}

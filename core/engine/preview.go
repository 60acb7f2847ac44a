package engine

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/journal"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// preview tells what a silence with these matchers would hide now, and what it would have hidden: the latter out of the
// journal, as far back as that goes.
func (e *Engine) preview(matchers []*labels.Matcher, past time.Duration) (api.Preview, error) {
	now := time.Now()
	p := api.Preview{Receivers: []string{}, Alerts: []api.HiddenAlert{}, Past: []why.Past{}}
	for _, s := range route.Explain(e.routingInput(now)) {
		if !matchesAll(matchers, s.Alert.Labels) {
			continue
		}
		p.Alerts = append(p.Alerts, api.HiddenAlert{
			Fingerprint: s.Alert.Fingerprint, Labels: s.Alert.Labels, Since: s.Alert.FiredAt,
			Receivers: append([]string{}, s.Receivers...),
			Withheld:  len(s.SilencedBy) > 0 || s.InhibitedBy != nil || len(s.MutedBy) > 0,
		})
		p.Receivers = append(p.Receivers, s.Receivers...)
	}
	slices.Sort(p.Receivers)
	p.Receivers, p.Hides = slices.Compact(p.Receivers), len(p.Alerts)
	slices.SortFunc(p.Alerts, func(a, b api.HiddenAlert) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	p.Alerts = p.Alerts[:min(len(p.Alerts), api.MostPreviewed)]
	if past <= 0 {
		return p, nil
	}
	err := e.previewPast(&p, matchers, now.Add(-past))
	return p, err
}

// previewPast adds what would have been hidden since a time.
func (e *Engine) previewPast(p *api.Preview, matchers []*labels.Matcher, since time.Time) error {
	t := why.NewTeller(false)
	for d, err := range e.journal.Each(journal.Filter{}) { // from its begin: what fires since then may have begun before
		if err != nil {
			return err
		}
		t.Add(&d)
	}
	if p.Since = since; t.Since().After(since) {
		p.Since = t.Since()
	}
	p.Past = t.Past(since, func(ls frame.Labels) bool { return matchesAll(matchers, ls) })
	for i := range p.Past {
		p.Fired += p.Past[i].Fired
		p.Told += p.Past[i].Told
	}
	p.Past = p.Past[:min(len(p.Past), api.MostPreviewed)]
	return nil
}

// matchesAll tells whether all matchers hold. An absent label is an empty one.
func matchesAll(matchers []*labels.Matcher, ls frame.Labels) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// hiddenBy are the alerts that fire, are nobody's shadow, and have labels that matchers match.
func (e *Engine) hiddenBy(matchers []*labels.Matcher) (hidden []alert.Alert) {
	for _, a := range e.alerts.All() {
		if a.State == alert.Firing && !a.Shadow && matchesAll(matchers, a.Labels) {
			hidden = append(hidden, a)
		}
	}
	return hidden
}

package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/journal"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// tocsin is what only this engine's API shows and changes.
func (e *Engine) tocsin() *api.Tocsin {
	return &api.Tocsin{
		Why: e.why, Summary: e.whySummary, Receivers: e.receiverStandings, Routes: e.runningRoutes, TestRoute: e.testRoute,
		Drills:  drills{e.drills, e},
		Acks:    api.Acks{All: e.acks.All, Take: e.take, Withdraw: e.withdraw},
		Preview: e.preview,
	}
}

// whySummary counts what became of all alerts that the journal knows.
func (e *Engine) whySummary() (why.Summary, error) {
	t := why.NewTeller(false)
	for d, err := range e.journal.Each(journal.Filter{}) {
		if err != nil {
			return why.Summary{}, err
		}
		t.Add(&d)
	}
	return t.Summary(), nil
}

// why tells what became of the alerts that are asked for. The journal is read twice: to find out which they are, and for
// their stories, so that no more of it is held than what is told.
func (e *Engine) why(q api.Question) (why.Answer, error) {
	present := q.At.IsZero()
	if present {
		q.At = time.Now()
	}
	wanted, more, err := e.asked(&q)
	if err != nil {
		return why.Answer{}, err
	}
	t := why.NewTeller(true)
	for d, err := range e.journal.Each(journal.Filter{About: wanted, Until: q.At.Add(time.Nanosecond)}) {
		if err != nil {
			return why.Answer{}, err
		}
		t.Add(&d)
	}
	answer := t.Answer(q.At)
	answer.More = more
	if present {
		e.standings(&answer, wanted)
	}
	answer.Rules = e.rulesNamed(q.Name)
	if len(answer.Instances) == 0 {
		answer.Nearest, err = e.nearest(&q, len(answer.Rules) > 0)
	}
	return answer, err
}

// asked finds the instances that a question is about, in the journal and among the alerts of now; more counts those
// beyond its limit.
func (e *Engine) asked(q *api.Question) (wanted map[alert.Fingerprint]bool, more int, err error) {
	if q.Fingerprint != 0 {
		return map[alert.Fingerprint]bool{q.Fingerprint: true}, 0, nil
	}
	newest := map[alert.Fingerprint]time.Time{}
	name, err := json.Marshal(q.Name) // as it stands in the lines
	if err != nil {
		return nil, 0, fmt.Errorf("read alert %q: %w", q.Name, err)
	}
	for d, err := range e.journal.Each(journal.Filter{Mentions: string(name[1 : len(name)-1]), Until: q.At.Add(time.Nanosecond)}) {
		if err != nil {
			return nil, 0, err
		}
		if d.Fingerprint != 0 && asksFor(q, d.Rule, d.Labels) {
			newest[d.Fingerprint] = d.Time
		}
	}
	for _, a := range e.alerts.All() {
		if asksFor(q, a.Rule, a.Labels) {
			newest[a.Fingerprint] = cmp.Or(newest[a.Fingerprint], a.ActiveAt)
		}
	}
	fps := slices.SortedFunc(maps.Keys(newest), func(a, b alert.Fingerprint) int {
		return cmp.Or(newest[b].Compare(newest[a]), cmp.Compare(a, b))
	})
	if q.Limit > 0 && len(fps) > q.Limit {
		fps, more = fps[:q.Limit], len(fps)-q.Limit
	}
	wanted = make(map[alert.Fingerprint]bool, len(fps))
	for _, fp := range fps {
		wanted[fp] = true
	}
	return wanted, more, nil
}

// asksFor tells whether a question is about an alert.
func asksFor(q *api.Question, rule string, ls frame.Labels) bool {
	if q.Name != "" && q.Name != rule && q.Name != ls.Get("alertname") {
		return false
	}
	return !slices.ContainsFunc(q.Matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// standings adds where the alerts stand at present, and what the journal does not say any more.
func (e *Engine) standings(answer *why.Answer, wanted map[alert.Fingerprint]bool) {
	for i := range answer.Instances {
		in := &answer.Instances[i]
		if a, known := e.alerts.Get(in.Fingerprint); known {
			in.Now = e.standing(&a)
		}
	}
	for _, rec := range e.ledger.Records() {
		for k := range rec.Instances {
			if known := &rec.Instances[k]; wanted[known.Fingerprint] {
				add(answer, &rec, known)
			}
		}
	}
}

// standing is where an alert stands.
func (e *Engine) standing(a *alert.Alert) *why.Standing {
	s := &why.Standing{State: a.State, Value: a.Value, Since: a.ActiveAt}
	if k, taken := e.acks.Acks()[a.Fingerprint]; taken && k.Over(a, time.Now()) == "" {
		s.Acked = k.Owner
	}
	if a.Unknown {
		s.Unknown = a.Reason
	}
	switch a.State {
	case alert.Firing:
		s.Since = a.FiredAt
	case alert.Resolved:
		s.Since = a.ResolvedAt
	case alert.Pending:
		for _, r := range e.setup.Load().config.Rules {
			if r.Name == a.Rule && !a.Unknown {
				s.DueAt = time.Now().Add(r.For - a.Held)
			}
		}
	}
	return s
}

// add tells of one alert what the ledger knows: when the next thing happens, and who was told so long ago that the journal
// has forgotten it.
func add(answer *why.Answer, rec *delivery.Record, known *delivery.Instance) {
	at := slices.IndexFunc(answer.Instances, func(in why.Instance) bool { return in.Fingerprint == known.Fingerprint })
	if at < 0 {
		return
	}
	in := &answer.Instances[at]
	if len(in.Incidents) == 0 {
		in.Incidents = append(in.Incidents, why.Incident{Steps: []alert.Decision{}})
	}
	i := &in.Incidents[len(in.Incidents)-1]
	o := slices.IndexFunc(i.Outcomes, func(o why.Outcome) bool { return o.Receiver == rec.Receiver && o.Group == rec.Group })
	if o < 0 {
		if known.ToldAt.IsZero() || known.Status == delivery.Summed {
			return
		}
		i.Outcomes = append(i.Outcomes, why.Outcome{
			Receiver: rec.Receiver, Group: rec.Group, Verdict: why.Told, Cause: alert.CauseAccepted, Told: known.ToldAt,
			Reason: "accepted; the journal does not reach back to it", Steps: []alert.Decision{},
		})
		o = len(i.Outcomes) - 1
	}
	i.Outcomes[o].NextAt = rec.NextAt
	if i.Outcomes[o].Verdict == why.Waiting && rec.State == delivery.Queued {
		i.Outcomes[o].Reason += "; it waits for its turn at the receiver"
	}
}

// rulesNamed is how the rules of that name stand.
func (e *Engine) rulesNamed(name string) (found []why.Rule) {
	for _, s := range e.rules.Status() {
		if s.Name != name {
			continue
		}
		r := why.Rule{Name: s.Name, Health: string(s.Health), Judged: s.LastEvaluation, Blind: s.Blind, LastError: s.LastError}
		for _, a := range s.Instances {
			switch a.State {
			case alert.Pending:
				r.Pending++
			case alert.Firing:
				r.Firing++
			}
		}
		found = append(found, r)
	}
	return found
}

// nearest is what a question that nothing matches was probably meant to be about: a name, or instances of the one that it
// names.
func (e *Engine) nearest(q *api.Question, isRule bool) ([]string, error) {
	const instances = 5
	names, alike := map[string]bool{}, map[string]bool{}
	for _, s := range e.rules.Status() {
		names[s.Name] = true
	}
	for d, err := range e.journal.Each(journal.Filter{}) {
		if err != nil {
			return nil, err
		}
		if d.Rule != "" {
			names[d.Rule] = true
		}
		if q.Name != "" && d.Fingerprint != 0 && len(alike) < instances && asksFor(&api.Question{Name: q.Name}, d.Rule, d.Labels) {
			alike[q.Name+d.Labels.Without("alertname").String()] = true
		}
	}
	switch {
	case len(alike) > 0:
		return slices.Sorted(maps.Keys(alike)), nil
	case q.Name == "" || isRule:
		return nil, nil
	}
	if n := config.Nearest(q.Name, slices.Collect(maps.Keys(names))); n != "" {
		return []string{n}, nil
	}
	return nil, nil
}

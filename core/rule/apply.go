package rule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Apply makes the rules those of a new configuration, while everything goes on. All are checked before anything is
// touched; after an error nothing has changed and the programs are still the caller's.
//
// A rule is the one of the same Name. Where its definition is the same it goes on undisturbed. Where it changed, its
// instances keep their states, and what counts towards "for" and keep_firing_for: only evidence moves them on. With the
// same Program not even an interval is lost. Attributes that are no templates are what they will be when Apply returns, so
// that they go together with routes that change in the same moment. The alerts of rules that are gone end.
//
// Programs that are not used any more are closed. A rule that changes is waited for if it is being evaluated; Stop waits
// for Apply.
func (m *Manager) Apply(definitions []Definition) error {
	if err := Check(definitions); err != nil {
		return err
	}
	m.changes.Lock()
	defer m.changes.Unlock()
	m.mu.Lock()
	if !m.started || m.stopping {
		m.mu.Unlock()
		return errors.New("change rules: they do not run")
	}
	c := m.compare(definitions)
	m.hold(c)
	now := time.Now()
	var unused []Program
	for _, ch := range c.changed {
		if old := ch.rule.become(ch.definition, now); old != nil {
			unused = append(unused, old)
		}
	}
	announce := false
	for _, r := range c.gone {
		unused = append(unused, r.Program)
		if r.phase == busyDue {
			r.next.open--
			announce = m.settle(r.next) || announce
		}
	}
	m.rules, m.bySource = c.rules, bySources(c.rules)
	m.mu.Unlock()

	for _, ch := range c.changed {
		announce = m.relabel(ch.rule) || announce
	}
	announce = m.endRemoved(c.rules, now) || announce
	for _, p := range unused {
		if err := p.Close(context.WithoutCancel(m.ctx)); err != nil {
			m.options.Logger.Error().Err(err).Msg("close the program of a rule that changed or is gone")
		}
	}
	m.mu.Lock()
	for _, ch := range c.changed {
		announce = m.release(ch.rule, time.Now()) || announce
	}
	m.mu.Unlock()
	if announce {
		m.options.OnChange()
	}
	return nil
}

// comparison is what new definitions make of the rules that run.
type comparison struct {
	rules   []*running // all of them, in the order of the definitions
	changed []change
	gone    []*running
}

type change struct {
	rule       *running
	definition *running // as it would be if it were new
}

// compare finds what changes. mu is held.
func (m *Manager) compare(definitions []Definition) (c comparison) {
	old := map[string]*running{}
	for _, r := range m.rules {
		old[r.Name] = r
	}
	for _, d := range definitions {
		next := newRunning(d)
		r := old[d.Name]
		delete(old, d.Name)
		switch {
		case r == nil:
			r = next
			r.plan(time.Now())
		case !r.same(&next.Definition):
			c.changed = append(c.changed, change{r, next})
		}
		c.rules = append(c.rules, r)
	}
	for _, r := range m.rules {
		if old[r.Name] != nil {
			c.gone = append(c.gone, r)
		}
	}
	return c
}

// hold waits until no rule that changes or goes is being evaluated, and takes them all. mu is held, and let go meanwhile.
func (m *Manager) hold(c comparison) {
	affected := slices.Clone(c.gone)
	for _, ch := range c.changed {
		affected = append(affected, ch.rule)
	}
	for slices.ContainsFunc(affected, func(r *running) bool { return r.phase == busy || r.phase == busyDue }) {
		m.freed.Wait()
	}
	for _, r := range affected {
		m.take(r)
	}
}

// same tells whether nothing about a rule changed.
func (d *Definition) same(o *Definition) bool {
	return d.Name == o.Name && d.Alertname == o.Alertname && maps.Equal(d.Labels, o.Labels) &&
		maps.Equal(d.Annotations, o.Annotations) && d.For == o.For && d.KeepFiringFor == o.KeepFiringFor &&
		d.OnMissing == o.OnMissing && d.Shadow == o.Shadow && d.Limit == o.Limit && d.ExternalURL == o.ExternalURL &&
		slices.Equal(d.Sources, o.Sources) && d.Interval == o.Interval && d.Every == o.Every &&
		slices.Equal(d.Severities, o.Severities) && d.Program == o.Program
}

// become takes over what changed in the definition, and keeps what instances are at. It returns the program that is not
// used any more, if another took its place. The rule is taken, and mu held.
func (r *running) become(next *running, now time.Time) (unused Program) {
	if r.Program != next.Program {
		unused = r.Program
		r.ladder = ladder{}
		r.status.Matched = false
	}
	for fp, p := range r.progress {
		p.rewrite = true
		if unused != nil {
			p.seen = time.Time{} // two programs: what lies between their verdicts is nobody's evidence
		}
		r.progress[fp] = p
	}
	replan := r.Every != next.Every || r.Interval != next.Interval || !slices.Equal(r.Sources, next.Sources)
	r.Definition, r.policy, r.renderer = next.Definition, next.policy, next.renderer
	clear(r.badTexts)
	if replan {
		r.interval = next.interval
		maps.DeleteFunc(r.arrived, func(source string, _ time.Time) bool { return !slices.Contains(r.Sources, source) })
		r.plan(now)
	}
	return unused
}

// relabel gives instances the attributes that the changed definition gives them, and tells whether any changed. Those that
// are templates wait for the next evidence, since not all that they may speak of is remembered. The rule is taken.
func (m *Manager) relabel(r *running) bool {
	if len(r.renderer.labels) > 0 {
		return false
	}
	var changed []alert.Alert
	for _, a := range m.options.Alerts.OfRule(r.Name) {
		p, known := r.progress[a.Fingerprint]
		if !known || p.labels == nil || a.State != alert.Pending && a.State != alert.Firing || a.Identity.Equal(overLimit) {
			continue // or its severity is not known before the rule saw it again
		}
		before := a.Labels
		a.Labels, _ = r.renderer.labelSet(r.Alertname, &abi.Verdict{Labels: a.Identity, Severity: p.severity})
		if a.Labels.Equal(before) {
			continue
		}
		a.Revision++
		changed = append(changed, a)
		if a.State == alert.Firing {
			d := transition(a, a, alert.CauseReconfigured)
			d.Kind, d.From, d.To, d.Reason = alert.KindRevised, "", "", fmt.Sprintf("the rule was configured anew: %s", revision(before, a.Labels))
			m.options.Record(d)
		}
	}
	m.store(r.Name, changed, nil)
	return len(changed) > 0
}

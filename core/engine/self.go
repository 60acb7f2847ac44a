package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/vitals"
)

const (
	stuckAfter    = 5 * time.Minute  // that something is due
	stuckFor      = 30 * time.Second // and seen to be: what was withheld until now was due for long
	neverAfter    = 15 * time.Minute // of looking for series that there never were
	pluginAfter   = time.Minute      // of a process that does not work
	degradedAfter = 10 * time.Second
)

// watchSelf begins to look after the engine itself.
func (e *Engine) watchSelf() {
	w := vitals.New(vitals.Options{
		Alerts: e.alerts, Look: e.findings, Record: e.journal.Record, OnChange: e.alertsChanged, Logger: e.logger,
	})
	w.Start()
	e.opened.push("self-alerts", func(ctx context.Context) error { return w.Stop(ctx) })
}

// findings are what is wrong with the engine now.
func (e *Engine) findings(now time.Time) []vitals.Finding {
	s := e.setup.Load()
	if !s.config.Engine.SelfAlerts {
		return nil
	}
	l := look{now: now, engine: s.config.Engine, definitions: s.rules}
	l.rules(e.rules.Status(), e.scrape.Targets())
	l.deliveries(e.ledger.Records())
	if s.processes != nil {
		l.plugins(s.processes.Processes())
	}
	l.configuration(e.Rejected())
	l.storage(e)
	l.silences(e)
	return l.found
}

// look is one look at the engine.
type look struct {
	now         time.Time
	engine      config.Engine
	definitions []rule.Definition
	found       []vitals.Finding
}

func (l *look) find(f vitals.Finding) { l.found = append(l.found, f) }

// unsure says that nobody can tell whether it is so.
func (l *look) unsure(name, label, value string) {
	l.find(vitals.Finding{Name: name, About: map[string]string{label: value}, Unsure: true})
}

// causes are why rules do not see all of their data, with the rules.
type causes map[string]*cause

type cause struct {
	what  string
	rules []string
	worst string
}

func (c causes) add(name, what string, d *rule.Definition) {
	if c[name] == nil {
		c[name] = &cause{what: what, worst: "warning"}
	}
	c[name].rules = append(c[name].rules, d.Name)
	if severityOf(d) == "critical" {
		c[name].worst = "critical"
	}
}

// severityOf is that of an alert about a rule: as bad as what may be missed.
func severityOf(d *rule.Definition) string {
	if d.Labels["severity"] == "critical" {
		return "critical"
	}
	return "warning"
}

// rules looks at what the rules see.
func (l *look) rules(rules []rule.Status, targets []scrape.Status) {
	down := downSources(targets)
	byName := map[string]*rule.Definition{}
	for i := range l.definitions {
		byName[l.definitions[i].Name] = &l.definitions[i]
	}
	blind := causes{}
	for i := range rules {
		r, d := &rules[i], byName[rules[i].Name]
		if d == nil || d.Shadow || strings.HasPrefix(d.Name, heartbeatRules) {
			continue
		}
		switch {
		case r.LastEvaluation.IsZero():
			l.unsure(config.AlertRuleFailing, "rule", d.Name)
			l.unsureWhatItSees(d)
		case r.LastError != "":
			l.find(vitals.Finding{
				Name: config.AlertRuleFailing, About: map[string]string{"rule": d.Name}, Severity: severityOf(d), After: l.engine.UnknownAfter,
				Summary: fmt.Sprintf("Rule %s fails, its alerts keep their state: %s", d.Name, short(r.LastError)),
			})
			l.unsureWhatItSees(d)
		case d.OnMissing == rule.MissingOK || d.OnMissing == rule.MissingFire || r.Blind == "" || r.BlindCause == alert.CauseNotEnough:
		default:
			l.blind(r, d, down, blind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(blind)) {
		c := blind[name]
		l.find(vitals.Finding{
			Name: config.AlertBlind, About: map[string]string{"cause": name}, Severity: c.worst, After: l.engine.UnknownAfter,
			Summary: fmt.Sprintf("%s. Rules that do not see all of their data, and keep their state: %s", c.what, listed(c.rules, ", ")),
		})
	}
}

func (l *look) unsureWhatItSees(d *rule.Definition) {
	l.unsure(config.AlertNeverMatched, "rule", d.Name)
	l.unsure(config.AlertBlind, "cause", ruleCause(d))
	for _, s := range d.Sources {
		l.unsure(config.AlertBlind, "cause", s)
	}
}

func ruleCause(d *rule.Definition) string { return "rule " + d.Name }

// blind finds out why a rule does not see all of its data.
func (l *look) blind(r *rule.Status, d *rule.Definition, down map[string]string, blind causes) {
	known := false
	for _, s := range d.Sources {
		if what, is := down[s]; is {
			blind.add(s, what, d)
			known = true
		}
	}
	switch {
	case known:
	case r.Matched:
		blind.add(ruleCause(d), fmt.Sprintf("Data that rule %s had are missing: %s", d.Name, short(r.Blind)), d)
	default:
		l.find(vitals.Finding{
			Name: config.AlertNeverMatched, About: map[string]string{"rule": d.Name}, Severity: "warning", After: neverAfter,
			Summary: fmt.Sprintf("Rule %s never saw all that it reads: %s. Is a name misspelt?", d.Name, short(r.Blind)),
		})
	}
}

// downSources describes the sources of which targets do not answer.
func downSources(targets []scrape.Status) map[string]string {
	type source struct {
		all   int
		down  []string
		error string
	}
	sources := map[string]*source{}
	for _, t := range targets {
		s := sources[t.Source]
		if s == nil {
			s = &source{}
			sources[t.Source] = s
		}
		s.all++
		if t.Health == scrape.Down {
			if len(s.down) == 0 {
				s.error = t.LastError
			}
			s.down = append(s.down, t.Target)
		}
	}
	down := map[string]string{}
	for name, s := range sources {
		if len(s.down) > 0 {
			down[name] = fmt.Sprintf("%d of %d targets of %s do not answer: %s (%s)", len(s.down), s.all, name, listed(s.down, ", "), short(s.error))
		}
	}
	return down
}

// deliveries looks at what receivers were not told.
func (l *look) deliveries(records []delivery.Record) {
	type receiver struct {
		groups int
		since  time.Time
		error  string
		after  time.Duration
	}
	stuck := map[string]*receiver{}
	for i := range records {
		rec := &records[i]
		if rec.OwedSince.IsZero() || rec.State != delivery.DeadLetter && l.now.Sub(rec.OwedSince) < stuckAfter || aboutItself(rec) {
			continue
		}
		r := stuck[rec.Receiver]
		if r == nil {
			r = &receiver{since: rec.OwedSince, after: stuckFor}
			stuck[rec.Receiver] = r
		}
		r.groups++
		if rec.State == delivery.DeadLetter {
			r.after = 0
		}
		if rec.OwedSince.Before(r.since) {
			r.since = rec.OwedSince
		}
		if r.error == "" {
			r.error = rec.Error
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stuck)) {
		r := stuck[name]
		summary := fmt.Sprintf("%s does not know all that it should. Groups: %d, the first since %s", name, r.groups, r.since.UTC().Format(time.RFC3339))
		if r.error != "" {
			summary += ": " + short(r.error)
		}
		l.find(vitals.Finding{Name: config.AlertDeliveryStuck, About: map[string]string{"receiver": name}, Severity: "critical", After: r.after, Summary: summary})
	}
}

// aboutItself tells that a group is all about deliveries that are stuck. That it is stuck too says nothing new, and that it
// was rejected must not keep it firing for ever.
func aboutItself(rec *delivery.Record) bool {
	return rec.Labels.Get("alertname") == config.AlertDeliveryStuck || len(rec.Instances) > 0 &&
		!slices.ContainsFunc(rec.Instances, func(i delivery.Instance) bool { return i.Labels.Get("alertname") != config.AlertDeliveryStuck })
}

// plugins looks at the processes of plugins.
func (l *look) plugins(processes []pluginhost.Status) {
	for _, p := range processes {
		after := pluginAfter
		switch p.State {
		case pluginhost.StateFailed:
			after = 0
		case pluginhost.StateBackoff, pluginhost.StateStarting, pluginhost.StateDegraded:
		default:
			continue
		}
		l.find(vitals.Finding{
			Name: config.AlertPluginDown, About: map[string]string{"plugin": p.What + " " + p.Kind}, Severity: "critical", After: after,
			Summary: fmt.Sprintf("The process of the plugin %s %q does not work: %s", p.What, p.Kind, short(p.Error)),
		})
	}
}

// configuration looks at whether the one runs that should.
func (l *look) configuration(since time.Time, rejected error) {
	if rejected != nil {
		l.find(vitals.Finding{
			Name: config.AlertConfigRejected, Severity: "warning",
			Summary: fmt.Sprintf("The configuration is rejected since %s, the former one goes on: %s", since.UTC().Format(time.RFC3339), short(rejected.Error())),
		})
	}
}

// storage looks at whether what changes is durable.
func (l *look) storage(e *Engine) {
	degraded := func(part, what string, err error) {
		if err != nil {
			l.find(vitals.Finding{
				Name: config.AlertDegraded, About: map[string]string{"part": part}, Severity: "critical", After: degradedAfter,
				Summary: what + ": " + short(err.Error()),
			})
		}
	}
	_, refused := e.alerts.Refused()
	degraded("alerts", "Storage refuses the state of alerts. Alerting goes on, a crash would lose what changed", refused)
	_, refused = e.ledger.Degraded()
	degraded("deliveries", "Storage refuses the record of deliveries. What is critical is told all the same and may be repeated, ends are held", refused)
	degraded("state", "The engine started without its former state: incidents that were open must be closed by hand", e.state.Notice())
}

// listed names the first few of many.
func listed(all []string, separator string) string {
	const few = 5
	if len(all) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:few], separator), len(all)-few)
	}
	return strings.Join(all, separator)
}

// short cuts a text that comes from elsewhere.
func short(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

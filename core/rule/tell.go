package rule

import (
	"errors"
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// tellRule records what became known about the rule as a whole.
func (m *Manager) tellRule(j job, o *outcome) {
	tell := func(kind alert.Kind, cause alert.Cause, reason string) {
		m.options.Record(alert.Decision{Time: time.Now(), Kind: kind, Cause: cause, Rule: j.Name, Reason: reason})
	}
	if j.overtaken > 0 && !j.late {
		tell(alert.KindSkipped, alert.CauseOvertaken, fmt.Sprintf("%d rounds came before the evaluation began: it judges the newest data only", j.overtaken+1))
	}
	j.late = j.overtaken > 0
	j.wasFrozen = j.blind != "" || j.failure != ""

	switch {
	case o.err != nil && o.err.Error() != j.failure:
		tell(alert.KindRuleFailed, alert.CauseRuleFailed, o.err.Error())
		m.options.Logger.Error().Str("rule", j.Name).Err(o.err).Msg("a rule failed, its alerts keep their state")
	case o.err == nil && j.failure != "":
		tell(alert.KindSighted, alert.CauseRuleWorks, "the rule works again")
		m.options.Logger.Info().Str("rule", j.Name).Msg("a rule works again")
	}
	j.failure = ""
	if o.err != nil {
		j.failure = o.err.Error()
		return // it is no longer known whether all data are there
	}
	switch {
	case o.missing != "" && j.blind == "":
		tell(alert.KindBlind, o.cause, o.missing)
		m.options.Logger.Warn().Str("rule", j.Name).Str("missing", o.missing).Msg("a rule does not see all of its data")
	case o.missing == "" && j.blind != "":
		tell(alert.KindSighted, alert.CauseDataBack, "all data are there again")
	}
	j.blind = o.missing
}

// tell adds what is to be recorded of a step.
func (mv *moved) tell(before, after alert.Alert, o observation, fx effect) {
	mv.changed = mv.changed || before.State != after.State || before.Revision != after.Revision || before.Unknown != after.Unknown
	switch {
	case before.State != after.State:
		mv.decisions = append(mv.decisions, transition(before, after, causeOf(after.State, o)))
	case fx.revised:
		d := transition(before, after, revised(before.Labels, after.Labels))
		d.Kind, d.From, d.To, d.Reason = alert.KindRevised, "", "", revision(before.Labels, after.Labels)
		mv.decisions = append(mv.decisions, d)
	}
}

// tellOverlay adds that one instance became unknown, or known again.
func (mv *moved) tellOverlay(kind alert.Kind, a alert.Alert, cause alert.Cause, reason string) {
	d := transition(a, a, cause)
	d.Kind, d.From, d.Reason = kind, "", reason
	mv.decisions = append(mv.decisions, d)
}

// transition is the journal line of a change of state.
func transition(before, after alert.Alert, cause alert.Cause) alert.Decision {
	labels := after.Labels
	if labels == nil {
		labels = before.Labels
	}
	return alert.Decision{
		Time: time.Now(), Kind: alert.KindTransition, Cause: cause, Rule: after.Rule, Fingerprint: after.Fingerprint, Labels: labels,
		From: before.State.String(), To: after.State.String(), Value: after.Value, Reason: after.Reason,
	}
}

// causeOf is why an observation led to a state.
func causeOf(reached alert.State, o observation) alert.Cause {
	switch {
	case o.cause != "":
		return o.cause
	case reached == alert.Firing:
		return alert.CauseHeld
	}
	return alert.CauseHolds
}

// revised is what changed between two label sets, see revision.
func revised(before, after frame.Labels) alert.Cause {
	if before.Get("severity") != after.Get("severity") {
		return alert.CauseSeverity
	}
	return alert.CauseLabels
}

// revision says what changed between two label sets; severity first, since it may wake somebody.
func revision(before, after frame.Labels) string {
	if a, b := before.Get("severity"), after.Get("severity"); a != b {
		return fmt.Sprintf("severity %q became %q", a, b)
	}
	return fmt.Sprintf("labels %s became %s", before, after)
}

// toldTemplates bounds how many different template errors of a rule are told.
const toldTemplates = 20

// tellTemplates records each template error once.
func (m *Manager) tellTemplates(j job, errs []error) {
	for _, err := range errs {
		text := err.Error()
		if j.badTexts[text] || len(j.badTexts) >= toldTemplates {
			continue
		}
		j.badTexts[text] = true
		m.options.Record(alert.Decision{Time: time.Now(), Kind: alert.KindTemplate, Cause: alert.CauseTemplate, Rule: j.Name, Reason: text})
		m.options.Logger.Error().Str("rule", j.Name).Err(err).Msg("a template failed, its error stands in place of the text")
	}
}

// tellAmbiguous records once that two verdicts speak of one instance.
func (m *Manager) tellAmbiguous(j job, text string) {
	if text == "" || j.badTexts[text] || len(j.badTexts) >= toldTemplates {
		return
	}
	j.badTexts[text] = true
	m.options.Record(alert.Decision{Time: time.Now(), Kind: alert.KindAmbiguous, Cause: alert.CauseTwoVerdicts, Rule: j.Name, Reason: text})
	m.options.Logger.Warn().Str("rule", j.Name).Str("reason", text).Msg("a rule says two things about one instance")
}

// report says once that storage refuses, and once that it accepts again.
func (m *Manager) report(rule string, err error) {
	if err != nil && !errors.Is(err, alert.ErrNotDurable) {
		m.options.Logger.Error().Str("rule", rule).Err(err).Msg("the state of a rule's alerts cannot be written")
		return
	}
	m.mu.Lock()
	said := m.refused
	m.refused = err != nil
	m.mu.Unlock()
	switch {
	case err != nil && !said:
		m.options.Logger.Error().Err(err).Msg("storage refuses the state of alerts: alerting goes on, a crash now would lose what changed")
	case err == nil && said:
		m.options.Logger.Info().Msg("storage accepts the state of alerts again")
	}
}

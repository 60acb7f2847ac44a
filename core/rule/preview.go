package rule

import (
	"slices"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Preview returns the alerts as they would be right after an Apply of these definitions, before any rule is evaluated
// again. Nothing is done.
func (m *Manager) Preview(definitions []Definition, alerts []alert.Alert) (after []alert.Alert) {
	m.mu.Lock()
	former := map[string]Definition{}
	for _, r := range m.rules {
		former[r.Name] = r.Definition
	}
	m.mu.Unlock()
	next := map[string]*running{}
	for _, d := range definitions {
		d.OnTemplate = nil // nothing is rendered that people see
		next[d.Name] = newRunning(d)
	}
	for _, a := range alerts {
		r := next[a.Rule]
		live := a.State == alert.Pending || a.State == alert.Firing
		switch {
		case alert.Foreign(a.Rule) || !live:
		case r == nil && a.State == alert.Pending:
			continue
		case r == nil:
			a.State, a.Reason = alert.Resolved, alert.RuleRemoved
		default:
			a.Shadow = r.Shadow
			if old, known := former[a.Rule]; known && len(r.renderer.labels) == 0 && !a.Identity.Equal(overLimit) {
				a.Labels, _ = r.renderer.labelSet(r.Alertname, &abi.Verdict{Labels: a.Identity, Severity: old.severityOf(&a)})
			}
		}
		after = append(after, a)
	}
	return after
}

// severityOf is the severity that the last verdict about an alert must have had, judging by its labels; 0 for none.
func (d *Definition) severityOf(a *alert.Alert) uint8 {
	severity := a.Labels.Get("severity")
	if severity == d.Labels["severity"] {
		return 0
	}
	return uint8(1 + slices.Index(d.Severities, severity)) //nolint:gosec // there are few
}

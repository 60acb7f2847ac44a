package alert

import (
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

const severityLabel = "severity"

// Severity is the label of that name.
func (a *Alert) Severity() string { return a.Labels.Get(severityLabel) }

// RankCritical is the [Rank] of what must not wait.
const RankCritical = 5

// Rank orders the values of the label severity that are in common use; 0 is for those that are not.
func Rank(severity string) int {
	switch strings.ToLower(severity) {
	case "none", "debug":
		return 1
	case "info", "information", "informational", "notice", "low":
		return 2
	case "warning", "warn", "minor", "medium", "ticket":
		return 3
	case "error", "major", "high":
		return 4
	case "critical", "crit", "page", "fatal", "emergency", "disaster":
		return RankCritical
	}
	return 0
}

// Rises tells that an alert became more severe. A value that nobody knows is neither more nor less severe than others.
func Rises(before, after frame.Labels) bool {
	from, to := Rank(before.Get(severityLabel)), Rank(after.Get(severityLabel))
	return to > from && (from > 0 || before.Get(severityLabel) == "")
}

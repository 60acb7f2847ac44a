package delivery

import (
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

const severityLabel = "severity"

// rank orders the values of the label severity that are in common use; 0 is for those that are not.
func rank(severity string) int {
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
		return 5
	}
	return 0
}

// rises tells that an alert became more severe. A value that nobody knows is neither more nor less severe than others.
func rises(before, after frame.Labels) bool {
	from, to := rank(before.Get(severityLabel)), rank(after.Get(severityLabel))
	return to > from && (from > 0 || before.Get(severityLabel) == "")
}

package rule

import "time"

// The failure ladder: the first failures of a rule are tried again with the next data, after that it rests for a
// while that doubles up to a limit, so that a broken module costs little.
const (
	failuresInARow = 3
	firstRest      = time.Second
	longestRest    = 5 * time.Minute
)

// ladder counts the failures of a rule.
type ladder struct {
	failures int
	until    time.Time // rests until then
}

// failed counts one more failure.
func (l *ladder) failed(now time.Time) {
	l.failures++
	if l.failures < failuresInARow {
		return
	}
	rest := longestRest
	if doublings := l.failures - failuresInARow; doublings < 20 {
		rest = min(firstRest<<doublings, longestRest)
	}
	l.until = now.Add(rest)
}

func (l *ladder) succeeded() { *l = ladder{} }

// rests tells whether the rule is not to be evaluated yet.
func (l *ladder) rests(now time.Time) bool { return now.Before(l.until) }

package rule

import (
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Health of a rule, as Prometheus' rules API spells it.
type Health string

// The healths.
const (
	HealthOK      Health = "ok"
	HealthErr     Health = "err"     // the last evaluation failed
	HealthUnknown Health = "unknown" // not evaluated yet, or not all of its data are seen
)

// Status is how a rule fares.
type Status struct {
	Name       string
	Health     Health
	State      alert.State // the worst of its instances: inactive, pending or firing
	Instances  []alert.Alert
	LastError  string      // of the last evaluation; "" when it succeeded
	Blind      string      // what is not seen; "" when all is
	BlindCause alert.Cause // of that
	Matched    bool        // since it was loaded, every input matched a series at some time

	Interval time.Duration // between evaluations, configured or learned

	LastEvaluation time.Time     // when it began; zero before the first
	At             time.Time     // the time that it judged
	Duration       time.Duration // what it took
	Longest        time.Duration // the longest since start
	Fuel           uint64        // spent by it

	Evaluations uint64
	Skipped     uint64 // times that it was due and was not evaluated, because it was not done yet or rests
	Unprompted  uint64 // evaluations because no data came for too long
	Failures    int    // in a row
	RestsUntil  time.Time
}

// Status returns how each rule fares, in the order of their definitions.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	list := make([]Status, len(m.rules))
	for i, r := range m.rules {
		list[i] = r.status
		list[i].Failures, list[i].RestsUntil, list[i].Interval = r.ladder.failures, r.ladder.until, r.interval
	}
	m.mu.Unlock()

	for i := range list {
		s := &list[i]
		s.Instances = m.options.Alerts.OfRule(s.Name)
		for _, a := range s.Instances {
			if a.State == alert.Firing || a.State == alert.Pending && s.State != alert.Firing {
				s.State = a.State
			}
		}
	}
	return list
}

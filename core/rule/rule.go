// Package rule evaluates rules and keeps the state of their instances.
//
// A rule is evaluated when the data that it reads has arrived: [Manager.Round] says so. What its [Program] returns is
// weighed by a pure state machine (machine.go), whose transitions are made durable before anybody hears of them.
// Missing data, a program that fails and a rule that nobody evaluates never look like health.
package rule

import (
	"context"
	"text/template"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Definition is one configured rule.
type Definition struct {
	Name          string            // identity of the rule and of its instances
	Alertname     string            // what the label alertname says; "" is Name
	Labels        map[string]string // attributes, may be templates; "severity" gives way to the one of a verdict
	Annotations   map[string]string // templates
	For           time.Duration     // evidenced time that the condition has to hold before it fires
	KeepFiringFor time.Duration     // evidenced time of health before it resolves
	OnMissing     string            // one of the Missing constants; "" is MissingUnknown
	Shadow        bool              // its alerts are for nobody to be told of
	Limit         int               // of pending and firing instances, beyond which one stands for the rest; 0: none
	ExternalURL   string            // for templates

	Sources  []string      // the rule is due when each of them had a round since the last evaluation
	Interval time.Duration // the longest interval of these sources; 0: learned from their rounds
	Every    time.Duration // due by the clock instead, at multiples of it; 0: by Sources

	// OnTemplate, if set, sees each template of the rule before it is first used, named "label x" or "annotation x", and may
	// add to its tree: so a rehearsal finds out which branches are ever rendered.
	OnTemplate func(t *template.Template)

	Severities []string // what the numbers in verdicts mean: 1 is the first
	Program    Program
}

// What a rule takes missing data for (on_missing).
const (
	MissingUnknown = "unknown" // neither health nor trouble: states are frozen
	MissingOK      = "ok"      // health
	MissingFire    = "fire"    // the condition holds
)

// Program judges. It is called by one evaluation at a time.
type Program interface {
	// Eval judges the data as they stood at that time. An error, or a panic, freezes the instances of the rule.
	Eval(ctx context.Context, at time.Time) (Evaluation, error)
	Close(ctx context.Context) error
}

// Evaluation is what a program found. An instance that it leaves out is healthy only while Complete is true and
// Empty, NoVerdict and Young are not.
type Evaluation struct {
	Verdicts  []abi.Verdict
	Complete  bool   // all targets answered
	Empty     bool   // an input matched no series at all
	Left      bool   // all targets that had series of an input were taken away: nothing is missing, and there is nothing to judge
	NoVerdict bool   // not enough data to judge
	Missing   string // what is missing, for people
	Young     string // how much less of the past the program saw than it asks for, though nothing is missing; "" once it saw all
	Ambiguous string // which instance the program judged twice, and what to do about it; "" for none. It is told once
	Fuel      uint64 // spent
}

// Alerts is where instances live, an [alert.Store].
type Alerts interface {
	Put(alerts ...alert.Alert) error
	Drop(fps ...alert.Fingerprint) error
	Observe(alerts ...alert.Alert)
	Flush() error
	OfRule(name string) []alert.Alert
	Rules() []string
	Damaged() []error
	Refused() (time.Time, error)
}

// Options of a manager.
type Options struct {
	Alerts   Alerts               // required
	Record   func(alert.Decision) // the journal; must not block. May be nil
	OnChange func()               // the rules of a round ran and alerts changed; must not block. May be nil
	Logger   zerolog.Logger
	Workers  int // evaluations at once; 0: GOMAXPROCS-1, at least 1

	// Slow is from when on an evaluation makes others wait for too long: then others are let in beside those of Workers.
	// 0: 10 ms where Workers is 0 too, else never, so that the order of evaluations is repeatable.
	Slow time.Duration

	OnEvaluate func(Observation) // hears of every evaluation, from many goroutines; must not block. May be nil
}

// Observation is one evaluation, for those who watch.
type Observation struct {
	Rule     string
	Duration time.Duration
	Fuel     uint64
	Skipped  int   // times that the rule was due and was not evaluated, since the observation before
	Err      error // nil if the evaluation succeeded
}

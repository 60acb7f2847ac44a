package rule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// running is a rule that is being evaluated from time to time.
type running struct {
	Definition
	policy   policy
	renderer *renderer

	// What its evaluations remember, of which there is one at a time.
	progress  map[alert.Fingerprint]progress
	blind     string          // what is not seen, "" when all is
	failure   string          // the error of the last evaluation, "" when it succeeded
	badTexts  map[string]bool // the errors of templates, and ambiguities, that were told
	observed  []seen          // scratch
	late      bool            // the last evaluation was overtaken
	wasFrozen bool            // the evaluation before saw nothing, or not all

	// Where it stands in the schedule, guarded by Manager.mu.
	arrived   map[string]time.Time // sources that had a round since it was last due
	phase     phase
	at        time.Time // to be judged by the evaluation that waits
	batch     *batch    // of the evaluation that waits or runs
	nextAt    time.Time // with busyDue: of the evaluation after this one
	next      *batch
	overtaken int           // rounds that came while it waited
	interval  time.Duration // between evaluations, configured or learned
	tick      time.Time     // with Every: the time that is judged next
	deadline  time.Time     // evaluated then at the latest, whether data came or not
	ladder    ladder
	quick     bool // its last evaluation was: see Options.Slow
	status    Status
	skipsTold uint64 // of status.Skipped, in observations
}

// phase of a rule in the schedule.
type phase uint8

const (
	idle    phase = iota
	queued        // waits for a worker
	busy          // is being evaluated
	busyDue       // is being evaluated, and already due again
)

// progress is what a restart may forget about an instance.
type progress struct {
	seen     time.Time
	saved    time.Duration
	labels   frame.Labels // of the last active verdict
	severity uint8
	rewrite  bool // the definition changed: labels and annotations are written anew with the next evidence
}

// defaultInterval is taken for the interval of sources whose rounds have not been seen twice.
const defaultInterval = 15 * time.Second

// checkpointEvery is the least progress, in evidenced time, that is worth a commit.
const checkpointEvery = 10 * time.Second

func newRunning(d Definition) *running {
	d.Sources = slices.Compact(slices.Sorted(slices.Values(d.Sources)))
	if d.Alertname == "" {
		d.Alertname = d.Name
	}
	r := &running{
		Definition: d,
		renderer:   newRenderer(&d),
		progress:   map[alert.Fingerprint]progress{},
		arrived:    map[string]time.Time{},
		badTexts:   map[string]bool{},
		interval:   d.Interval,
	}
	if r.interval == 0 {
		r.interval = defaultInterval
	}
	if r.Every == 0 && len(r.Sources) == 0 {
		r.Every = r.interval // nothing else would make it due
	}
	if r.Every > 0 {
		r.interval = r.Every
	}
	r.policy = policy{hold: d.For, keep: d.KeepFiringFor, every: checkpointEvery}
	r.status = Status{Name: d.Name, Health: HealthUnknown}
	return r
}

// check finds what would make a definition unusable.
func (d *Definition) check() error {
	switch {
	case d.Name == "":
		return errors.New("rule has no name")
	case d.Program == nil:
		return fmt.Errorf("rule %q has no program", d.Name)
	case d.Limit < 0:
		return fmt.Errorf("rule %q has a negative limit", d.Name)
	case d.For < 0 || d.KeepFiringFor < 0 || d.Every < 0 || d.Interval < 0:
		return fmt.Errorf("rule %q has a negative duration", d.Name)
	}
	switch d.OnMissing {
	case "", MissingUnknown, MissingOK, MissingFire:
		return nil
	}
	return fmt.Errorf("rule %q: on_missing is %q, it must be unknown, ok or fire", d.Name, d.OnMissing)
}

// observation is how an evaluation went, after it was noted. Manager.mu is held.
func (r *running) observation(o outcome) Observation {
	skipped := r.status.Skipped - r.skipsTold
	r.skipsTold = r.status.Skipped
	return Observation{Rule: r.Name, Duration: o.took, Fuel: o.fuel, Skipped: int(skipped), Err: o.err}
}

// note takes over how an evaluation went. Manager.mu is held.
func (r *running) note(j job, o outcome, now time.Time) {
	s := &r.status
	s.Skipped += uint64(j.overtaken)
	if o.stopped {
		return
	}
	s.Matched = s.Matched || o.matched
	s.Evaluations++
	s.LastEvaluation, s.At, s.Duration, s.Fuel = o.begun, j.at, o.took, o.fuel
	s.Longest = max(s.Longest, o.took)
	s.Blind, s.BlindCause, s.LastError = o.missing, o.cause, ""
	switch {
	case o.err != nil:
		s.Health, s.LastError = HealthErr, o.err.Error()
		r.ladder.failed(now)
		return
	case o.missing != "":
		s.Health = HealthUnknown
	default:
		s.Health = HealthOK
	}
	r.ladder.succeeded()
}

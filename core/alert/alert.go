// Package alert is the model of an alert and the durable store of those that are not over yet.
//
// It is the vocabulary of the second half of the engine, as sdk/frame is of the first: rules produce alerts,
// routes decide who should know of them, delivery makes it so.
package alert

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// State of an alert instance.
type State uint8

// The states of ALERTING: "unknown" is not among them, it is an overlay (see [Alert.Unknown]).
const (
	Inactive State = iota // evidence that all is well
	Pending               // the condition holds, not long enough
	Firing                // somebody should know
	Resolved              // over, kept until everybody who was told of it has been told so
)

// Fingerprint identifies an instance: rule name and identity labels. Attributes such as severity are no part of it.
type Fingerprint uint64

// NewFingerprint returns the fingerprint of an instance of rule. It is asked for at every verdict, so the label set that
// it hashes is put together without allocating, unless it is a long one.
func NewFingerprint(rule string, identity frame.Labels) Fingerprint {
	at, replaced := slices.BinarySearchFunc(identity, "alertname", func(l frame.Label, name string) int { return cmp.Compare(l.Name, name) })
	rest := identity[at:]
	if replaced {
		rest = rest[1:]
	}
	var space [16]frame.Label
	set := append(append(append(space[:0], identity[:at]...), frame.Label{Name: "alertname", Value: rule}), rest...)
	return Fingerprint(frame.Labels(set).Hash())
}

// External stands for the rule of alerts that others raise. No rule of a configuration can have this name.
const External = "@external"

// Self stands for the rule of alerts about the engine itself. No rule of a configuration can have this name.
const Self = "@tocsin"

// Drill stands for the rule of alerts that are tests. No rule of a configuration can have this name.
const Drill = "@drill"

// DrillLabel is a label that the alerts of drills have, each with another value: they are never told together with others.
const DrillLabel = "tocsin_drill"

// Foreign tells that no rule of a configuration has this name: the alerts under it are for others to end.
func Foreign(rule string) bool { return rule == External || rule == Self || rule == Drill }

// Expired begins the reason of an alert that ended because nobody posted it again: that is no evidence of health, and
// people are told so.
const Expired = "expired: "

// RuleRemoved is the reason of an alert whose rule the configuration does not have any more: no evidence of health either.
const RuleRemoved = "rule removed"

// NewExternalFingerprint returns the fingerprint of an alert that others raise: all its labels identify it. It never is
// that of an instance of a rule, even if the labels are the same.
func NewExternalFingerprint(labels frame.Labels) Fingerprint {
	return Fingerprint(labels.With(frame.Label{Name: External, Value: "1"}).Hash())
}

// Name is what people call the alert: its alertname.
func (a *Alert) Name() string {
	if !Foreign(a.Rule) {
		return a.Rule
	}
	return a.Labels.Get("alertname")
}

// Alert is one instance of a rule: its identity, where it stands, and what people are to be told.
//
// Alerts are values: whoever holds one may keep it, changes go through the owner of the instance. Sets, maps and slices in
// it are shared between copies: they are replaced, never changed.
type Alert struct {
	Fingerprint Fingerprint       `json:"fingerprint"`
	Rule        string            `json:"rule"`
	Identity    frame.Labels      `json:"identity"`    // what the rule returned
	Labels      frame.Labels      `json:"labels"`      // identity, attributes and alertname: what routes match
	Annotations map[string]string `json:"annotations"` // rendered

	State   State  `json:"state"`
	Shadow  bool   `json:"shadow,omitempty"`  // its rule has mode = "shadow": nobody is notified
	Unknown bool   `json:"unknown,omitempty"` // the data is missing: the state is frozen
	Reason  string `json:"reason,omitempty"`  // why it is unknown, or why it resolved

	Value     float64 `json:"value"`     // at the last evidence, finite (JSON has no NaN; absent evidence leaves it)
	FireValue float64 `json:"fireValue"` // when it began to fire
	Peak      float64 `json:"peak"`      // the highest absolute value while firing
	Text      string  `json:"text,omitempty"`

	// Recent are the last values while it is pending or fires, the oldest first, at most [MostRecent]. The slice is never
	// changed in place. It is for people, and not kept over a restart.
	Recent []float64 `json:"-"`

	GeneratorURL string `json:"generatorURL,omitempty"` // of one that others raise: where they say it comes from

	ActiveAt   time.Time     `json:"activeAt"`            // the condition began to hold
	FiredAt    time.Time     `json:"firedAt,omitzero"`    // became firing
	ResolvedAt time.Time     `json:"resolvedAt,omitzero"` // became resolved
	AgainAt    time.Time     `json:"againAt,omitzero"`    // of a resolved one that is not settled: the condition holds again
	ClearSince time.Time     `json:"clearSince,omitzero"` // first evidence of health in a row, while keep_firing_for runs
	ExpiresAt  time.Time     `json:"expiresAt,omitzero"`  // of one that others raise: over then, unless it is posted again
	Held       time.Duration `json:"held,omitempty"`      // evidenced time: of the condition in pending (or again), of health while keep_firing_for runs
	Revision   uint64        `json:"revision"`            // rises with every change that people would see
}

// MostRecent is how many values an alert remembers.
const MostRecent = 10

// Remember returns recent values with one more.
func Remember(recent []float64, value float64) []float64 {
	if len(recent) >= MostRecent {
		recent = recent[len(recent)-MostRecent+1:]
	}
	return append(slices.Clone(recent), value)
}

// Group is what one receiver should know about alerts that belong together: the result of routing, the input of delivery.
type Group struct {
	Receiver string       // "pagerduty.oncall"
	Key      string       // stable identity of route and group labels, as Alertmanager writes it: {}/{severity="page"}:{alertname="X"}
	Labels   frame.Labels // the labels grouped by
	Wait     time.Duration
	Interval time.Duration
	Repeat   time.Duration
	Fallback *Fallback // who hears of it where the receiver does not; nil: nobody
	Note     string    // what the receiver must know about hearing of it at all; "" usually
	Members  []Member  // firing and resolved ones, ordered by fingerprint
}

// Fallback says who hears of a group whose receiver did not accept what was due, and how long after that.
type Fallback struct {
	After time.Duration
	To    []string // receivers
}

// Member is an alert within a group.
type Member struct {
	Alert *Alert // shared, never changed
	Held  Hold   // what withholds its opening from this receiver
}

package alert

import (
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Decision is one line of the journal: what was decided about what, and why.
type Decision struct {
	Time        time.Time    `json:"time"`
	Kind        Kind         `json:"kind"`
	Cause       Cause        `json:"cause"` // out of the closed set that the kind has
	Rule        string       `json:"rule,omitempty"`
	Fingerprint Fingerprint  `json:"fingerprint,omitempty"`
	Labels      frame.Labels `json:"labels,omitempty"`
	From        string       `json:"from,omitempty"` // of a transition: the state left, and
	To          string       `json:"to,omitempty"`   // the state reached
	Value       float64      `json:"value,omitempty"`
	Receiver    string       `json:"receiver,omitempty"`
	Group       string       `json:"group,omitempty"`
	Delivery    string       `json:"delivery,omitempty"` // id of the notification
	Attempt     int          `json:"attempt,omitempty"`
	By          string       `json:"by,omitempty"`     // what decided: silences, an alert that inhibits, a schedule, a person
	Until       time.Time    `json:"until,omitzero"`   // when what is waited for comes: a timer, the next attempt, the end of a silence
	Config      string       `json:"config,omitempty"` // of the engine's own lines: hash of the configuration from here on
	Reason      string       `json:"reason,omitempty"` // the same for people, with details
}

// Kind of a decision.
type Kind string

// The kinds.
const (
	KindTransition Kind = "transition"  // an instance changed its state
	KindBlind      Kind = "blind"       // data went missing: states of the rule are frozen, Reason says why
	KindSighted    Kind = "sighted"     // data is back
	KindRuleFailed Kind = "rule failed" // an evaluation ended with an error, states are frozen
	KindRevised    Kind = "revised"     // a firing instance changed what people see of it: labels, severity, annotations
	KindTemplate   Kind = "template"    // a label or annotation could not be rendered, the alert goes on with the error in its place
	KindAmbiguous  Kind = "ambiguous"   // two parts of a rule judged one instance
	KindSkipped    Kind = "skipped"     // an evaluation was left out because the one before had not ended, or the rule rests after failures
	KindDropped    Kind = "dropped"     // lines of the journal itself were lost, Reason says how many and why
	KindGrouped    Kind = "grouped"     // waits for group_wait or group_interval
	KindIntent     Kind = "intent"      // a notification was committed, about to be sent
	KindAccepted   Kind = "accepted"    // the receiver accepted it
	KindRetry      Kind = "retry"       // the receiver did not, it is tried again
	KindDeadLetter Kind = "dead letter" // the receiver will never accept it
	KindWithheld   Kind = "withheld"    // silenced, inhibited, muted, acknowledged, of a shadow rule, or over the page budget
	KindLifted     Kind = "lifted"      // what withheld it does not any more
	KindSilence    Kind = "silence"     // somebody made, changed or ended a silence, or its time came
	KindAck        Kind = "ack"         // somebody acknowledged an alert, or that is over
	KindEngine     Kind = "engine"      // it started, stopped or took a configuration: Config says which
)

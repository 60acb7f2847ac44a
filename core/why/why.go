// Package why tells what became of alerts: why one fired, who was told of it and when, and why others were not. It is
// told from the lines of the journal alone, so it can be told afterwards, and of what is long over.
package why

import (
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Answer is what there is to say about the alerts that were asked for.
type Answer struct {
	At        time.Time  `json:"at"`             // what happened later is left out
	Instances []Instance `json:"instances"`      // ordered by name and labels
	More      int        `json:"more,omitempty"` // instances that were left out because there are too many
	Rules     []Rule     `json:"rules,omitempty"`

	Since   time.Time `json:"since,omitzero"`    // the oldest line of the journal: what happened earlier is forgotten
	Lost    []string  `json:"lost,omitempty"`    // lines that the journal does not have, by when and how many
	Nearest []string  `json:"nearest,omitempty"` // where nothing matches: names that were probably meant
}

// Rule is how a rule stands that was asked for by name.
type Rule struct {
	Name      string    `json:"name"`
	Health    string    `json:"health"`          // ok, err or unknown
	Judged    time.Time `json:"judged,omitzero"` // last
	Blind     string    `json:"blind,omitempty"` // what is not seen
	LastError string    `json:"lastError,omitempty"`
	Pending   int       `json:"pending"`
	Firing    int       `json:"firing"`
}

// Instance is one alert over all of its incidents.
type Instance struct {
	Name        string            `json:"name"`
	Fingerprint alert.Fingerprint `json:"fingerprint"`
	Labels      frame.Labels      `json:"labels"`
	Now         *Standing         `json:"now,omitempty"` // nil: there is no such alert any more, or it was asked for another time
	Incidents   []Incident        `json:"incidents"`     // oldest first
}

// Standing is where an alert stands at present.
type Standing struct {
	State   alert.State `json:"state"`
	Unknown string      `json:"unknown,omitempty"` // why its data cannot be seen
	Value   float64     `json:"value"`
	Since   time.Time   `json:"since"`
	DueAt   time.Time   `json:"dueAt,omitzero"` // of a pending one: when it fires if the condition goes on to hold
	Acked   string      `json:"acked,omitempty"`
}

// Incident is the time from when the condition of an alert began to hold until it is over.
type Incident struct {
	Began    time.Time        `json:"began"` // zero: before the oldest line
	Fired    time.Time        `json:"fired,omitzero"`
	Ended    time.Time        `json:"ended,omitzero"`
	Cause    alert.Cause      `json:"cause"` // of the last change of state
	Steps    []alert.Decision `json:"steps"` // what was decided about the alert itself, its rule and the engine
	Outcomes []Outcome        `json:"outcomes"`
}

// Outcome is what became of an incident at one receiver.
type Outcome struct {
	Receiver string           `json:"receiver"`
	Group    string           `json:"group"`
	Verdict  Verdict          `json:"verdict"`
	Cause    alert.Cause      `json:"cause"` // the one reason for the verdict
	By       string           `json:"by,omitempty"`
	Told     time.Time        `json:"told,omitzero"`   // when the receiver accepted that it fires
	Closed   time.Time        `json:"closed,omitzero"` // when it accepted that it is over
	NextAt   time.Time        `json:"nextAt,omitzero"` // when the next thing happens, as things stand
	Reason   string           `json:"reason"`
	Steps    []alert.Decision `json:"steps"`
}

// Verdict sums an outcome up.
type Verdict string

// The verdicts.
const (
	Told     Verdict = "told"     // the receiver knows, of the end too if Closed says so
	Waiting  Verdict = "waiting"  // for a timer, or for the receiver
	Withheld Verdict = "withheld" // by a silence, an alert, a schedule, or because the rule is a shadow
	Spared   Verdict = "spared"   // over, or not wanted, before anybody had to be told
	Rejected Verdict = "rejected" // the receiver will never take it
	Unknown  Verdict = "unknown"  // the journal does not say, since it is incomplete
)

// Summary counts the outcomes of many alerts.
type Summary struct {
	Instances int                             `json:"instances"`
	Incidents int                             `json:"incidents"`
	Outcomes  map[Verdict]map[alert.Cause]int `json:"outcomes"`
	Unknown   int                             `json:"unknown"`            // outcomes and lines without a reason
	Examples  []alert.Fingerprint             `json:"examples,omitempty"` // instances with one, at most 20
	Since     time.Time                       `json:"since,omitzero"`
	Lost      []string                        `json:"lost,omitempty"`
}

// Package notifier is what the author of a notifier plugin writes against: one interface and one line of main.
//
//	func main() { notifier.Serve(plugin, func() notifier.Notifier { return &pager{} }) }
//
// A notifier tells one service what one receiver should know now. The engine owns queues, retries, rate limits and
// the record of what was accepted: a notifier keeps no state between calls and tries once.
package notifier

import (
	"context"
	"time"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Notifier is one configured notifier: the engine makes one for each notifier block of its kind.
// Methods other than Schema are called after Configure; Send may be called concurrently for different groups.
type Notifier interface {
	// Schema describes the block that Configure takes; it is called on a value that was never configured.
	Schema() schema.Block

	// Configure takes the block as JSON (see [schema.Decode]). It must not touch the network. A second call
	// replaces the first configuration. To blame an attribute return [schema.Diagnostics].
	Configure(ctx context.Context, config []byte) error

	// Send makes one attempt to deliver n; the deadline is in ctx. An error counts as [Retry].
	Send(ctx context.Context, n Notification) (Result, error)
}

// Notification is what a receiver should know about one group of alerts.
type Notification struct {
	ID             string // the same for every attempt at this content: pass it on where the service knows idempotency keys
	Attempt        int    // from 1
	PossibleRepeat bool   // an earlier attempt ended without an answer, the service may have seen it
	Reason         Reason

	Receiver    string // name of the notifier block
	GroupKey    string // readable, stable identity of the group: {}/{severity="page"}:{alertname="X"}
	DedupKey    string // 64 hexadecimal digits from receiver and group key: one for each incident
	GroupLabels map[string]string
	Alerts      []Alert // firing ones first
	Truncated   int     // alerts left out because of a limit

	Late        bool   // nothing fires any more, and the service may never have heard that it did: it is to hear that, too
	Reference   string // what the service answered to the last accepted notification of this incident; "" for the first
	ExternalURL string // where this Tocsin is reached from outside
	Note        string // what the reader must know about this message itself: "delivered late", "template failed: …"
	Test        bool   // of a drill: whatever people see of it has to say TEST
}

// Firing tells whether at least one alert still fires; otherwise the notification closes the incident.
func (n *Notification) Firing() bool {
	for i := range n.Alerts {
		if n.Alerts[i].Status == StatusFiring {
			return true
		}
	}
	return false
}

// Alert is one alert of a notification.
type Alert struct {
	Fingerprint  string
	Status       Status
	Rule         string
	Labels       map[string]string // with alertname
	Annotations  map[string]string
	StartsAt     time.Time
	EndsAt       time.Time // zero while firing
	Value        float64   // now, or at the end
	FireValue    float64   // when it began to fire
	Peak         float64   // the value farthest from zero while it fired
	Recent       []float64 // the last values, the oldest first, at most ten; none of alerts that have no value
	Change       Change
	GeneratorURL string
}

// Change is what an alert is compared with what this receiver accepted last.
type Change string

// The changes.
const (
	Added    Change = "added"    // it fires, and the receiver did not know
	Standing Change = "standing" // it fires, as the receiver knows
	Ended    Change = "resolved" // it is over
)

// Status of an alert in a notification, as Alertmanager spells it.
type Status string

// The statuses.
const (
	StatusFiring   Status = "firing"
	StatusResolved Status = "resolved"
)

// Reason is why a notification is sent, as Alertmanager spells it (notification_reason of the webhook payload).
type Reason string

// The reasons.
const (
	ReasonFirst       Reason = "first notification"
	ReasonAdded       Reason = "new alerts added"
	ReasonSomeEnded   Reason = "some alerts resolved"
	ReasonAllResolved Reason = "all alerts resolved"
	ReasonRepeat      Reason = "repeat interval elapsed"
	ReasonRevised     Reason = "alert labels changed" // Alertmanager has none: to it, other labels are another alert
)

// Outcome of one attempt.
type Outcome uint8

// The outcomes.
const (
	Retry     Outcome = iota // not accepted, may be accepted later
	Delivered                // the service accepted it
	Rejected                 // the service will never accept this content (bad key, bad request)

	// Opened is for services that must hear that something fired before they hear that it is over, and did not: the
	// service accepted the first half of a notification of which nothing fires any more. The engine notes that, durably, and
	// sends the second half, with the Reference. To send both halves at once would open a closed incident again whenever
	// the answer to the second is lost.
	Opened
)

func (o Outcome) String() string { return [...]string{"retry", "delivered", "rejected", "opened"}[o] }

// Result of one attempt.
type Result struct {
	Outcome    Outcome
	RetryAfter time.Duration // with Retry: do not come back earlier; 0 where the service did not say
	Detail     string        // what the service said, without secrets: it is shown to people
	Reference  string        // with Delivered and Opened: what the next notification of this incident needs (Slack's ts)
}

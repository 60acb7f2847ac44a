package rehearsal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Event is one thing that happened: a decision of the engine, or a request to a service.
type Event struct {
	At       time.Duration // since the start of the test
	Decision *alert.Decision
	Request  *Request
}

// Request is what a service was asked.
type Request struct {
	Notifier string // "pagerduty.oncall"
	URL      string
	Body     []byte // without secrets
	Heard    bool   // the service took it, whether the engine got to know or not
	Answer   string // for people: "202", "no answer"
}

// script are the events in an order that does not depend on which of two things of the same instant came first.
func (p *play) script() []Event {
	slices.SortStableFunc(p.events, func(a, b Event) int {
		if c := cmp.Compare(a.At, b.At); c != 0 {
			return c
		}
		switch {
		case a.Decision != nil && b.Decision != nil:
			return compareDecisions(a.Decision, b.Decision)
		case a.Request != nil && b.Request != nil:
			return cmp.Or(cmp.Compare(a.Request.Notifier, b.Request.Notifier), cmp.Compare(a.Request.URL, b.Request.URL),
				slices.Compare(a.Request.Body, b.Request.Body), cmp.Compare(a.Request.Answer, b.Request.Answer))
		case a.Request != nil:
			return 1
		}
		return -1
	})
	return p.events
}

// precedence orders the kinds of decision of one instant as they follow from each other.
var precedence = []alert.Kind{
	alert.KindDropped, alert.KindSkipped, alert.KindRuleFailed, alert.KindBlind, alert.KindSighted, alert.KindTemplate, alert.KindTransition,
	alert.KindRevised, alert.KindWithheld, alert.KindGrouped, alert.KindIntent, alert.KindRetry, alert.KindDeadLetter, alert.KindAccepted,
}

func compareDecisions(a, b *alert.Decision) int {
	return cmp.Or(
		cmp.Compare(slices.Index(precedence, a.Kind), slices.Index(precedence, b.Kind)), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint), cmp.Compare(a.Receiver, b.Receiver),
		cmp.Compare(a.Group, b.Group), cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(a.Delivery, b.Delivery), cmp.Compare(a.Reason, b.Reason),
	)
}

// String is one line of the timeline.
func (e Event) String() string {
	if r := e.Request; r != nil {
		return fmt.Sprintf("%-10s %s ← %s", since(e.At), r.Notifier, r.Answer)
	}
	d := e.Decision
	var words []string
	if d.Rule != "" {
		words = append(words, d.Rule+d.Labels.Without("alertname").String())
	}
	if d.Receiver != "" {
		words = append(words, d.Receiver)
		if d.Rule == "" {
			words = append(words, d.Group)
		}
	}
	switch {
	case d.From != "":
		words = append(words, d.From+" → "+d.To)
	default:
		words = append(words, string(d.Kind))
	}
	line := fmt.Sprintf("%-10s %s", since(e.At), strings.Join(words, " "))
	if d.Reason != "" {
		line += ": " + d.Reason
	}
	return line
}

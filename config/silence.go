package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Silence is a silence block: alerts that nobody is to hear of for a while.
type Silence struct {
	Name     string
	Matchers []*labels.Matcher // all must hold
	From     time.Time         // zero: from the start
	Until    time.Time         // at the latest

	// UntilResolved ends it as soon as nothing that it hid fires any more.
	UntilResolved bool

	Reason string
	Owner  string
	Range  Range `json:"-"`
}

func (l *loader) silences() (all []Silence) {
	for _, block := range l.blocks["silence"] {
		if !l.isFirst(block, block.Labels[0]) {
			continue
		}
		all = append(all, l.silence(block))
	}
	return all
}

func (l *loader) silence(block *hcl.Block) Silence {
	b := l.open(block, []string{"match", "from", "until", "cap", "reason", "owner"})
	s := Silence{
		Name: block.Labels[0], Range: rangeOf(headerRange(block)),
		From:   l.moment(b, "from"),
		Reason: b.text("reason", ""), Owner: b.text("owner", ""),
	}
	if b.require("match", "which alerts, such as [\"job='odoo'\"].") {
		s.Matchers = l.someMatchers(b, "match")
		if s.Matchers != nil && !slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool { return !m.Matches("") }) {
			l.errorf(b.at("match"), "Silence without bounds", "It would hide alerts that have none of these labels, so nearly all: add a matcher that does not match the empty string.")
		}
	}
	s.Until, s.UntilResolved = l.silenceEnd(b)
	b.require("reason", "why, for whoever finds it at night.")
	b.require("owner", "who answers for it.")
	if end := "until"; !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until) {
		if s.UntilResolved {
			end = "cap"
		}
		l.errorf(b.at(end), "Empty silence", "It would end before it begins.")
	}
	return s
}

// untilResolved is the end of a silence that ends with what it hides.
const untilResolved = "resolved"

// silenceEnd is when a silence ends, at the latest, and whether it ends before when what it hid is resolved.
func (l *loader) silenceEnd(b body) (until time.Time, resolved bool) {
	if !b.require("until", "when it ends, such as \"2026-12-01T06:00:00Z\", or \"resolved\".") {
		return until, false
	}
	if i, ok := b.itemOf("until"); ok && i.text == untilResolved {
		b.require("cap", "when it ends at the latest, such as \"2026-12-01T06:00:00Z\": what it hides may never be resolved.")
		return l.moment(b, "cap"), true
	}
	if b.has("cap") {
		l.errorf(b.at("cap"), "Unused cap", "A cap is for until = \"resolved\"; this silence ends at the time that until says.")
	}
	return l.moment(b, "until"), false
}

// moment is an RFC 3339 time.
func (l *loader) moment(b body, name string) time.Time {
	i, ok := b.itemOf(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, i.text)
	if err != nil {
		l.errorf(b.at(name), "Invalid time", "%s must be a time such as \"2026-12-01T06:00:00Z\".", name)
	}
	return t
}

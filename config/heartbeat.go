package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Heartbeat is a heartbeat block: a sign of life that passes the whole path.
type Heartbeat struct {
	Name  string
	Every time.Duration
	To    []string // references of notifiers
	Range Range    `json:"-"`
}

func (l *loader) heartbeats() (all []Heartbeat) {
	for _, block := range l.blocks["heartbeat"] {
		if !l.isFirst(block, block.Labels[0]) {
			continue
		}
		all = append(all, l.heartbeat(block))
	}
	return all
}

func (l *loader) heartbeat(block *hcl.Block) Heartbeat {
	b := l.open(block, []string{"every", "to"})
	h := Heartbeat{Name: block.Labels[0], Range: rangeOf(headerRange(block))}
	if b.require("every", "how often, such as \"1m\".") {
		h.Every = b.duration("every", 0, time.Second)
	}
	if b.require("to", "where to.") {
		h.To = l.receivers(b, "to")
	}
	return h
}

package scrape

import (
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Health is whether a target answered last, in the words of Prometheus' API.
type Health string

// The states of health.
const (
	Unknown Health = "unknown" // not collected from yet
	Up      Health = "up"
	Down    Health = "down"
)

// Status is what is known about a target.
type Status struct {
	Source string
	Job    string
	Target string       // what the source is asked for
	Labels frame.Labels // on all its series

	Discovered frame.Labels // before relabelling
	Interval   time.Duration
	Timeout    time.Duration

	Health       Health
	LastError    string // empty after a good collection
	LastScrape   time.Time
	LastDuration time.Duration
	LastSamples  int    // on the page
	Note         string // why the last good page was not kept whole; empty if it was
	Skipped      uint64 // slots without a collection, because the one before took too long
}

// Targets lists all targets, by source and then as they are configured or found.
func (m *Manager) Targets() []Status {
	var list []Status
	for _, s := range m.schedules() {
		list = append(list, s.statuses()...)
	}
	return list
}

// Dropped lists the targets that are not collected from, because relabelling drops them or for another reason.
func (m *Manager) Dropped() []Dropped {
	var list []Dropped
	for _, s := range m.schedules() {
		list = append(list, s.droppedTargets()...)
	}
	return list
}

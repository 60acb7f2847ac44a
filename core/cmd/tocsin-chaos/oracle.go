package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// verdict is what the oracle finds about one receiver, which knows nothing of the engine: only what went wrong, and what was
// told when.
type verdict struct {
	receiver string
	told     int // requests that were taken
	repeats  int // of them, marked ones
	missed   int // incidents that were too short to be sure, and not told
	faults   []string
	latency  []time.Duration // from the beginning of an incident to the first that was told of it, sorted
}

// judge compares what a receiver took with what happened.
func judge(name string, incidents []incident, took []told) verdict {
	v := verdict{receiver: name, told: len(took)}
	byID := make([][]told, len(incidents))
	for _, t := range took {
		if t.id < 0 || t.id >= len(incidents) {
			v.fault("told of incident %d, which there is not", t.id)
			continue
		}
		byID[t.id] = append(byID[t.id], t)
	}
	for id, in := range incidents {
		v.incident(id, in, byID[id])
	}
	slices.Sort(v.latency)
	return v
}

// fault keeps a sentence for each thing that must not be.
func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// incident judges what was told of one: that it is open and then that it is over, or once, late, that both were so.
func (v *verdict) incident(id int, in incident, took []told) {
	if len(took) == 0 {
		if in.end-in.begin >= sure {
			v.fault("incident %d (%s to %s): undelivered", id, at(in.begin), at(in.end))
		} else {
			v.missed++
		}
		return
	}
	v.latency = append(v.latency, took[0].at-in.begin)
	before := len(v.faults)
	defer func() {
		if len(v.faults) > before {
			v.faults[len(v.faults)-1] += ". It took: " + story(took)
		}
	}()
	open, closed := false, false
	for i, t := range took {
		again := slices.ContainsFunc(took[:i], func(before told) bool { return before.key == t.key && before.firing == t.firing })
		switch {
		case again && t.marked:
			v.repeats++
			if t.firing && closed {
				v.fault("incident %d: opened again at %s by a repetition, after its end had been told", id, at(t.at))
			}
			continue
		case again, t.firing && open, !t.firing && closed:
			v.fault("incident %d: told twice that it is %s, at %s, without a mark", id, state(t.firing), at(t.at))
			continue
		case t.firing && closed:
			v.fault("incident %d: opened again at %s, after its end had been told", id, at(t.at))
		case t.firing && t.at < in.begin:
			v.fault("incident %d: open at %s, and it began at %s", id, at(t.at), at(in.begin))
		case !t.firing && t.at < in.end:
			v.fault("incident %d: false resolve at %s, it ended at %s", id, at(t.at), at(in.end))
		}
		open, closed = open || t.firing, closed || !t.firing
	}
	if open && !closed {
		v.fault("incident %d (%s to %s): left open", id, at(in.begin), at(in.end))
	}
}

// story is what was taken, in order.
func story(took []told) string {
	var words []string
	for _, t := range took {
		word := at(t.at) + " " + state(t.firing)
		if t.marked {
			word += ", marked"
		}
		if t.lost {
			word += ", without an answer"
		}
		words = append(words, word+" ("+t.key[:min(len(t.key), 8)]+")")
	}
	return strings.Join(words, "; ")
}

// settled tells whether everything that must be told was.
func settled(incidents []incident, took []told) bool {
	state := make([]struct{ open, closed bool }, len(incidents))
	for _, t := range took {
		if t.firing {
			state[t.id].open = true
		} else {
			state[t.id].closed = true
		}
	}
	for id, in := range incidents {
		s := state[id]
		if s.open && !s.closed || !s.closed && in.end-in.begin >= sure {
			return false
		}
	}
	return true
}

// quantile is of the latencies.
func (v *verdict) quantile(q float64) time.Duration {
	if len(v.latency) == 0 {
		return 0
	}
	return v.latency[min(int(q*float64(len(v.latency))), len(v.latency)-1)]
}

func at(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

func state(firing bool) string {
	if firing {
		return "open"
	}
	return "over"
}

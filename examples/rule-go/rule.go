package main

import (
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Hot is active while the last value of a series is above a limit.
type Hot struct {
	Above  float64    `param:"above" default:"80" doc:"a series above this is active"`
	Values rule.Input `input:"values" reduce:"last" window:"5m" doc:"what is compared"`

	count rule.Memory[int] // for how many evaluations in a row a series has been above the limit
}

// Describe names the module.
func (*Hot) Describe() rule.Info {
	return rule.Info{Name: "hot", Version: "1.0.0", Description: "a value above a limit, and for how many evaluations"}
}

// Eval gives a verdict of each series.
func (h *Hot) Eval(w rule.Window, out *rule.Verdicts) error {
	for s := range h.Values.All() {
		count, _ := h.count.At(w, s.Instance())
		v, ok := s.Value()
		switch {
		case !ok || s.Missing():
			out.Unknown(s.Instance())
		case s.Ended():
			*count = 0 // its target no longer has it: left out, so that the engine sees it go
		case v > h.Above:
			*count++
			out.Active(s.Instance(), v).Threshold(h.Above).Text("evaluations above: " + strconv.Itoa(*count))
		default:
			*count = 0
			out.Healthy(s.Instance(), v).Threshold(h.Above)
		}
	}
	return nil
}

// State says that the rule remembers something, in a form with this version.
func (*Hot) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes what must survive a restart.
func (h *Hot) Snapshot(w *rule.StateWriter) {
	h.count.Save(w, func(w *rule.StateWriter, count *int) { w.Int(int64(*count)) })
}

// Restore takes what Snapshot wrote.
func (h *Hot) Restore(r *rule.StateReader) error {
	return h.count.Load(r, func(r *rule.StateReader, count *int) { *count = int(r.Int()) })
}

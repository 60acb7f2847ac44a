package rule

import (
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Window is what one evaluation sees, besides the inputs of the rule.
type Window struct {
	w *abi.Window
}

// Time is the time of the evaluation: there is no other clock.
func (w Window) Time() time.Time { return time.UnixMilli(w.w.Time).UTC() }

// Interval is the usual time between two samples of the inputs.
func (w Window) Interval() time.Duration { return time.Duration(w.w.IntervalMS) * time.Millisecond }

// First tells whether the rule starts afresh: what it remembered is gone, or there never was anything. It is false in the
// first evaluation after a restart in which the rule was given its state back, see [Stateful].
func (w Window) First() bool { return w.w.Flags&abi.WindowFirst != 0 }

// Complete tells whether every target of every input answered. Only then an instance that is left out counts as healthy.
func (w Window) Complete() bool {
	if w.w.Flags&abi.WindowMissing != 0 {
		return false
	}
	for i := range w.w.Inputs {
		if w.w.Inputs[i].TargetsAnswered < w.w.Inputs[i].TargetsExpected {
			return false
		}
	}
	return true
}

package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Flapping counts how often a value changes, or crosses a limit, in its window.
type Flapping struct {
	Changes int        `param:"changes" default:"6" min:"1" doc:"an instance is active from so many changes in the window on"`
	Clear   *int       `param:"clear" min:"0" doc:"and stays so until there are no more than this; half of changes if not set"`
	Limit   *float64   `param:"limit" doc:"count crossings of this value instead of changes: for values that are never the same twice"`
	Series  rule.Input `input:"series" window:"30m" doc:"what flaps"`

	clear   int
	trigger rule.Hysteresis
	message []byte // scratch
}

// Describe names the module.
func (*Flapping) Describe() rule.Info {
	return rule.Info{Name: "flapping", Version: "1.0.0", Description: "a value that changes too often"}
}

// Configure refuses limits in the wrong order.
func (f *Flapping) Configure() error {
	f.clear = f.Changes / 2
	if f.Clear != nil {
		f.clear = *f.Clear
	}
	if f.clear >= f.Changes {
		return errors.New("clear must be less than changes")
	}
	return nil
}

// State describes what survives a restart: who flaps.
func (*Flapping) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (f *Flapping) Snapshot(w *rule.StateWriter) { f.trigger.Save(w) }

// Restore reads it.
func (f *Flapping) Restore(r *rule.StateReader) error { return f.trigger.Load(r) }

// Eval gives one verdict a series. Its value is the number of changes in the window.
func (f *Flapping) Eval(w rule.Window, out *rule.Verdicts) error {
	from, to := f.Series.Range()
	f.trigger.Keep = 2 * to.Sub(from)
	for s := range f.Series.All() {
		n := f.count(s)
		switch {
		case s.Ended() && !s.Missing(): // the engine sees it go
		case n >= f.Changes: // also of a target that is silent now
			f.trigger.Judge(w, s.Instance(), true, false)
			out.Active(s.Instance(), float64(n)).Threshold(float64(f.Changes)).Text(f.text(s, n, to.Sub(from)))
		case s.Missing() || !whole(w, s, from):
			f.trigger.Hold(w, s.Instance())
			out.Unknown(s.Instance())
		default:
			status := f.trigger.Judge(w, s.Instance(), false, n <= f.clear)
			out.Judge(s.Instance(), status, float64(n)).Threshold(float64(f.Changes))
		}
	}
	return nil
}

// whole tells whether the samples reach back to the start of the window, or to the beginning of the series: few changes
// in half a window are no evidence of calm. Up to two samples may be missing there.
func whole(w rule.Window, s rule.Series, from time.Time) bool {
	times := s.Times()
	if len(times) == 0 || s.Born() {
		return len(times) > 0
	}
	apart := int64(math.MaxInt64) // the targets of a window need not be asked equally often
	for i := range times[1:] {
		apart = min(apart, times[i+1]-times[i])
	}
	if len(times) == 1 {
		apart = w.Interval().Milliseconds()
	}
	return times[0]-from.UnixMilli() <= 2*max(apart, w.Interval().Milliseconds())
}

// count is how often the series changed, or crossed the limit.
func (f *Flapping) count(s rule.Series) (n int) {
	values := s.Values()
	for i := range max(0, len(values)-1) {
		before, after := values[i], values[i+1]
		if f.Limit != nil && (before > *f.Limit) != (after > *f.Limit) || f.Limit == nil && before != after {
			n++
		}
	}
	return n
}

// text says how it looks: "8 changes in 30m, now 0".
func (f *Flapping) text(s rule.Series, n int, window time.Duration) string {
	last, _ := s.Value()
	t := append(strconv.AppendInt(f.message[:0], int64(n), 10), " changes in "...)
	t = append(rule.AppendDuration(t, window), ", now "...)
	f.message = strconv.AppendFloat(t, last, 'g', 4, 64)
	return string(f.message)
}

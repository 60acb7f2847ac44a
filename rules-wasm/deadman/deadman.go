package main

import (
	"math"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Deadman tells what should move and does not: a heartbeat that stands still, a job whose last success is too long ago.
type Deadman struct {
	After  time.Duration `param:"after" required:"true" min:"1s" doc:"an instance is active when it has not moved for longer than this"`
	As     string        `param:"as" default:"change" enum:"change,timestamp" doc:"change: it moves when its value changes; timestamp: its value is the Unix time when it moved"`
	Forget time.Duration `param:"forget" default:"24h" min:"1m" doc:"how long a series that its target no longer has is waited for"`

	Series  rule.Input `input:"series" reduce:"last" window:"5m" doc:"what should move"`
	Targets rule.Input `input:"targets" reduce:"last" window:"5m" optional:"true" doc:"up of the targets: what is gone with a target that is no longer configured is not waited for"`

	roster  rule.Roster[beat]
	message []byte // scratch
}

// beat is what is known of a series.
type beat struct {
	value float64
	moved int64 // when it moved last, Unix milliseconds
	known bool  // else it has not been seen to move, and moved is when it was seen first
}

// nothing tells whether the series has never been seen with a value.
func (b *beat) nothing() bool { return !b.known && b.moved == 0 }

// Describe names the module.
func (*Deadman) Describe() rule.Info {
	return rule.Info{Name: "deadman", Version: "1.0.0", Description: "something that should move and does not"}
}

// Configure tells how long to wait for what is gone.
func (d *Deadman) Configure() error {
	d.roster.Forget = max(d.Forget, 2*d.After)
	return nil
}

// State describes what survives a restart: when each moved last.
func (*Deadman) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

// Snapshot writes it.
func (d *Deadman) Snapshot(w *rule.StateWriter) {
	d.roster.Save(w, func(w *rule.StateWriter, b *beat) {
		w.Float(b.value)
		w.Int(b.moved)
		w.Bool(b.known)
	})
}

// Restore reads it.
func (d *Deadman) Restore(r *rule.StateReader) error {
	return d.roster.Load(r, func(r *rule.StateReader, b *beat) {
		*b = beat{value: r.Float(), moved: r.Int(), known: r.Bool()}
	})
}

// Eval gives one verdict for each series that is, or was, there. Its value is the seconds for which it has not moved.
func (d *Deadman) Eval(w rule.Window, out *rule.Verdicts) error {
	d.roster.Begin(w, &d.Series, &d.Targets)
	for s := range d.Series.All() {
		switch {
		case s.Missing():
			d.roster.Silent(w, s.Instance())
			out.Unknown(s.Instance())
		case !s.Ended():
			d.see(w, out, s)
		default:
			d.roster.Left(w, s.Instance())
		}
	}
	for _, m := range d.roster.Gone(w) {
		if m.Silent {
			out.Unknown(m.Instance)
		} else {
			d.judge(w, out, m.Instance, m.Value, ", and its target no longer has it")
		}
	}
	return nil
}

// see looks whether a series has moved.
func (d *Deadman) see(w rule.Window, out *rule.Verdicts, s rule.Series) {
	v, ok := s.Value()
	b, found := d.roster.Here(w, s.Instance())
	at, _ := s.Time()
	switch {
	case b == nil || !ok || math.IsNaN(v):
		out.Unknown(s.Instance())
		return
	case d.As == "timestamp":
		*b = beat{value: v, moved: int64(max(-1e15, min(1e15, v*1000))), known: true}
	case !found || b.nothing():
		*b = beat{value: v, moved: at, known: s.Born() || !found && d.roster.Sure(w)}
	case v != b.value:
		*b = beat{value: v, moved: at, known: true}
	}
	d.judge(w, out, s.Instance(), b, "")
}

func (d *Deadman) judge(w rule.Window, out *rule.Verdicts, i rule.Instance, b *beat, remark string) {
	still := float64(w.Time().UnixMilli()-b.moved) / 1000
	switch {
	case b.nothing():
		out.Unknown(i)
	case still > d.After.Seconds():
		out.Active(i, still).Threshold(d.After.Seconds()).Text(d.text(b, remark))
	case b.known:
		out.Healthy(i, still).Threshold(d.After.Seconds())
	default:
		out.Unknown(i)
	}
}

// text says since when: "has not moved since 2026-01-01 10:02:15 UTC, and its target no longer has it".
func (d *Deadman) text(b *beat, remark string) string {
	t := append(d.message[:0], "has not moved since "...)
	if !b.known {
		t = append(t, "it was seen first, "...)
	}
	t = time.UnixMilli(b.moved).UTC().AppendFormat(t, "2006-01-02 15:04:05 UTC")
	d.message = append(t, remark...)
	return string(d.message)
}

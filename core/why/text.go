package why

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Write writes an answer for people, with times of day in UTC.
func Write(w io.Writer, a *Answer) error {
	var out bytes.Buffer
	for i := range a.Rules {
		writeRule(&out, &a.Rules[i], a.At)
	}
	for i := range a.Instances {
		if i > 0 || len(a.Rules) > 0 {
			out.WriteByte('\n')
		}
		writeInstance(&out, &a.Instances[i], a.At)
	}
	if a.More > 0 {
		fmt.Fprintf(&out, "\nand %d more: ask with labels, or for more of them\n", a.More)
	}
	if len(a.Instances) == 0 {
		out.WriteString("No alert matches")
		if !a.Since.IsZero() {
			fmt.Fprintf(&out, " in the journal, which goes back to %s", full(a.Since))
		}
		out.WriteString(".\n")
		if len(a.Nearest) > 0 {
			fmt.Fprintf(&out, "Did you mean %s?\n", strings.Join(a.Nearest, " or "))
		}
	}
	for _, lost := range a.Lost {
		fmt.Fprintf(&out, "\nincomplete: %s\n", lost)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeRule(out *bytes.Buffer, r *Rule, now time.Time) {
	fmt.Fprintf(out, "rule %s: %d firing, %d pending", r.Name, r.Firing, r.Pending)
	if r.Judged.IsZero() {
		out.WriteString("; not evaluated yet\n")
		return
	}
	fmt.Fprintf(out, "; last evaluated %s ago", now.Sub(r.Judged).Round(time.Second))
	switch {
	case r.LastError != "":
		fmt.Fprintf(out, ", which failed: %s", r.LastError)
	case r.Blind != "":
		fmt.Fprintf(out, ", without all of its data: %s", r.Blind)
	default:
		out.WriteString(", with all of its data")
	}
	out.WriteByte('\n')
}

func writeInstance(out *bytes.Buffer, in *Instance, at time.Time) {
	fmt.Fprintf(out, "%s%s  %s\n", in.Name, in.Labels.Without("alertname"), in.Fingerprint)
	if s := in.Now; s != nil {
		fmt.Fprintf(out, "  now: %s since %s, value %.4g", s.State, full(s.Since), s.Value)
		if s.Unknown != "" {
			fmt.Fprintf(out, ", unknown: %s", s.Unknown)
		}
		if !s.DueAt.IsZero() {
			fmt.Fprintf(out, ", fires at %s if that lasts", clock(s.DueAt, at))
		}
		if s.Acked != "" {
			fmt.Fprintf(out, ", acknowledged by %s", s.Acked)
		}
		out.WriteByte('\n')
	}
	for i := range in.Incidents {
		writeIncident(out, &in.Incidents[i])
	}
}

func writeIncident(out *bytes.Buffer, i *Incident) {
	day := i.Began
	switch {
	case i.Began.IsZero():
		out.WriteString("\n  incident that began before the journal does\n")
	default:
		fmt.Fprintf(out, "\n  incident of %s\n", full(i.Began))
	}
	for k := range i.Steps {
		d := &i.Steps[k]
		fmt.Fprintf(out, "    %s  %s\n", clock(d.Time, day), about(d))
	}
	if i.Fired.IsZero() && !i.Ended.IsZero() && len(i.Outcomes) == 0 {
		fmt.Fprintf(out, "    nobody is told: it ended before it fired (%s)\n", i.Cause)
	}
	for k := range i.Outcomes {
		writeOutcome(out, &i.Outcomes[k], day)
	}
}

func writeOutcome(out *bytes.Buffer, o *Outcome, day time.Time) {
	fmt.Fprintf(out, "    %s: %s\n", o.Receiver, verdict(o, day))
	for k := range o.Steps {
		d := &o.Steps[k]
		fmt.Fprintf(out, "      %s  %s\n", clock(d.Time, day), about(d))
	}
	if !o.NextAt.IsZero() {
		fmt.Fprintf(out, "      next at %s\n", clock(o.NextAt, day))
	}
}

// verdict sums up what became of an incident at a receiver, with the one reason for it.
func verdict(o *Outcome, day time.Time) string {
	var text string
	switch {
	case o.Verdict == Told && o.Told.IsZero():
		text = "told at " + clock(o.Closed, day) + ", when it was over already"
	case o.Verdict == Told && !o.Closed.IsZero():
		text = "told at " + clock(o.Told, day) + ", and of the end at " + clock(o.Closed, day)
	case o.Verdict == Told:
		return "told at " + clock(o.Told, day)
	case o.Verdict == Unknown:
		return "unknown: the journal does not say"
	default:
		text = string(o.Verdict)
		if o.Verdict == Spared {
			text = "not told"
		}
		text += ": " + string(o.Cause)
		if o.By != "" {
			text += " by " + o.By
		}
	}
	return text
}

// about writes a line of the journal without its time.
func about(d *alert.Decision) string {
	var text string
	switch d.Kind {
	case alert.KindTransition:
		text = fmt.Sprintf("%s → %s (%s)", d.From, d.To, d.Cause)
		if d.Value != 0 {
			text += fmt.Sprintf(", value %.4g", d.Value)
		}
		if d.Reason == "" {
			return text
		}
		return text + ": " + d.Reason
	case alert.KindIntent, alert.KindAccepted, alert.KindRetry, alert.KindDeadLetter:
		text = string(d.Kind)
		if d.Attempt > 1 {
			text += fmt.Sprintf(" (attempt %d)", d.Attempt)
		}
		text += ": " + d.Reason
		if d.To != "" {
			text += ", " + d.To
		}
		return text
	case alert.KindEngine:
		text = "engine " + string(d.Cause)
		if len(d.Config) >= 12 {
			text += ", configuration " + d.Config[:12]
		}
		if d.Reason == "" {
			return text
		}
		return text + ": " + d.Reason
	}
	text = string(d.Kind) + ": " + string(d.Cause)
	if d.Reason != "" && d.Reason != string(d.Cause) {
		text = string(d.Kind) + ": " + d.Reason
	}
	return text
}

func full(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clock is a time of day, with the day where it is another one.
func clock(t, day time.Time) string {
	t, day = t.UTC(), day.UTC()
	if y, m, d := t.Date(); !day.IsZero() {
		if y2, m2, d2 := day.Date(); y == y2 && m == m2 && d == d2 {
			return t.Format("15:04:05")
		}
	}
	return t.Format("2006-01-02 15:04:05")
}

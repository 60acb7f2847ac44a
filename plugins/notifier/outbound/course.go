package outbound

import (
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// Measured tells whether an alert has a value: those that others raise have none.
func Measured(a *notifier.Alert) bool {
	return len(a.Recent) > 0 || a.Value != 0 || a.FireValue != 0 || a.Peak != 0
}

// Course says in a few words how the value of an alert went: "0.31 (0.08 when it fired, peak 0.42) ▁▃█▆". What is the same
// is said once. It is "" for an alert without a value.
func Course(a *notifier.Alert) string {
	if !Measured(a) {
		return ""
	}
	var course strings.Builder
	course.WriteString(Value(a.Value))
	var more []string
	if a.FireValue != a.Value && a.FireValue != 0 {
		more = append(more, Value(a.FireValue)+" when it fired")
	}
	if a.Peak != a.Value && a.Peak != a.FireValue {
		more = append(more, "peak "+Value(a.Peak))
	}
	if len(more) > 0 {
		course.WriteString(" (" + strings.Join(more, ", ") + ")")
	}
	if line := Sparkline(a.Recent); line != "" {
		course.WriteString(" " + line)
	}
	return course.String()
}

// Sparkline draws values as blocks between the least and the most of them; "" for fewer than two, of which there is
// nothing to see.
func Sparkline(values []float64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	if len(values) < 2 {
		return ""
	}
	least, most := values[0], values[0]
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	all := []rune(blocks)
	var line strings.Builder
	for _, v := range values {
		at := 0
		if scale := most/2 - least/2; scale > 0 { // halved: the difference of two finite numbers may not be
			at = int((v/2 - least/2) / scale * float64(len(all)-1))
		}
		line.WriteRune(all[max(min(at, len(all)-1), 0)])
	}
	return line.String()
}

// Duration is for how long an alert fired, rounded for people; "" while it does, or where that is not known.
func Duration(a *notifier.Alert) string {
	if a.StartsAt.IsZero() || !a.EndsAt.After(a.StartsAt) {
		return ""
	}
	text := a.EndsAt.Sub(a.StartsAt).Round(time.Second).String() // 38m0s
	if whole, minutes := strings.CutSuffix(text, "m0s"); minutes {
		return whole + "m"
	}
	return text
}

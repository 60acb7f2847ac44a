package route

import (
	"cmp"
	"slices"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Standing is where an alert that fires stands: who should know of it, and what withholds it.
type Standing struct {
	Alert       alert.Alert
	Receivers   []string // references, sorted
	SilencedBy  []string // IDs of silences, sorted
	InhibitedBy *alert.Alert
	MutedBy     []string // schedules, where they mute every route that takes the alert
}

// Explain tells for each alert that fires, and is nobody's shadow, how [Desired] decides. Ordered by fingerprint.
func Explain(in Input) []Standing {
	var order []int32
	for i := range in.Alerts {
		if a := &in.Alerts[i]; a.State == alert.Firing && !a.Shadow {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(in.Alerts[a].Fingerprint, in.Alerts[b].Fingerprint) })
	tree, gates := compile(in.Root, nil), newGates(in, order)
	all := make([]Standing, len(order))
	for n, i := range order {
		a := &in.Alerts[i]
		s := Standing{Alert: *a, InhibitedBy: gates.inhibitedBy[a.Fingerprint], SilencedBy: gates.silencedBy(a)}
		everywhere := true
		for _, b := range tree.match(a.Labels, nil) {
			s.Receivers = append(s.Receivers, b.receivers...)
			if name := b.muteName(in); name != "" {
				s.MutedBy = append(s.MutedBy, name)
			} else {
				everywhere = false
			}
		}
		if !everywhere {
			s.MutedBy = nil
		}
		slices.Sort(s.Receivers)
		s.Receivers = slices.Compact(s.Receivers)
		slices.Sort(s.MutedBy)
		s.MutedBy = slices.Compact(s.MutedBy)
		all[n] = s
	}
	return all
}

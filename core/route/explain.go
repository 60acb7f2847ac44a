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
	r := New(in)
	var all []Standing
	for fp, e := range r.entries {
		if e.alert.State != alert.Firing || e.alert.Shadow {
			continue
		}
		s := Standing{Alert: *e.alert, InhibitedBy: r.inhibitedBy(fp), SilencedBy: e.silences}
		everywhere := true
		for _, b := range e.branches {
			for _, l := range b.lanes {
				s.Receivers = append(s.Receivers, l.receiver)
			}
			if b.mute != "" {
				s.MutedBy = append(s.MutedBy, b.mute)
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
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Standing) int { return cmp.Compare(a.Alert.Fingerprint, b.Alert.Fingerprint) })
	return all
}

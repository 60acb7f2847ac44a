package route

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Silence withholds the opening of the alerts that it matches, from StartsAt until EndsAt.
type Silence struct {
	ID       string // its identity or, where it comes from the configuration, its name
	Matchers []*labels.Matcher
	StartsAt time.Time // zero: from the start
	EndsAt   time.Time

	// UntilResolved says that it may end before. That is not looked at here: it is left out of the input then.
	UntilResolved bool
}

// active tells whether the silence withholds anything at that time.
func (s *Silence) active(at time.Time) bool { return !at.Before(s.StartsAt) && at.Before(s.EndsAt) }

// silencer finds the silences that match an alert, among those that are active.
type silencer struct {
	index *index
	ids   []string // by position in the index
	found []int    // scratch
}

func newSilencer(in *Input) silencer {
	var s silencer
	var sets [][]*labels.Matcher
	for i := range in.Silences {
		if silence := &in.Silences[i]; silence.active(in.Now) {
			sets, s.ids = append(sets, silence.Matchers), append(s.ids, silence.ID)
		}
	}
	s.index = newIndex(sets)
	return s
}

// find lists the silences that match labels, sorted; nil for none.
func (s *silencer) find(ls frame.Labels) []string {
	if len(s.ids) == 0 {
		return nil
	}
	s.found = s.index.find(ls, s.found[:0])
	if len(s.found) == 0 {
		return nil
	}
	ids := make([]string, len(s.found))
	for i, at := range s.found {
		ids[i] = s.ids[at]
	}
	slices.Sort(ids)
	return ids
}

// held tells what withholds the opening of an alert whatever the route.
func (r *Router) held(e *entry) alert.Hold {
	if e.alert.Shadow {
		return alert.Hold{Cause: alert.CauseShadow}
	}
	if by := r.inhibitedBy(e.alert.Fingerprint); by != nil {
		return alert.Hold{Cause: alert.CauseInhibited, By: by.Name() + by.Identity.String()}
	}
	if len(e.silences) > 0 {
		return alert.Hold{Cause: alert.CauseSilenced, By: strings.Join(e.silences, ", ")}
	}
	if k, acked := r.acks[e.alert.Fingerprint]; acked && k.Over(e.alert, r.now) == "" {
		return alert.Hold{Cause: alert.CauseAcknowledged, By: k.Owner}
	}
	return alert.Hold{}
}

// inhibitedBy is the alert that inhibits another, nil for none.
func (r *Router) inhibitedBy(fp alert.Fingerprint) *alert.Alert {
	if source, inhibited := r.inhibitor.source(fp); inhibited {
		return r.entries[source].alert
	}
	return nil
}

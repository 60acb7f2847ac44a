package route

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Silence withholds the opening of the alerts that it matches, from StartsAt until EndsAt.
type Silence struct {
	ID       string // its identity or, where it comes from the configuration, its name
	Matchers []*labels.Matcher
	StartsAt time.Time
	EndsAt   time.Time
}

// Inhibition withholds the opening of target alerts while a source alert fires that has the same values in the labels
// Equal. A label that is absent on either side never counts as equal, and no alert inhibits itself.
type Inhibition struct {
	Name   string
	Source []*labels.Matcher
	Target []*labels.Matcher
	Equal  []string
}

// Schedule is a calendar of recurring times.
type Schedule interface {
	Active(at time.Time) bool
}

// gates decides what is withheld whatever the route.
type gates struct {
	in      Input
	sources [][]*alert.Alert // firing alerts that match the source of the inhibition with the same index
}

func newGates(in Input, order []int32) *gates {
	g := &gates{in: in, sources: make([][]*alert.Alert, len(in.Inhibitions))}
	for n, inhibition := range in.Inhibitions {
		for _, i := range order {
			if a := &in.Alerts[i]; a.State == alert.Firing && matches(inhibition.Source, a.Labels) {
				g.sources[n] = append(g.sources[n], a)
			}
		}
	}
	return g
}

// held tells why the opening of an alert is withheld, "" when it is not.
func (g *gates) held(a *alert.Alert) string {
	for n, inhibition := range g.in.Inhibitions {
		if !matches(inhibition.Target, a.Labels) {
			continue
		}
		for _, source := range g.sources[n] {
			if source.Fingerprint != a.Fingerprint && inhibition.equal(source, a) {
				return "inhibited by " + source.Name() + source.Identity.String()
			}
		}
	}
	var silences []string
	for _, s := range g.in.Silences {
		if !g.in.Now.Before(s.StartsAt) && g.in.Now.Before(s.EndsAt) && matches(s.Matchers, a.Labels) {
			silences = append(silences, s.ID)
		}
	}
	if len(silences) == 0 {
		return ""
	}
	slices.Sort(silences)
	return "silenced by " + strings.Join(silences, ", ")
}

func (i *Inhibition) equal(source, target *alert.Alert) bool {
	for _, name := range i.Equal {
		value := source.Labels.Get(name)
		if value == "" || value != target.Labels.Get(name) {
			return false
		}
	}
	return true
}

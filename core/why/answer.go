package why

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Answer is what the lines say about all instances in them.
func (t *Teller) Answer(at time.Time) Answer {
	a := Answer{At: at, Since: t.since, Lost: t.lost, Instances: []Instance{}}
	for _, in := range t.instances {
		a.Instances = append(a.Instances, in.told())
	}
	slices.SortFunc(a.Instances, func(x, y Instance) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), x.Labels.Compare(y.Labels), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return a
}

// told is the finished story of an instance.
func (in *instance) told() Instance {
	story := in.Instance
	story.Incidents = []Incident{}
	for _, i := range in.incidents {
		one := i.Incident
		one.Outcomes = []Outcome{}
		for _, o := range i.outcomes {
			one.Outcomes = append(one.Outcomes, o.Outcome)
		}
		slices.SortFunc(one.Outcomes, func(x, y Outcome) int {
			return cmp.Or(cmp.Compare(x.Receiver, y.Receiver), cmp.Compare(x.Group, y.Group))
		})
		story.Incidents = append(story.Incidents, one)
	}
	return story
}

// maxExamples bounds the instances that a summary names.
const maxExamples = 20

// Summary counts what the lines say. An incident that fired, and of which no receiver is known, counts as unknown.
func (t *Teller) Summary() Summary {
	s := Summary{Since: t.since, Lost: t.lost, Unknown: t.nameless, Outcomes: map[Verdict]map[alert.Cause]int{}}
	count := func(v Verdict, c alert.Cause) {
		if s.Outcomes[v] == nil {
			s.Outcomes[v] = map[alert.Cause]int{}
		}
		s.Outcomes[v][c]++
	}
	for _, fp := range slices.Sorted(maps.Keys(t.instances)) {
		in := t.instances[fp]
		s.Instances++
		unknown := 0
		for _, i := range in.incidents {
			s.Incidents++
			switch {
			case len(i.outcomes) > 0:
			case i.Fired.IsZero():
				count(Spared, i.Cause) // it did not hold for long enough, or does not yet
			default:
				unknown++
				count(Unknown, "")
			}
			for _, o := range i.outcomes {
				count(o.Verdict, o.Cause)
				if o.Verdict == Unknown || o.Cause == "" {
					unknown++
				}
			}
		}
		if s.Unknown += unknown; unknown > 0 && len(s.Examples) < maxExamples {
			s.Examples = append(s.Examples, fp)
		}
	}
	return s
}

package why

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Past is how often an alert fired, and was told of.
type Past struct {
	Name        string            `json:"name"`
	Fingerprint alert.Fingerprint `json:"fingerprint"`
	Labels      frame.Labels      `json:"labels"`
	Fired       int               `json:"fired"`     // incidents
	Told        int               `json:"told"`      // of these, that somebody was told of
	Receivers   []string          `json:"receivers"` // who was, sorted
	Last        time.Time         `json:"last"`      // when it last fired
}

// Past counts the incidents that fired since a time, of the alerts whose labels match: those first that most was told of.
func (t *Teller) Past(since time.Time, match func(frame.Labels) bool) []Past {
	all := []Past{}
	for fp, in := range t.instances {
		if in.Labels == nil || !match(in.Labels) {
			continue
		}
		p := Past{Name: in.Name, Fingerprint: fp, Labels: in.Labels, Receivers: []string{}}
		for _, i := range in.incidents {
			if !i.Fired.IsZero() && !i.Fired.Before(since) {
				p.add(i)
			}
		}
		if p.Fired == 0 {
			continue
		}
		slices.Sort(p.Receivers)
		p.Receivers = slices.Compact(p.Receivers)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Past) int {
		return cmp.Or(cmp.Compare(b.Told, a.Told), cmp.Compare(b.Fired, a.Fired), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return all
}

func (p *Past) add(i *incident) {
	p.Fired++
	if i.Fired.After(p.Last) {
		p.Last = i.Fired
	}
	before := len(p.Receivers)
	for _, o := range i.outcomes {
		if o.Verdict == Told {
			p.Receivers = append(p.Receivers, o.Receiver)
		}
	}
	if len(p.Receivers) > before {
		p.Told++
	}
}

// Since is the time of the oldest line: what happened earlier is forgotten. Zero where there is none.
func (t *Teller) Since() time.Time { return t.since }

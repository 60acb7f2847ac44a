package scrape

import (
	"maps"
	"net/url"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// Labels that say where a target is, with Prometheus' names and meanings. Relabelling may read and set them; labels
// whose names begin with __ are gone afterwards.
const (
	addressLabel = "__address__"
	schemeLabel  = "__scheme__"
	pathLabel    = "__metrics_path__"
	paramPrefix  = "__param_"
	reserved     = "__"
)

// Dropped is a target that nobody collects from, and why.
type Dropped struct {
	Source string
	Labels frame.Labels // before relabelling
	Reason string
}

// byRelabelling is the reason of a target that was not wanted.
const byRelabelling = "dropped by relabelling"

// resolved is a target after relabelling.
type resolved struct {
	id         string       // stable: of what was configured or found, not of what relabelling made of it
	address    string       // what the source is asked for
	labels     frame.Labels // of all its series
	discovered frame.Labels
}

// resolve works out the targets of a source: each found address with its labels, relabelled. Of two that are the same
// in the end, the first counts.
func (s *Source) resolve(groups []source.Group) (targets []resolved, dropped []Dropped) {
	relabel := newRelabeller(s.Relabel)
	drop := func(discovered frame.Labels, reason string) {
		dropped = append(dropped, Dropped{Source: s.Name, Labels: discovered, Reason: reason})
	}
	ids, places := map[string]bool{}, map[string]bool{}
	for _, g := range groups {
		for _, found := range g.Targets {
			address := found.Address
			discovered := s.discovered(address, g.Labels, found.Labels)
			after, kept := discovered, true
			if len(s.Relabel) > 0 {
				after, kept = relabel.apply(discovered)
			}
			t := resolved{id: s.Name + "/" + address, address: after.Get(addressLabel), discovered: discovered}
			switch {
			case !kept:
				drop(discovered, byRelabelling)
				continue
			case t.address == "":
				drop(discovered, "relabelling left no "+addressLabel)
				continue
			case s.Limits.Targets > 0 && len(targets) >= s.Limits.Targets:
				drop(discovered, "over target_limit")
				continue
			}
			t.address = compose(t.address, after)
			if plain := s.discovered(address); t.address == compose(plain.Get(addressLabel), plain) {
				t.address = address // written as it was configured
			}
			t.labels = seriesLabels(after, t.address)
			place := t.address + t.labels.String()
			if places[place] {
				drop(discovered, "the same as another target")
				continue
			}
			if ids[t.id] { // one address under several label sets
				t.id += discovered.String()
			}
			places[place], ids[t.id] = true, true
			targets = append(targets, t)
		}
	}
	return targets, dropped
}

// discovered are the labels of a target before relabelling. The last of several label sets wins.
func (s *Source) discovered(address string, sets ...map[string]string) frame.Labels {
	set := map[string]string{jobLabel: s.Job, addressLabel: address}
	if u, err := url.Parse(address); err == nil && u.Host != "" && u.User == nil && (u.Scheme == "http" || u.Scheme == "https") {
		set[addressLabel], set[schemeLabel] = u.Host, u.Scheme
		if u.Path != "" {
			set[pathLabel] = u.Path
		}
		for name, values := range u.Query() {
			set[paramPrefix+name] = values[0]
		}
	}
	maps.Copy(set, s.Labels)
	for _, more := range sets {
		maps.Copy(set, more)
	}
	return frame.FromMap(set)
}

// compose is the address with what the labels say about scheme, path and parameters, as a URL. Without a scheme it is
// one of the form //host/path, whose scheme the source knows.
func compose(address string, ls frame.Labels) string {
	u := url.URL{Scheme: ls.Get(schemeLabel), Host: address, Path: ls.Get(pathLabel)}
	query := url.Values{}
	for _, l := range ls {
		if name, ok := strings.CutPrefix(l.Name, paramPrefix); ok {
			query.Set(name, l.Value)
		}
	}
	u.RawQuery = query.Encode()
	if u.Scheme == "" && u.Path == "" && u.RawQuery == "" || strings.Contains(address, "://") || strings.HasPrefix(address, "unix:") {
		return address
	}
	return u.String()
}

// seriesLabels are the labels that all series of a target carry.
func seriesLabels(ls frame.Labels, address string) frame.Labels {
	var kept frame.Labels
	for _, l := range ls {
		if !strings.HasPrefix(l.Name, reserved) {
			kept = append(kept, l)
		}
	}
	if kept.Get(instanceLabel) == "" {
		kept = kept.With(frame.Label{Name: instanceLabel, Value: Instance(address)})
	}
	return kept
}

package scrape

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Labels that the engine sets on all series of a target.
const (
	jobLabel      = "job"
	instanceLabel = "instance"
	exported      = "exported_" // goes before a page's label of the same name, as in Prometheus
)

// Instance is the label of that name of a target: host:port of an http or https URL, with the scheme's port if none is written. Any other address stays as
// it is configured, as in Prometheus since version 3: only its source knows what it means.
func Instance(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	if u.Port() != "" {
		return u.Host
	}
	switch u.Scheme {
	case "": // //host/path, whose scheme the source knows
		return u.Host
	case "http":
		return net.JoinHostPort(u.Hostname(), "80")
	case "https":
		return net.JoinHostPort(u.Hostname(), "443")
	default:
		return address
	}
}

// attach appends to arena the labels of a series with those of its target, sorted, and returns the longer arena. A
// label of the page that the target has too goes on as exported_NAME or, where the page is honoured, wins.
func attach(arena []frame.Label, page, target frame.Labels, honor bool) []frame.Label {
	start := len(arena)
	i, k := 0, 0
	var clash []frame.Label
	for i < len(page) || k < len(target) {
		switch {
		case k == len(target) || i < len(page) && page[i].Name < target[k].Name:
			arena = append(arena, page[i])
			i++
		case i == len(page) || target[k].Name < page[i].Name:
			arena = append(arena, target[k])
			k++
		case honor:
			arena = append(arena, page[i])
			i, k = i+1, k+1
		default:
			arena = append(arena, target[k])
			clash = append(clash, page[i])
			i, k = i+1, k+1
		}
	}
	if clash == nil {
		return arena
	}
	// Shorter names first, so that the outcome does not depend on how the names sort.
	slices.SortStableFunc(clash, func(a, b frame.Label) int { return len(a.Name) - len(b.Name) })
	for _, l := range clash {
		name := exported + l.Name
		for slices.ContainsFunc(arena[start:], func(other frame.Label) bool { return other.Name == name }) {
			name = exported + name
		}
		arena = append(arena, frame.Label{Name: name, Value: l.Value})
	}
	slices.SortFunc(arena[start:], func(a, b frame.Label) int { return strings.Compare(a.Name, b.Name) })
	return arena
}

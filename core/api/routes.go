package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Route is a node of the route tree as it runs, with everything inherited filled in.
type Route struct {
	Matchers       []string  `json:"matchers"` // all must hold; the root has none
	Receivers      []string  `json:"receivers"`
	GroupBy        []string  `json:"groupBy"`
	GroupWait      string    `json:"groupWait"` // "30s"
	GroupInterval  string    `json:"groupInterval"`
	RepeatInterval string    `json:"repeatInterval"`
	Continue       bool      `json:"continue,omitempty"`
	Mute           []string  `json:"mute,omitempty"`
	Fallback       *Fallback `json:"fallback,omitempty"`
	Routes         []Route   `json:"routes,omitempty"`
}

// Fallback is who hears of what the receivers of a route did not accept in time.
type Fallback struct {
	After string   `json:"after"`
	To    []string `json:"to"`
}

// Routed is who would hear of an alert with these labels if it fired now.
type Routed struct {
	Labels    frame.Labels  `json:"labels"`
	Receivers []string      `json:"receivers"` // sorted; those that would not be told at present included
	Groups    []RoutedGroup `json:"groups"`    // one for each receiver and group
}

// RoutedGroup is the group that an alert would be in at a receiver.
type RoutedGroup struct {
	Receiver       string       `json:"receiver"`
	Group          string       `json:"group"` // the key: the matchers on the way down, and the labels of the group
	GroupLabels    frame.Labels `json:"groupLabels"`
	GroupWait      string       `json:"groupWait"`
	GroupInterval  string       `json:"groupInterval"`
	RepeatInterval string       `json:"repeatInterval"`
	Withheld       string       `json:"withheld,omitempty"` // why it would not be told at present: "silenced by 0b1c…"
}

func (t *Tocsin) routes(w http.ResponseWriter, _ *http.Request) { answer(w, t.Routes()) }

// testRoute reads label=NAME="VALUE", as often as wanted.
func (t *Tocsin) testRoute(w http.ResponseWriter, r *http.Request) {
	ls, err := ParseLabels(r.URL.Query()["label"])
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	answer(w, t.TestRoute(ls))
}

// ParseLabels reads labels that are written as matchers are: NAME=VALUE, with quotes where they need them.
func ParseLabels(texts []string) (frame.Labels, error) {
	matchers, err := ParseMatchers(texts)
	if err != nil {
		return nil, err
	}
	set := map[string]string{}
	for _, m := range matchers {
		if m.Type != labels.MatchEqual {
			return nil, fmt.Errorf("%s is no label: write NAME=VALUE", m)
		}
		if before, twice := set[m.Name]; twice && before != m.Value {
			return nil, fmt.Errorf("the label %s is given twice", m.Name)
		}
		set[m.Name] = m.Value
	}
	if len(set) == 0 {
		return nil, errors.New("give at least one label: NAME=VALUE")
	}
	return frame.FromMap(set), nil
}

package api

import (
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Alertmanager is what its API, version 2, shows and changes. All funcs are called concurrently.
type Alertmanager struct {
	Post     func([]Posted) error // takes what is valid; the error says what is not. See [ErrStorage]
	Alerts   func() []Alert       // that fire
	Groups   func() []Group
	Silences Silences

	Receivers func() []string // references: "pagerduty.oncall"
	Config    func() string   // the routes as Alertmanager's YAML, for amtool
	Version   string          // of Alertmanager's API that is spoken, as a release of it: 0.34.0
	Revision  string          // of the engine
	Started   time.Time
}

// ErrStorage is wrapped by errors of Post and Silences that are the engine's, not the caller's.
var ErrStorage = errors.New("not durable")

// Posted is an alert that somebody raises. Zero times were left out.
type Posted struct {
	Labels       frame.Labels
	Annotations  map[string]string
	StartsAt     time.Time
	EndsAt       time.Time
	GeneratorURL string
}

// Alert is an alert that fires, with what the routes make of it.
type Alert struct {
	alert.Alert
	Receivers   []string // references
	SilencedBy  []string // IDs or names of silences
	InhibitedBy []string // fingerprints
	MutedBy     []string // names of schedules
	Routed      bool     // the routes were computed since it fired
}

// suppressed tells that somebody should know of the alert and is not told.
func (a *Alert) suppressed() bool {
	return len(a.SilencedBy)+len(a.InhibitedBy)+len(a.MutedBy) > 0
}

// Group is what one receiver should know together.
type Group struct {
	Receiver string // a reference
	Labels   frame.Labels
	Alerts   []Alert
}

// Silences are changed and shown, a [silence.Store] that also has routes computed again.
type Silences interface {
	All() []silence.Silence
	Get(id string) (silence.Silence, bool)
	Set(s silence.Silence, now time.Time) (id string, err error)
	Expire(id string, now time.Time) error
}

func (am *Alertmanager) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v2/status", am.status)
	mux.HandleFunc("GET /api/v2/receivers", am.receivers)
	mux.HandleFunc("GET /api/v2/alerts", am.alerts)
	mux.HandleFunc("POST /api/v2/alerts", am.post)
	mux.HandleFunc("GET /api/v2/alerts/groups", am.groups)
	mux.HandleFunc("GET /api/v2/silences", am.silences)
	mux.HandleFunc("POST /api/v2/silences", am.setSilence)
	mux.HandleFunc("GET /api/v2/silence/{id}", am.silence)
	mux.HandleFunc("DELETE /api/v2/silence/{id}", am.expireSilence)
	mux.HandleFunc("POST /api/v1/alerts", am.postLegacy)
}

type receiverJSON struct {
	Name string `json:"name"`
}

// status tells that there is no cluster, which amtool and Grafana take as it is.
func (am *Alertmanager) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{
		"cluster": map[string]any{"status": "disabled"},
		"config":  map[string]string{"original": am.Config()},
		"uptime":  stamp(am.Started),
		"versionInfo": map[string]string{
			"version": am.Version, "revision": am.Revision, "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
		},
	})
}

func (am *Alertmanager) receivers(w http.ResponseWriter, r *http.Request) {
	if _, err := ParseMatchers(r.URL.Query()["receiver_matchers"]); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	list := []receiverJSON{}
	for _, ref := range am.Receivers() {
		list = append(list, receiverJSON{ref})
	}
	answer(w, list)
}

type alertJSON struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Receivers    []receiverJSON    `json:"receivers"`
	Fingerprint  string            `json:"fingerprint"`
	StartsAt     string            `json:"startsAt"`
	UpdatedAt    string            `json:"updatedAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Status       alertStatusJSON   `json:"status"`
}

type alertStatusJSON struct {
	State       string   `json:"state"` // unprocessed, active or suppressed
	SilencedBy  []string `json:"silencedBy"`
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
}

// shownFor is the end that an alert of a rule is given: it has none, and the API wants one.
const shownFor = 5 * time.Minute

func (a *Alert) json(now time.Time) alertJSON {
	began, ends := a.FiredAt, a.ExpiresAt
	if began.IsZero() {
		began = a.ActiveAt
	}
	if ends.IsZero() {
		ends = now.Add(shownFor)
	}
	j := alertJSON{
		Labels: a.Labels.Map(), Annotations: a.Annotations, Receivers: []receiverJSON{}, Fingerprint: a.Fingerprint.String(),
		StartsAt: stamp(began), UpdatedAt: stamp(now), EndsAt: stamp(ends), GeneratorURL: a.GeneratorURL,
		Status: alertStatusJSON{State: a.state(), SilencedBy: list(a.SilencedBy), InhibitedBy: list(a.InhibitedBy), MutedBy: list(a.MutedBy)},
	}
	if j.Annotations == nil {
		j.Annotations = map[string]string{}
	}
	for _, ref := range a.Receivers {
		j.Receivers = append(j.Receivers, receiverJSON{ref})
	}
	return j
}

func (a *Alert) state() string {
	switch {
	case !a.Routed:
		return "unprocessed"
	case a.suppressed():
		return "suppressed"
	}
	return "active"
}

// list is [] for nil: clients made from the specification refuse null.
func list(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}

func (am *Alertmanager) alerts(w http.ResponseWriter, r *http.Request) {
	f, err := parseAlertFilter(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	now := time.Now()
	shown := []alertJSON{}
	for _, a := range am.Alerts() {
		if f.shows(&a) && f.receives(a.Receivers) {
			shown = append(shown, a.json(now))
		}
	}
	slices.SortFunc(shown, func(a, b alertJSON) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	answer(w, shown)
}

type groupJSON struct {
	Labels      map[string]string `json:"labels"`
	RouteLabels map[string]string `json:"routeLabels"`
	Receiver    receiverJSON      `json:"receiver"`
	Alerts      []alertJSON       `json:"alerts"`
}

func (am *Alertmanager) groups(w http.ResponseWriter, r *http.Request) {
	f, err := parseAlertFilter(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	now := time.Now()
	shown := []groupJSON{}
	for _, g := range am.Groups() {
		if !f.receives([]string{g.Receiver}) {
			continue
		}
		group := groupJSON{Labels: g.Labels.Map(), RouteLabels: map[string]string{}, Receiver: receiverJSON{g.Receiver}, Alerts: []alertJSON{}}
		for _, a := range g.Alerts {
			if f.shows(&a) {
				group.Alerts = append(group.Alerts, a.json(now))
			}
		}
		if len(group.Alerts) > 0 {
			shown = append(shown, group)
		}
	}
	answer(w, shown)
}

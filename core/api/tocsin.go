package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Tocsin is what only this engine has, below /api/tocsin/v1. All funcs are called concurrently.
type Tocsin struct {
	Why     func(Question) (why.Answer, error)
	Summary func() (why.Summary, error)
	Acks    Acks

	Receivers func() []Receiver // ordered by reference
	Routes    func() Route      // the root
	TestRoute func(frame.Labels) Routed
	Drills    Drills

	Preview func(silence []*labels.Matcher, past time.Duration) (Preview, error) // a past of 0: of now only
}

// Question says which alerts are asked about: one by its fingerprint, or all of a name whose labels match.
type Question struct {
	Fingerprint alert.Fingerprint
	Name        string // of the alert or of its rule; "": any
	Matchers    []*labels.Matcher
	At          time.Time // what happened later is left out; zero: now
	Limit       int       // instances, the ones with the newest lines; 0: [DefaultInstances]
}

// How many instances are told of at once.
const (
	DefaultInstances = 20
	mostInstances    = 1000
)

func (t *Tocsin) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/tocsin/v1/why", t.why)
	mux.HandleFunc("GET /api/tocsin/v1/why/summary", t.summary)
	mux.HandleFunc("GET /api/tocsin/v1/receivers", t.receivers)
	mux.HandleFunc("GET /api/tocsin/v1/routes", t.routes)
	mux.HandleFunc("GET /api/tocsin/v1/routes/test", t.testRoute)
	mux.HandleFunc("POST /api/tocsin/v1/drills", t.beginDrill)
	mux.HandleFunc("GET /api/tocsin/v1/drills", func(w http.ResponseWriter, _ *http.Request) { answer(w, t.Drills.All()) })
	mux.HandleFunc("GET /api/tocsin/v1/drills/{id}", t.drill)
	t.Acks.register(mux)
	mux.HandleFunc("GET /api/tocsin/v1/silences/preview", t.preview)
}

// why answers with a [why.Answer], also where nothing matches.
func (t *Tocsin) why(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuestion(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	found, err := t.Why(q)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	answer(w, found)
}

func (t *Tocsin) summary(w http.ResponseWriter, _ *http.Request) {
	s, err := t.Summary()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	answer(w, s)
}

// parseQuestion reads alert (a fingerprint, NAME or NAME{label="value"}), filter (matchers, as often as wanted), at and
// limit.
func parseQuestion(r *http.Request) (q Question, err error) {
	query := r.URL.Query()
	if q, err = ParseAlert(query.Get("alert")); err != nil {
		return q, err
	}
	more, err := ParseMatchers(query["filter"])
	if err != nil {
		return q, err
	}
	q.Matchers = append(q.Matchers, more...)
	if q.Fingerprint == 0 && q.Name == "" && len(q.Matchers) == 0 {
		return q, fmt.Errorf(`which alert? Ask with alert=NAME, alert=NAME{label="value"}, alert=FINGERPRINT or filter=label="value"`)
	}
	if at := query.Get("at"); at != "" {
		if q.At, err = parseTime(at); err != nil {
			return q, err
		}
	}
	q.Limit = DefaultInstances
	if limit := query.Get("limit"); limit != "" {
		if q.Limit, err = strconv.Atoi(limit); err != nil || q.Limit < 1 || q.Limit > mostInstances {
			return q, fmt.Errorf("limit is %q, it must be a number from 1 to %d", limit, mostInstances)
		}
	}
	return q, nil
}

// ParseAlert reads how people name alerts: a fingerprint, NAME, NAME{label="value", …} or {label="value", …}.
func ParseAlert(text string) (q Question, err error) {
	if fp, err := alert.ParseFingerprint(text); err == nil {
		q.Fingerprint = fp
		return q, nil
	}
	q.Name = text
	for at, c := range text {
		if c != '{' || text[len(text)-1] != '}' {
			continue
		}
		matchers, err := ParseMatchers([]string{text[at:]})
		if err != nil {
			return q, fmt.Errorf("read alert %q: %w", text, err)
		}
		q.Name, q.Matchers = text[:at], matchers
		break
	}
	return q, nil
}

// parseTime reads a time in RFC 3339 or in seconds since 1970.
func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || seconds < 0 || seconds > 1<<34 {
		return time.Time{}, fmt.Errorf("%q is not a time: give one such as 2026-12-01T06:00:00Z, or seconds since 1970", text)
	}
	return time.UnixMilli(int64(seconds * 1000)), nil
}

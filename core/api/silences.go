package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/silence"
)

type silenceJSON struct {
	ID          string             `json:"id,omitempty"`
	Status      *silenceStatusJSON `json:"status,omitempty"`
	UpdatedAt   string             `json:"updatedAt,omitempty"`
	Comment     string             `json:"comment"`
	CreatedBy   string             `json:"createdBy"`
	StartsAt    time.Time          `json:"startsAt"`
	EndsAt      time.Time          `json:"endsAt"`
	Matchers    []matcherJSON      `json:"matchers"`
	Annotations map[string]string  `json:"annotations"`

	UntilResolved bool `json:"untilResolved,omitempty"` // what Alertmanager does not have: it ends with what it hides
}

type silenceStatusJSON struct {
	State silence.State `json:"state"`
}

type matcherJSON struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual"` // absent: true
}

func (m matcherJSON) matcher() (*labels.Matcher, error) {
	equal := m.IsEqual == nil || *m.IsEqual
	kind := labels.MatchEqual
	switch {
	case m.IsRegex && equal:
		kind = labels.MatchRegexp
	case m.IsRegex:
		kind = labels.MatchNotRegexp
	case !equal:
		kind = labels.MatchNotEqual
	}
	if m.Name == "" {
		return nil, errors.New("a matcher needs a label name")
	}
	matcher, err := labels.NewMatcher(kind, m.Name, m.Value)
	if err != nil {
		return nil, fmt.Errorf("matcher of label %s: %w", m.Name, err)
	}
	return matcher, nil
}

func silenceToJSON(s *silence.Silence, now time.Time) silenceJSON {
	j := silenceJSON{
		ID: s.ID, Status: &silenceStatusJSON{s.At(now)}, UpdatedAt: stamp(s.UpdatedAt), Comment: s.Comment, CreatedBy: s.CreatedBy,
		StartsAt: s.StartsAt.UTC(), EndsAt: s.EndsAt.UTC(), Matchers: []matcherJSON{}, Annotations: s.Annotations, UntilResolved: s.UntilResolved,
	}
	for _, m := range s.Matchers {
		equal := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		j.Matchers = append(j.Matchers, matcherJSON{
			Name: m.Name, Value: m.Value, IsRegex: m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp, IsEqual: &equal,
		})
	}
	if j.Annotations == nil {
		j.Annotations = map[string]string{}
	}
	return j
}

// silenceFilter says which silences are asked for.
type silenceFilter struct {
	matchers                 []*labels.Matcher
	active, expired, pending bool
}

func parseSilenceFilter(query url.Values) (f silenceFilter, err error) {
	if f.matchers, err = ParseMatchers(query["filter"]); err != nil {
		return f, err
	}
	for name, flag := range map[string]*bool{"active": &f.active, "expired": &f.expired, "pending": &f.pending} {
		if *flag, err = boolean(query, name); err != nil {
			return f, err
		}
	}
	return f, nil
}

// shows tells whether a silence has each matcher that is asked for, as Alertmanager compares them: by what the
// silence's matcher of that label says.
func (f *silenceFilter) shows(s *silence.Silence, now time.Time) bool {
	switch s.At(now) {
	case silence.Active:
		if !f.active {
			return false
		}
	case silence.Pending:
		if !f.pending {
			return false
		}
	default:
		if !f.expired {
			return false
		}
	}
	return !slices.ContainsFunc(f.matchers, func(wanted *labels.Matcher) bool {
		value := ""
		for _, m := range s.Matchers {
			if m.Name == wanted.Name {
				value = m.Value
				if m.Type == wanted.Type && m.Value == wanted.Value {
					return false
				}
			}
		}
		return !wanted.Matches(value)
	})
}

func (am *Alertmanager) silences(w http.ResponseWriter, r *http.Request) {
	f, err := parseSilenceFilter(r.URL.Query())
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	now := time.Now()
	shown := []silenceJSON{}
	for _, s := range am.Silences.All() {
		if f.shows(&s, now) {
			shown = append(shown, silenceToJSON(&s, now))
		}
	}
	order := []silence.State{silence.Active, silence.Pending, silence.Expired}
	slices.SortStableFunc(shown, func(a, b silenceJSON) int {
		return slices.Index(order, a.Status.State) - slices.Index(order, b.Status.State)
	})
	answer(w, shown)
}

func (am *Alertmanager) setSilence(w http.ResponseWriter, r *http.Request) {
	var body silenceJSON
	if status, err := read(w, r, &body); err != nil {
		refuse(w, status, err)
		return
	}
	wanted := silence.Silence{
		ID: body.ID, StartsAt: body.StartsAt, EndsAt: body.EndsAt, CreatedBy: body.CreatedBy, Comment: body.Comment,
		Annotations: body.Annotations, UntilResolved: body.UntilResolved,
	}
	for _, m := range body.Matchers {
		matcher, err := m.matcher()
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		wanted.Matchers = append(wanted.Matchers, matcher)
	}
	id, err := am.Silences.Set(wanted, time.Now())
	if err != nil {
		refuse(w, silenceFault(err), err)
		return
	}
	answer(w, map[string]string{"silenceID": id})
}

func silenceFault(err error) int {
	switch {
	case errors.Is(err, silence.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, silence.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

func (am *Alertmanager) silence(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if uuid.Validate(id) != nil {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("%q is not the ID of a silence", id))
		return
	}
	s, known := am.Silences.Get(id)
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, silenceToJSON(&s, time.Now()))
}

func (am *Alertmanager) expireSilence(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if uuid.Validate(id) != nil {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("%q is not the ID of a silence", id))
		return
	}
	switch err := am.Silences.Expire(id, time.Now()); {
	case errors.Is(err, silence.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

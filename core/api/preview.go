package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/why"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Preview is what a silence would hide now, and would have hidden.
type Preview struct {
	Hides     int           `json:"hides"`     // alerts that fire now
	Receivers []string      `json:"receivers"` // who would know of these, or knows; sorted
	Alerts    []HiddenAlert `json:"alerts"`    // at most [MostPreviewed] of them, those first that fire longest

	Since time.Time  `json:"since,omitzero"` // of what follows: as asked, or as far as the journal goes back; zero: not asked
	Fired int        `json:"fired"`          // incidents since then, and
	Told  int        `json:"told"`           // those of them that somebody was told of, and would not have been
	Past  []why.Past `json:"past"`           // at most [MostPreviewed] alerts, those first that most was told of
}

// HiddenAlert is an alert that a silence would hide.
type HiddenAlert struct {
	Fingerprint alert.Fingerprint `json:"fingerprint"`
	Labels      frame.Labels      `json:"labels"`
	Since       time.Time         `json:"since"`              // it fires
	Receivers   []string          `json:"receivers"`          //
	Withheld    bool              `json:"withheld,omitempty"` // by something else already
}

// MostPreviewed is how many alerts a preview lists of each kind.
const MostPreviewed = 100

// How far a preview looks back.
const (
	defaultPast = 7 * 24 * time.Hour
	mostPast    = 366 * 24 * time.Hour
)

// preview reads filter (matchers, as often as wanted) and past (a length of time such as 7d, or 0).
func (t *Tocsin) preview(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	matchers, err := ParseMatchers(query["filter"])
	if err == nil && len(matchers) == 0 {
		err = errors.New(`which alerts? Ask with filter=label="value"`)
	}
	past := defaultPast
	if text := query.Get("past"); err == nil && text != "" {
		past, err = parsePast(text)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	found, err := t.Preview(matchers, past)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	answer(w, found)
}

func parsePast(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil || time.Duration(d) > mostPast {
		return 0, fmt.Errorf("past is %q, it must be a length of time such as 7d, at most a year, or 0", text)
	}
	return time.Duration(d), nil
}

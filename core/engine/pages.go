package engine

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/core/api"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/core/ui"
	"github.com/tocsinhq/tocsin/core/why"
)

// pages are those to which the links in messages lead.
func (e *Engine) pages() http.Handler {
	return ui.New(ui.Options{Why: e.story, Silence: e.silenceAsFilledIn})
}

// story writes what became of an alert.
func (e *Engine) story(w io.Writer, about string) error {
	q, err := api.ParseAlert(about)
	if err != nil {
		return err
	}
	if q.Fingerprint == 0 && q.Name == "" && len(q.Matchers) == 0 {
		return errors.New("which alert? Ask with ?alert=FINGERPRINT or ?alert=NAME")
	}
	q.Limit = api.DefaultInstances
	answer, err := e.why(q)
	if err != nil {
		return err
	}
	return why.Write(w, &answer)
}

// silenceAsFilledIn makes a silence that begins now.
func (e *Engine) silenceAsFilledIn(f ui.Form) (string, error) {
	matchers, err := api.ParseMatchers([]string{f.Matchers})
	if err != nil {
		return "", err
	}
	now := time.Now()
	return reroutingSilences{e.silences, e}.Set(silence.Silence{
		Matchers: matchers, StartsAt: now, EndsAt: now.Add(f.Duration), CreatedBy: f.CreatedBy, Comment: f.Comment, UntilResolved: f.UntilResolved,
	}, now)
}

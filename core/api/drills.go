package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/core/drill"
)

// Drills tests routes.
type Drills interface {
	Begin(drill.Request) (drill.Drill, error)
	Get(id string) (drill.Drill, error)
	All() []drill.Drill
}

// DrillRequest is the body of a POST of a drill.
type DrillRequest struct {
	Labels  map[string]string `json:"labels"`            // of the alert
	By      string            `json:"by,omitempty"`      // who wants it
	Timeout string            `json:"timeout,omitempty"` // as 30s; see [drill.Request]
}

// beginDrill answers with the drill as it begins.
func (t *Tocsin) beginDrill(w http.ResponseWriter, r *http.Request) {
	var body DrillRequest
	if status, err := read(w, r, &body); err != nil {
		refuse(w, status, err)
		return
	}
	request := drill.Request{Labels: body.Labels, By: body.By}
	if body.Timeout != "" {
		var err error
		if request.Timeout, err = time.ParseDuration(body.Timeout); err != nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("timeout is %.100q, want a duration such as 30s", body.Timeout))
			return
		}
	}
	begun, err := t.Drills.Begin(request)
	switch {
	case err == nil:
		answer(w, begun)
	case errors.Is(err, drill.ErrBusy):
		refuse(w, http.StatusTooManyRequests, err)
	case errors.Is(err, drill.ErrStopped):
		refuse(w, http.StatusServiceUnavailable, err)
	default:
		refuse(w, http.StatusBadRequest, err)
	}
}

func (t *Tocsin) drill(w http.ResponseWriter, r *http.Request) {
	found, err := t.Drills.Get(r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return
	}
	answer(w, found)
}

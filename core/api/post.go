package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// maxBody is how long a request may be: a Prometheus posts 256 alerts at a time.
const maxBody = 16 << 20

type postedJSON struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
}

// post takes alerts. As in Alertmanager what is valid is taken although something else is not, and then the answer
// is an error all the same.
func (am *Alertmanager) post(w http.ResponseWriter, r *http.Request) {
	if status, err := am.take(w, r); err != nil {
		refuse(w, status, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// postLegacy is the same as older senders know it.
func (am *Alertmanager) postLegacy(w http.ResponseWriter, r *http.Request) {
	status, err := am.take(w, r)
	if err == nil {
		answer(w, map[string]string{"status": "success"})
		return
	}
	kind := "bad_data"
	if status >= http.StatusInternalServerError {
		kind = "server_error"
	}
	write(w, status, map[string]string{"status": "error", "errorType": kind, "error": err.Error()})
}

func (am *Alertmanager) take(w http.ResponseWriter, r *http.Request) (status int, err error) {
	var body []postedJSON
	if status, err := read(w, r, &body); err != nil {
		return status, err
	}
	posted := make([]Posted, len(body))
	for i, p := range body {
		posted[i] = Posted{
			Labels: frame.FromMap(p.Labels), Annotations: present(p.Annotations),
			StartsAt: p.StartsAt, EndsAt: p.EndsAt, GeneratorURL: p.GeneratorURL,
		}
	}
	switch err := am.Post(posted); {
	case err == nil:
		return http.StatusOK, nil
	case errors.Is(err, ErrStorage):
		return http.StatusInternalServerError, fmt.Errorf("take alerts: %w", err)
	default:
		return http.StatusBadRequest, err
	}
}

// present are the annotations that say something.
func present(annotations map[string]string) map[string]string {
	for name, value := range annotations {
		if value == "" {
			delete(annotations, name)
		}
	}
	return annotations
}

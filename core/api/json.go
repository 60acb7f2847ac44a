package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"
)

// stamp writes a time as the API's dates are written.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// read decodes the JSON body of a request, or says with which status to refuse it.
func read(w http.ResponseWriter, r *http.Request, into any) (status int, err error) {
	// Other types need no permission across sites in a browser, and no client sends them.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, errors.New("the Content-Type of the body must be application/json")
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	if err := decoder.Decode(into); err != nil {
		if long, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes", long.Limit)
		}
		return http.StatusBadRequest, fmt.Errorf("decode the body: %w", err)
	}
	return 0, nil
}

func answer(w http.ResponseWriter, value any) { write(w, http.StatusOK, value) }

// refuse answers with an error as Alertmanager does: a JSON string.
func refuse(w http.ResponseWriter, status int, err error) { write(w, status, err.Error()) }

func write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client is gone
}

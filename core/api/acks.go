package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
)

// Acks are the acknowledgements. All funcs are called concurrently.
type Acks struct {
	All      func() []alert.Ack
	Take     func(Taking) ([]alert.Ack, error) // errors wrap [ErrNothing] or [ack.ErrInvalid], or are those of storage
	Withdraw func(fp alert.Fingerprint, by string) error
}

// Taking says that somebody takes alerts: those of a group, those that a question is about, or where both are given
// those of both.
type Taking struct {
	Alert  Question
	Group  string // key of the group
	Owner  string
	Reason string
	Until  time.Time // zero: as long as the incident lasts
}

// ErrNothing says that a change is about alerts that there are not.
var ErrNothing = errors.New("nothing to change")

// takingJSON is the body of a POST.
type takingJSON struct {
	Alert  string    `json:"alert"` // a fingerprint, NAME or NAME{label="value"}
	Group  string    `json:"group"`
	Owner  string    `json:"owner"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

func (a *Acks) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/tocsin/v1/acks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, append([]alert.Ack{}, a.All()...)) // [] rather than null
	})
	mux.HandleFunc("POST /api/tocsin/v1/acks", a.take)
	mux.HandleFunc("DELETE /api/tocsin/v1/acks/{fingerprint}", a.withdraw)
}

// take answers with the acknowledgements that were made, a list of [alert.Ack].
func (a *Acks) take(w http.ResponseWriter, r *http.Request) {
	var body takingJSON
	if status, err := read(w, r, &body); err != nil {
		refuse(w, status, err)
		return
	}
	q, err := ParseAlert(body.Alert)
	if err == nil && body.Alert == "" && body.Group == "" {
		err = fmt.Errorf(`which alert? Say alert: NAME, NAME{label="value"} or a fingerprint, or group: the key of one`)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	taken, err := a.Take(Taking{Alert: q, Group: body.Group, Owner: body.Owner, Reason: body.Reason, Until: body.Until})
	if err != nil {
		refuse(w, ackFault(err), fmt.Errorf("acknowledge: %w", err))
		return
	}
	answer(w, taken)
}

func (a *Acks) withdraw(w http.ResponseWriter, r *http.Request) {
	fp, err := alert.ParseFingerprint(r.PathValue("fingerprint"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if err := a.Withdraw(fp, r.URL.Query().Get("by")); err != nil {
		refuse(w, ackFault(err), fmt.Errorf("withdraw an acknowledgement: %w", err))
		return
	}
	answer(w, map[string]string{"status": "success"})
}

func ackFault(err error) int {
	switch {
	case errors.Is(err, ack.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, ErrNothing), errors.Is(err, ack.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

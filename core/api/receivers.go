package api

import (
	"net/http"
	"time"
)

// Receiver is where one receiver stands: what it was told, and what it is owed.
type Receiver struct {
	Receiver   string    `json:"receiver"`            // a reference: "pagerduty.oncall"
	Removed    bool      `json:"removed,omitempty"`   // the configuration does not have it any more
	Groups     int       `json:"groups"`              // of alerts that it should know of, or was told of
	Open       int       `json:"open"`                // groups of which it believes, or may believe, that something fires
	Owed       int       `json:"owed"`                // groups of which it does not know all that is due
	OwedSince  time.Time `json:"owedSince,omitzero"`  // when the first of that was due
	Rejected   int       `json:"rejected,omitempty"`  // groups of which it will never accept the newest: dead letters
	AcceptedAt time.Time `json:"acceptedAt,omitzero"` // of the newest thing that it accepted and is remembered
	NextAt     time.Time `json:"nextAt,omitzero"`     // of what is owed: when the first of it is tried again
	Error      string    `json:"error,omitempty"`     // of what is owed: why, as the receiver said last
}

func (t *Tocsin) receivers(w http.ResponseWriter, _ *http.Request) { answer(w, t.Receivers()) }

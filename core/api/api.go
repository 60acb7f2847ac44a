// Package api is what the engine answers over HTTP.
package api

import (
	"fmt"
	"net/http"
)

// Options say what there is to show.
type Options struct {
	Ready func() error // nil: the engine does its work
}

// New returns the engine's HTTP surface.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Tocsin is healthy.")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			http.Error(w, "Tocsin is not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Tocsin is ready.")
	})
	return mux
}

// Package api is what the engine answers over HTTP: Alertmanager's API, so that what speaks to an Alertmanager speaks to
// the engine, and the signs of life that Prometheus has.
//
// Handlers hold nothing: what they show they ask for, what they change they hand on.
package api

import (
	"fmt"
	"io"
	"net/http"
)

// Options say what there is to show and whom to hand changes to.
type Options struct {
	Ready        func() error  // nil: the engine does its work
	Degraded     func() error  // what is wrong although it works; nil: nothing ever is
	Reload       func() error  // loads the configuration again and runs it; nil: not served
	Plan         func() any    // what Reload would do, to be answered as JSON; nil: not served
	Alertmanager *Alertmanager // nil: not served
	Metrics      http.Handler  // nil: not served
	Tocsin       *Tocsin       // nil: not served
	Pages        http.Handler  // /why and /silences/new; nil: not served
}

// New returns the engine's HTTP surface.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Tocsin is healthy.")
		o.sayDegraded(w)
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			http.Error(w, "Tocsin is not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Tocsin is ready.")
		o.sayDegraded(w)
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Reload != nil {
		reload := func(w http.ResponseWriter, _ *http.Request) {
			if err := o.Reload(); err != nil {
				http.Error(w, "The configuration was rejected, the former one goes on:\n\n"+err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, "Tocsin runs the configuration as it is now.")
		}
		mux.HandleFunc("POST /-/reload", reload)
		mux.HandleFunc("PUT /-/reload", reload)
	}
	if o.Plan != nil { // it starts plugins, if only to see whether they would take what they are given, so it is no GET
		mux.HandleFunc("POST /api/tocsin/v1/plan", func(w http.ResponseWriter, _ *http.Request) { answer(w, o.Plan()) })
	}
	if o.Alertmanager != nil {
		o.Alertmanager.register(mux)
	}
	if o.Tocsin != nil {
		o.Tocsin.register(mux)
	}
	if o.Pages != nil {
		mux.Handle("/why", o.Pages)
		mux.Handle("/silences/new", o.Pages)
	}
	return mux
}

// sayDegraded says what is wrong although Tocsin works: no reason to restart it.
func (o *Options) sayDegraded(w io.Writer) {
	if o.Degraded == nil {
		return
	}
	if err := o.Degraded(); err != nil {
		fmt.Fprintf(w, "DEGRADED: %v\n", err)
	}
}

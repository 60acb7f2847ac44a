package access

import (
	"net/http"
	"strings"
)

// Scope is what a request needs and a client has.
type Scope string

// Scopes. Admin includes the others.
const (
	Open    Scope = ""        // anybody: signs of life, which probes ask for
	Read    Scope = "read"    // look at everything but the program's memory
	Alerts  Scope = "alerts"  // post alerts, as a Prometheus does, and drill
	Silence Scope = "silence" // silence and acknowledge
	Admin   Scope = "admin"   // reload, profile …
)

// posts are the requests that are no GET and need less than Admin.
var posts = []struct {
	prefix string
	scope  Scope
}{
	{"/api/v2/alerts", Alerts},
	{"/api/v1/alerts", Alerts},
	{"/api/tocsin/v1/drills", Alerts},
	{"/api/v2/silence", Silence}, // silences, silence/ID
	{"/api/tocsin/v1/ack", Silence},
	{"/api/tocsin/v1/silence", Silence},
	{"/silences/", Silence}, // the page
	{"/api/v1/query", Read}, // long queries are posted: query, query_range, query_exemplars
	{"/api/v1/series", Read},
	{"/api/v1/labels", Read},
}

// Needed is the scope that a request needs.
func Needed(r *http.Request) Scope {
	path := r.URL.Path
	if strings.HasPrefix(path, "/debug/") {
		return Admin
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		if path == "/-/healthy" || path == "/-/ready" {
			return Open
		}
		return Read
	}
	for _, p := range posts {
		if strings.HasPrefix(path, p.prefix) {
			return p.scope
		}
	}
	return Admin
}

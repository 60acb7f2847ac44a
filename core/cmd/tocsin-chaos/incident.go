package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// incident is one thing that goes wrong and is well again, in time since the start of the run.
type incident struct {
	begin, end time.Duration
}

// sure is how long an incident must last for the engine to have seen it whatever happens: longer than a kill with the
// start after it and a round of collecting.
const sure = 20 * time.Second

// plan makes the incidents of a run: they begin over the first two thirds of span and are all over at its end. Some are so
// short that the engine may miss them, which is allowed, but what it told it must take back.
func plan(r *rand.Rand, n int, span time.Duration) []incident {
	all := make([]incident, n)
	for i := range all {
		begin := time.Duration(r.Int64N(int64(span * 2 / 3)))
		length := sure/10 + time.Duration(r.ExpFloat64()*float64(span/6))
		all[i] = incident{begin, min(begin+length, span)}
	}
	return all
}

// world is the target that shows the incidents.
type world struct {
	start     time.Time
	incidents []incident
}

func (w *world) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	now := time.Since(w.start)
	rw.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintln(rw, "# TYPE chaos_incident gauge")
	for id, in := range w.incidents {
		value := 0
		if in.begin <= now && now < in.end {
			value = 1
		}
		fmt.Fprintf(rw, "chaos_incident{id=\"%d\"} %d\n", id, value)
	}
}

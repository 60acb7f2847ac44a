package pluginhost

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	backoffFirst  = 500 * time.Millisecond
	backoffMost   = time.Minute
	backoffForget = 10 * time.Minute // ready for so long: the next crash is a first one again
	circuitWindow = 10 * time.Minute
	circuitLimit  = 5 // crashes within the window that are borne
	circuitRetry  = 5 * time.Minute
)

// restarts decides when a process that ended is started again.
type restarts struct {
	crashes []time.Time // within circuitWindow
	streak  int         // crashes without a long time of work between them
}

// crashed notes a crash at now of a process that had been ready for that long. It returns how long to wait, and
// whether the process has become hopeless.
func (r *restarts) crashed(now time.Time, ready time.Duration) (wait time.Duration, hopeless bool) {
	if ready >= backoffForget {
		r.streak = 0
	}
	r.streak++
	r.crashes = append(slices.DeleteFunc(r.crashes, func(t time.Time) bool { return now.Sub(t) > circuitWindow }), now)
	if len(r.crashes) > circuitLimit {
		return circuitRetry, true
	}
	wait = backoffMost
	if r.streak < 8 { // 0.5 s · 2⁷ is over a minute
		wait = min(backoffFirst<<(r.streak-1), backoffMost)
	}
	// Jitter, so that plugins which crashed together do not come back together.
	return wait/2 + rand.N(wait/2+1), false
}

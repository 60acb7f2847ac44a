package pluginhost

import (
	"cmp"
	"slices"
	"time"
)

// State of a plugin process.
type State string

// The states.
const (
	StateStarting State = "starting" // the process was started, its instances are being configured
	StateReady    State = "ready"
	StateDegraded State = "degraded" // it missed a health check
	StateBackoff  State = "backoff"  // it ended, and will be started again soon
	StateFailed   State = "failed"   // it keeps ending, and is tried now and then
	StateStopping State = "stopping"
	StateStopped  State = "stopped"
)

// Status of a plugin process.
type Status struct {
	What      string // "source" or "notifier"
	Kind      string
	State     State
	Since     time.Time // of the state
	PID       int       // 0: none
	Restarts  int       // since the first start
	Instances int
	Version   string // of the plugin, as it says
	Error     string // why it last ended; "": it did not
}

func sortStatus(all []Status) {
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Kind, b.Kind))
	})
}

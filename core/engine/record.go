package engine

import (
	"time"

	"github.com/tocsinhq/tocsin/core/alert"
)

// record writes what the engine itself does to the journal, with the configuration that holds from then on.
func (e *Engine) record(cause alert.Cause, reason string) {
	e.journal.Record(alert.Decision{
		Time: time.Now(), Kind: alert.KindEngine, Cause: cause, Config: e.setup.Load().config.Hash, Reason: reason,
	})
}

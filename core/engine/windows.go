package engine

import (
	"context"
	"path/filepath"
	"time"

	"github.com/tocsinhq/tocsin/core/wal"
	"github.com/tocsinhq/tocsin/core/window"
)

// WindowLog keeps what the windows hold over a restart, see [wal.Log].
type WindowLog interface {
	window.Log
	Replay(apply func(record []byte) error) wal.Replayed
	Start(snapshot func(put func(record []byte)))
	Close() error
}

// restoreWindows fills the windows with what the engine before this one collected, as far as rules read it now.
func (e *Engine) restoreWindows(context.Context) error {
	if e.recorder = e.options.World.Windows; e.recorder == nil {
		if e.options.World.Offline {
			return nil
		}
		cfg := e.options.Config.Engine
		log, err := wal.Open(wal.Options{Dir: filepath.Join(cfg.DataDir, "windows"), Sync: cfg.WindowSync, Logger: e.logger})
		if err != nil {
			return err
		}
		e.recorder = log
	}
	restoration := e.windows.Restore()
	replayed := e.recorder.Replay(restoration.Apply)
	restored := restoration.End(time.Now())
	if restored.Targets > 0 {
		e.logger.Info().Int("targets", restored.Targets).Int("series", restored.Series).
			Time("since", restored.Since).Time("until", restored.Until).
			Int64("bytes", replayed.Bytes).Dur("took", replayed.Duration).Msg("windows are restored")
	}
	e.windows.RecordTo(e.recorder)
	return nil
}

// recordWindows begins to write the log. It ends after the last collection.
func (e *Engine) recordWindows() {
	if e.recorder == nil {
		return
	}
	e.recorder.Start(e.windows.Snapshot)
	e.opened.push("windows", func(context.Context) error { return e.recorder.Close() })
}

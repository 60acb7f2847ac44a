package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wal"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// WindowLog keeps what the windows hold over a restart, see [wal.Log].
type WindowLog interface {
	window.Log
	Replay(apply func(record []byte) error) wal.Replayed
	Start(snapshot func(put func(record []byte)))
	Status() wal.Status
	Close() error
}

// prepareWindows keeps all series, if the configuration wants it, as a rule would that reads them.
func (e *Engine) prepareWindows(_ context.Context, s *setup) error {
	cfg := s.config.Engine
	if cfg.Keep != config.KeepAll {
		return nil
	}
	_, err := obtain(s, "all series", config.Version(cfg.KeepFor), func() (*window.View, func(context.Context) error, error) {
		all, err := labels.NewMatcher(labels.MatchRegexp, frame.MetricName, ".+")
		if err != nil {
			return nil, nil, fmt.Errorf("keep all series: %w", err)
		}
		view := e.windows.Bind([]window.Query{{Matchers: []*labels.Matcher{all}, Window: cfg.KeepFor}})
		return view, func(context.Context) error { view.Close(); return nil }, nil
	})
	return err
}

// restoreWindows fills the windows with what the engine before this one collected, as far as rules read it now.
func (e *Engine) restoreWindows(context.Context) error {
	if e.recorder = e.options.World.Windows; e.recorder == nil {
		if e.options.World.Offline {
			return nil
		}
		cfg := e.options.Config.Engine
		log, err := wal.Open(wal.Options{Dir: filepath.Join(cfg.DataDir, "windows"), Sync: cfg.WindowSync, Logger: e.logger})
		if state.Refuses(err) {
			e.logger.Error().Err(err).Msg("the windows have no log: after a restart rules wait until they are full again")
			return nil
		}
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

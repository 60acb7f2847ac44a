// Package engine puts the parts together: it is the only package that knows them all.
//
// The way of a sample through it: a source plugin (core/pluginhost) is asked by core/scrape, whose frames go to
// core/window; when a round of collections is complete core/rule has the rules that read it judged by their modules
// (core/wasm) and keeps their alerts (core/alert); core/route says which receiver should know what, and core/delivery
// makes it so through a notifier plugin. Each decision on the way is written to core/journal.
package engine

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/ack"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/drill"
	"github.com/tocsinhq/tocsin/core/intake"
	"github.com/tocsinhq/tocsin/core/journal"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/silence"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// Options of an engine.
type Options struct {
	Config     *config.Config // to begin with
	Logger     zerolog.Logger
	Executable string // the tocsin binary, re-executed for built-in plugins; "": this process's own
	Version    string
	CacheDir   string // of compiled rule modules, trusted as much as the binary; "": below data_dir

	// Load reads the configuration again, for [Engine.Reload]. Nil: it cannot be reloaded.
	Load func() (*config.Config, error)

	World World // what the engine touches outside of itself; zero: the real world

	// Capture takes what all targets answer and what discoveries find. It is not closed; nil: nothing is captured.
	Capture *capture.Recorder

	// OnCollect hears of every collection, and OnDecision of every line of the journal. They must not block.
	OnCollect  func(scrape.Observation)
	OnDecision func(alert.Decision)
}

// Engine is a running Tocsin.
type Engine struct {
	options Options
	logger  zerolog.Logger
	opened  closers

	state    state.Store // of what is refused where it cannot be stored; what has to go on all the same is in
	durable  state.Store // this one, which keeps it for later
	journal  *journal.Journal
	alerts   *alert.Store
	silences *silence.Store // that people made; those of the configuration are in its setup
	acks     *ack.Store     // who has taken which alert

	silencesSeen time.Time // of the goroutine that routes: when it last looked at which ended

	intake   *intake.Intake // of alerts that others raise
	drills   *drill.Manager
	windows  *window.Store
	recorder WindowLog // of the windows; nil: they do not survive a restart
	wasm     *wasm.Host
	states   *ruleStates
	rules    *rule.Manager
	ledger   *delivery.Ledger
	scrape   *scrape.Manager
	metrics  *metrics

	setup   atomic.Pointer[setup] // what runs; a reload puts another in its place
	reloads *reloads
	outlets map[string]*outlet // the ways to all receivers that the ledger knows, by reference; changed by reloads alone

	changed  chan struct{} // routes have to be computed: those of alerts that changed, or
	anew     atomic.Bool   // those of all alerts
	deciding sync.Mutex    // held while routes are computed, and while rules and routes change together
	routing  sync.WaitGroup
	listener net.Listener
	tls      *tls.Config // of the listener; nil: plain HTTP
	ready    atomic.Bool
}

// New opens everything that the configuration needs and starts the plugin processes: whatever can fail, fails here.
// Nothing is collected, judged or sent before [Engine.Start].
func New(ctx context.Context, o Options) (_ *Engine, err error) {
	if o.Executable == "" {
		if o.Executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the tocsin binary, which serves the built-in plugins: %w", err)
		}
	}
	e := &Engine{options: o, logger: o.Logger, changed: make(chan struct{}, 1), reloads: newReloads()}
	e.metrics = newMetrics(o.Version)
	e.metrics.registry.MustRegister(gauges{e})
	defer func() {
		if err != nil {
			err = errors.Join(err, e.opened.close(context.WithoutCancel(ctx)))
		}
	}()
	for _, open := range []func(context.Context) error{
		e.openState, e.openWorks, e.openSetup, e.restoreWindows, e.openDelivery, e.listen,
	} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// openState opens data_dir: the durable state, the alerts in it and the journal. A disk that is full or broken does not
// keep the engine from running.
func (e *Engine) openState(context.Context) (err error) {
	dir, journalPath := e.options.Config.Engine.DataDir, ""
	if !e.options.World.Offline {
		journalPath = filepath.Join(dir, "journal.jsonl")
		if err := os.MkdirAll(dir, 0o700); state.Refuses(err) {
			e.logger.Error().Err(err).Msg("data_dir cannot be made: what is decided cannot be explained afterwards")
			journalPath = ""
		} else if err != nil {
			return fmt.Errorf("make data_dir: %w", err)
		}
	}
	if err := e.openStore(dir); err != nil {
		return err
	}
	if notice := e.state.Notice(); notice != nil {
		e.logger.Error().Err(notice).Msg("the engine starts without its former state: incidents it had open must be closed by hand")
	}
	e.opened.push("state", func(context.Context) error { return e.durable.Close() })

	e.journal, err = journal.Open(journal.Options{Path: journalPath, Logger: e.logger})
	if err != nil {
		return err
	}
	e.opened.push("journal", func(context.Context) error { return e.journal.Close() })
	if e.options.OnDecision != nil {
		e.journal.Subscribe(e.options.OnDecision)
	}

	if e.alerts, err = alert.OpenStore(e.durable); err != nil {
		return fmt.Errorf("load alerts: %w", err)
	}
	if e.states, err = openRuleStates(e.durable, e.logger); err != nil {
		return err
	}
	e.opened.push("what rules remember", func(context.Context) error { return e.states.flush() })
	e.openIntake()
	e.openDrills()
	return errors.Join(e.openSilences(), e.openAcks())
}

// openWorks makes what collects, judges and keeps; what it is to work with comes with a setup.
func (e *Engine) openWorks(ctx context.Context) (err error) {
	if e.wasm = e.options.World.Modules; e.wasm == nil {
		cache := cmp.Or(e.options.CacheDir, filepath.Join(e.options.Config.Engine.DataDir, "cache"))
		if e.wasm, err = wasm.New(ctx, wasm.Options{CacheDir: cache, Logger: e.logger}); err != nil {
			return err
		}
		e.opened.push("wasm", e.wasm.Close)
	}
	e.windows = window.New(window.Options{Logger: e.logger})
	e.rules = rule.New(rule.Options{
		Alerts: e.alerts, Record: e.journal.Record, OnChange: e.alertsChanged, Logger: e.logger, Workers: e.options.World.Workers,
		OnEvaluate: e.metrics.evaluated,
	})
	e.scrape = scrape.New(scrape.Options{
		Logger: e.logger,
		Open: func(target frame.Labels, interval time.Duration) scrape.Windows {
			return e.windows.Open(target, interval)
		},
		OnRound: e.rules.Round,
		OnCollect: func(o scrape.Observation) {
			e.metrics.collected(o)
			if e.options.OnCollect != nil {
				e.options.OnCollect(o)
			}
		},
	})
	return nil
}

// openSetup makes the configuration ready to run.
func (e *Engine) openSetup(ctx context.Context) error {
	first, err := e.prepare(ctx, e.options.Config, &setup{})
	if err != nil {
		return err
	}
	e.adopt(first)
	e.opened.push("configuration", e.closeSetup)
	return nil
}

// openDelivery loads the ledger.
func (e *Engine) openDelivery(context.Context) (err error) {
	s := e.setup.Load()
	e.ledger, err = delivery.New(delivery.Options{
		State: e.durable, Receivers: s.receivers, Record: e.decided, Settled: e.forget, Retired: e.retired,
		ExternalURL: s.config.Engine.ExternalURL, Seed: e.options.World.Seed, Logger: e.logger,
	})
	return err
}

// listen opens the HTTP listener, so that a taken port is known before anything runs.
func (e *Engine) listen(ctx context.Context) (err error) {
	if e.options.World.Offline {
		return nil
	}
	if e.tls, err = tlsConfig(e.options.Config.Web); err != nil {
		return err
	}
	if e.listener, err = listen(ctx, e.options.Config.Engine.Listen); err != nil {
		return fmt.Errorf("engine.listen: %w", err)
	}
	e.opened.push("listener", func(context.Context) error {
		if err := e.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// listen listens at host:port, or at unix:PATH. A socket that nobody answers at any more is that of an engine which was
// killed, and is replaced.
func listen(ctx context.Context, address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return new(net.ListenConfig).Listen(ctx, "tcp", address)
	}
	if there, err := os.Lstat(path); err == nil && there.Mode()&os.ModeSocket != 0 {
		switch c, err := new(net.Dialer).DialContext(ctx, "unix", path); {
		case err == nil:
			_ = c.Close()
		case errors.Is(err, syscall.ECONNREFUSED):
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	return new(net.ListenConfig).Listen(ctx, "unix", path)
}

// Addr is where the engine answers HTTP; nil if it is offline.
func (e *Engine) Addr() net.Addr {
	if e.listener == nil {
		return nil
	}
	return e.listener.Addr()
}

// Alerts are the instances that are not over yet, ordered by fingerprint.
func (e *Engine) Alerts() []alert.Alert { return e.alerts.All() }

// Start begins to collect, to judge and to send. The engine then runs until [Engine.Stop].
func (e *Engine) Start(context.Context) error {
	e.record(alert.CauseStarted, "tocsin "+e.options.Version)
	e.ledger.Start()
	e.opened.push("delivery", e.ledger.Stop)
	e.opened.push("routing", func(context.Context) error {
		close(e.changed)
		e.routing.Wait()
		return nil
	})
	s := e.setup.Load()
	e.states.prune(s.remembering())
	if err := e.rules.Start(s.rules); err != nil {
		return err
	}
	e.opened.push("rules", e.rules.Stop)
	e.drills.Start()
	e.opened.push("drills", e.drills.Stop)
	e.routing.Go(e.routeChanges) // now that the alerts of rules that are no more have ended
	e.recordWindows()
	e.mendStorage()
	if err := e.scrape.Start(s.sources); err != nil {
		return err
	}
	e.opened.push("scrape", e.scrape.Stop)
	e.intake.Start()
	e.opened.push("intake", e.intake.Stop)
	e.watchSelf()
	if e.listener != nil {
		e.serve() // last, so that it stops first: what it hands on must find somebody
	}
	if e.options.World.Modules == nil {
		debug.FreeOSMemory() // compiling modules took several times the memory that running them takes
	}
	e.ready.Store(true)
	e.logger.Info().Stringer("address", e.Addr()).Int("rules", len(s.rules)).Int("sources", len(s.sources)).Msg("tocsin runs")
	return nil
}

// Stop ends everything in the order of the data's way, so that what was decided can still be sent: it stops to collect,
// then to judge, lets delivery end what is in flight, and closes what is below. A reload is given up. ctx bounds it.
func (e *Engine) Stop(ctx context.Context) error {
	if e.ready.Swap(false) {
		e.record(alert.CauseStopped, "")
	}
	return errors.Join(e.reloads.end(ctx), e.opened.close(ctx))
}

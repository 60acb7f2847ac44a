// Package engine puts the parts together: it is the only package that knows them all.
//
// The way of a sample through it: a source plugin (core/pluginhost) is asked by core/scrape, whose frames go to
// core/window; when a round of collections is complete core/rule has the rules that read it judged by their modules
// (core/wasm) and keeps their alerts (core/alert); core/route says which receiver should know what, and core/delivery
// makes it so through a notifier plugin. Each decision on the way is written to core/journal.
package engine

import (
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
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/intake"
	"github.com/tocsinhq/tocsin/core/journal"
	"github.com/tocsinhq/tocsin/core/pluginhost"
	"github.com/tocsinhq/tocsin/core/query"
	"github.com/tocsinhq/tocsin/core/route"
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
	Config     *config.Config
	Logger     zerolog.Logger
	Executable string // the tocsin binary, re-executed for built-in plugins; "": this process's own
	Version    string
	CacheDir   string // of compiled rule modules, trusted as much as the binary; "": below data_dir

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

	state    state.Store
	journal  *journal.Journal
	alerts   *alert.Store
	silences *silence.Store // that people made; those of the configuration are in routes
	intake   *intake.Intake // of alerts that others raise
	programs plugins        // which program serves which plugin
	plugins  *pluginhost.Host
	windows  *window.Store
	recorder WindowLog // of the windows; nil: they do not survive a restart
	wasm     *wasm.Host
	states   *ruleStates
	promql   *query.Engine
	rules    *rule.Manager
	routes   route.Input // how it is decided who hears of what; alerts and time come with each decision
	ledger   *delivery.Ledger
	scrape   *scrape.Manager
	metrics  *metrics
	loadedAt time.Time // when the configuration was taken

	sources     []scrape.Source
	definitions []rule.Definition

	changed  chan struct{} // routes have to be computed: those of alerts that changed, or
	anew     atomic.Bool   // those of all alerts
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
	e := &Engine{options: o, logger: o.Logger, changed: make(chan struct{}, 1), loadedAt: time.Now()}
	e.metrics = newMetrics(o.Config, o.Version)
	e.metrics.registry.MustRegister(gauges{e})
	defer func() {
		if err != nil {
			err = errors.Join(err, e.opened.close(context.WithoutCancel(ctx)))
		}
	}()
	for _, open := range []func(context.Context) error{
		e.openState, e.openPlugins, e.openSources, e.openRules, e.restoreWindows, e.openDelivery, e.listen,
	} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// openState opens data_dir: the durable state, the alerts in it and the journal.
func (e *Engine) openState(context.Context) error {
	dir, journalPath := e.options.Config.Engine.DataDir, ""
	if !e.options.World.Offline {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make data_dir: %w", err)
		}
		journalPath = filepath.Join(dir, "journal.jsonl")
	}
	var err error
	if e.state = e.options.World.State; e.state == nil {
		if e.state, err = state.Open(filepath.Join(dir, "state.db")); err != nil {
			return err
		}
	}
	if notice := e.state.Notice(); notice != nil {
		e.logger.Error().Err(notice).Msg("the engine starts without its former state: incidents it had open must be closed by hand")
	}
	e.opened.push("state", func(context.Context) error { return e.state.Close() })

	e.journal, err = journal.Open(journal.Options{Path: journalPath, Logger: e.logger})
	if err != nil {
		return err
	}
	e.opened.push("journal", func(context.Context) error { return e.journal.Close() })
	if e.options.OnDecision != nil {
		e.journal.Subscribe(e.options.OnDecision)
	}

	if e.alerts, err = alert.OpenStore(e.state); err != nil {
		return fmt.Errorf("load alerts: %w", err)
	}
	if e.states, err = openRuleStates(e.state, e.logger); err != nil {
		return err
	}
	e.opened.push("what rules remember", func(context.Context) error { return e.states.flush() })
	e.openIntake()
	return e.openSilences()
}

// openPlugins prepares the host of plugin processes; processes start as sources and notifiers ask for them.
func (e *Engine) openPlugins(context.Context) (err error) {
	if e.options.World.Collector != nil && e.options.World.Sender != nil {
		return nil
	}
	cfg := e.options.Config
	e.programs = plugins{executable: e.options.Executable, dirs: cfg.Engine.PluginDirs, blocks: cfg.Plugins}
	e.plugins, err = pluginhost.New(pluginhost.Options{Logger: e.logger, Command: e.programs.command, Checksum: e.programs.checksum})
	if err != nil {
		return err
	}
	e.opened.push("plugins", e.plugins.Close)
	return nil
}

// openSources starts and configures the source plugins.
func (e *Engine) openSources(ctx context.Context) error {
	e.windows = window.New(window.Options{Logger: e.logger})
	for _, s := range e.options.Config.Sources {
		collector, err := e.collector(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: source %q %q: %w", s.Range, s.Kind, s.Name, err)
		}
		discoveries, err := e.discoveries(s)
		if err != nil {
			return fmt.Errorf("%s: source %q %q: %w", s.Range, s.Kind, s.Name, err)
		}
		e.sources = append(e.sources, scrape.Source{
			Name: sourceName(s), Job: s.Job(), Collector: collector,
			Targets: s.Targets, Discoveries: discoveries, Interval: s.Interval, Timeout: s.Timeout,
			Labels: s.Labels, HonorLabels: s.HonorLabels, Relabel: s.Relabel, MetricRelabel: s.MetricRelabel,
			Limits: scrape.Limits{
				Fail: s.Limits.Fail, Targets: s.Limits.Targets, Series: s.Limits.Samples,
				Labels: s.Limits.Labels, LabelNames: s.Limits.LabelNames, LabelValues: s.Limits.LabelValues,
			},
		})
	}
	e.scrape = scrape.New(scrape.Options{
		Logger: e.logger,
		Open: func(target frame.Labels, interval time.Duration) scrape.Windows {
			return e.windows.Open(target, interval)
		},
		OnRound: func(source string, at time.Time) { e.rules.Round(source, at) },
		OnCollect: func(o scrape.Observation) {
			e.metrics.collected(o)
			if e.options.OnCollect != nil {
				e.options.OnCollect(o)
			}
		},
	})
	return nil
}

// openDelivery starts and configures the notifier plugins and loads the ledger.
func (e *Engine) openDelivery(ctx context.Context) error {
	cfg := e.options.Config
	var receivers []delivery.Receiver
	for _, n := range cfg.Notifiers {
		sender, err := e.sender(ctx, n)
		if err != nil {
			return fmt.Errorf("%s: notifier %q %q: %w", n.Range, n.Kind, n.Name, err)
		}
		receivers = append(receivers, delivery.Receiver{Name: n.Name, Ref: n.Ref(), Sender: e.metrics.counted(n, sender), SendResolved: n.SendResolved})
	}
	e.routes = routing(cfg)
	var err error
	e.ledger, err = delivery.New(delivery.Options{
		State: e.state, Receivers: receivers, Record: e.decided, Settled: e.forget,
		ExternalURL: cfg.Engine.ExternalURL, Seed: e.options.World.Seed, Logger: e.logger,
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
	network, address := "tcp", e.options.Config.Engine.Listen
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	if e.listener, err = new(net.ListenConfig).Listen(ctx, network, address); err != nil {
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
	e.states.prune()
	if err := e.rules.Start(e.definitions); err != nil {
		return err
	}
	e.opened.push("rules", e.rules.Stop)
	e.routing.Go(e.routeChanges) // now that the alerts of rules that are no more have ended
	e.recordWindows()
	if err := e.scrape.Start(e.sources); err != nil {
		return err
	}
	e.opened.push("scrape", e.scrape.Stop)
	e.intake.Start()
	e.opened.push("intake", e.intake.Stop)
	if e.listener != nil {
		e.serve() // last, so that it stops first: what it hands on must find somebody
	}
	if e.options.World.Modules == nil {
		debug.FreeOSMemory() // compiling modules took several times the memory that running them takes
	}
	e.ready.Store(true)
	e.logger.Info().Stringer("address", e.Addr()).Int("rules", len(e.definitions)).Int("sources", len(e.sources)).Msg("tocsin runs")
	return nil
}

// Stop ends everything in the order of the data's way, so that what was decided can still be sent: it stops to collect,
// then to judge, lets delivery end what is in flight, and closes what is below. ctx bounds it.
func (e *Engine) Stop(ctx context.Context) error {
	if e.ready.Swap(false) {
		e.record(alert.CauseStopped, "")
	}
	return e.opened.close(ctx)
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/alert"
)

// A reload is two steps. First the new configuration is made ready (see [setup]): all that can fail fails there, and then
// nothing was touched. Then it is committed, which cannot fail: each part of the engine is told what it has to do now, and
// goes on undisturbed with whatever did not change.

// Reload loads the configuration again and runs it. After an error the former one goes on.
func (e *Engine) Reload(ctx context.Context) error {
	if e.options.Load == nil {
		return errors.New("reload: nobody knows where the configuration came from")
	}
	return e.reload(ctx, e.options.Load)
}

// Apply runs another configuration. After an error the former one goes on.
func (e *Engine) Apply(ctx context.Context, cfg *config.Config) error {
	return e.reload(ctx, func() (*config.Config, error) { return cfg, nil })
}

// Rejected tells since when the configuration that should run is rejected, and why; a nil error means that it runs.
func (e *Engine) Rejected() (since time.Time, err error) {
	e.reloads.mu.Lock()
	defer e.reloads.mu.Unlock()
	return e.reloads.mu.since, e.reloads.mu.rejected
}

func (e *Engine) reload(ctx context.Context, load func() (*config.Config, error)) error {
	ctx, done, err := e.reloads.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if !e.ready.Load() {
		return errors.New("reload: the engine does not run")
	}
	former := e.setup.Load()
	next, err := e.loaded(ctx, load, former)
	if err != nil {
		if ctx.Err() == nil && e.reloads.life.Err() == nil { // else nobody rejected it
			e.reject(err)
		}
		return err
	}
	e.commit(next, former)
	e.accept(config.Diff(former.config, next.config), next.config.Hash)
	return nil
}

// loaded loads a configuration and makes it ready to run in the place of the former.
func (e *Engine) loaded(ctx context.Context, load func() (*config.Config, error), former *setup) (*setup, error) {
	cfg, err := load()
	if err != nil {
		return nil, err
	}
	if err := e.unchangeable(former.config, cfg); err != nil {
		return nil, err
	}
	return e.prepare(ctx, cfg, former)
}

// unchangeable finds what cannot change while the engine runs.
func (e *Engine) unchangeable(former, next *config.Config) error {
	if e.options.World.Offline {
		return nil
	}
	var errs []error
	check := func(what string, same bool) {
		if !same {
			errs = append(errs, fmt.Errorf("%s: %s cannot change while Tocsin runs: restart it, or take the change back", next.Engine.Range, what))
		}
	}
	check("data_dir", former.Engine.DataDir == next.Engine.DataDir)
	check("window_sync", former.Engine.WindowSync == next.Engine.WindowSync)
	check("listen", former.Engine.Listen == next.Engine.Listen)
	check("tls of the web block", config.Version(former.Web.TLS) == config.Version(next.Web.TLS))
	return errors.Join(errs...)
}

// commit has the next setup run in the place of the former. Rules and routes change in one moment, so that nobody is told
// of alerts that one has and the other has not.
func (e *Engine) commit(next, former *setup) {
	e.deciding.Lock()
	e.adopt(next)
	e.mustNotFail("receivers", e.ledger.Configure(next.receivers, next.config.Engine.ExternalURL))
	if next.named[routesPart] != former.named[routesPart] {
		e.reroute() // before rules say what changed: by the former routes nothing is decided any more
	}
	e.mustNotFail("rules", e.rules.Apply(next.rules))
	e.deciding.Unlock()
	e.intake.Configure(next.config.Engine.ResolveTimeout, next.config.Engine.ExternalExpiry == "unknown")
	e.mustNotFail("sources", e.scrape.Apply(next.sources))
	for name, p := range former.named {
		switch now := next.named[name]; {
		case now == p:
		case now == nil && strings.HasPrefix(name, notifierPart("")): // it may still have to close what it opened
			next.named[name] = p
		default:
			e.retire(p)
		}
	}
	e.states.prune(next.remembering())
}

// adopt makes a setup the one that runs for everybody who asks for it, and has receivers told through its notifiers.
func (e *Engine) adopt(next *setup) {
	if e.outlets == nil {
		e.outlets = map[string]*outlet{}
	}
	for _, r := range next.receivers {
		way := r.Sender.(*outlet)
		way.use(next.senders[r.Ref])
		e.outlets[r.Ref] = way
	}
	next.at = time.Now()
	e.metrics.configured(next.config)
	e.setup.Store(next)
}

// mustNotFail says what should have been found while the configuration was made ready.
func (e *Engine) mustNotFail(what string, err error) {
	if err != nil {
		e.logger.Error().Err(err).Msg("a configuration that was accepted does not run as a whole: " + what + " are those of the former one; this is a defect, please restart")
	}
}

// retire closes a part when nobody uses it any more.
func (e *Engine) retire(p *part) {
	if p.close == nil {
		return
	}
	e.reloads.retiring.Go(func() {
		if err := p.close(context.Background()); err != nil { // each has a bound of its own
			e.logger.Warn().Err(err).Msg("close what the configuration has no more: " + p.name)
		}
	})
}

// retired hears of a receiver that is gone and has nothing open any more.
func (e *Engine) retired(ref string) {
	e.reloads.retiring.Go(func() {
		_, done, err := e.reloads.begin(context.Background())
		if err != nil {
			return // the engine stops, and its notifiers with it
		}
		defer done()
		s, name := e.setup.Load(), notifierPart(ref)
		p := s.named[name]
		if p == nil || slices.Contains(s.parts, p) {
			return // a reload brought it back
		}
		delete(s.named, name)
		delete(e.outlets, ref)
		e.retire(p)
	})
}

// closeSetup closes what runs. Nobody uses it any more.
func (e *Engine) closeSetup(ctx context.Context) error {
	s := e.setup.Load()
	var errs []error
	for _, p := range s.named {
		if !slices.Contains(s.parts, p) { // of a notifier that was removed
			errs = append(errs, p.close(ctx))
		}
	}
	for _, p := range slices.Backward(s.parts) {
		switch v := p.value.(type) {
		case *collector, *sender: // they end with their processes
		case *processes:
			errs = append(errs, v.Close(ctx))
		default:
			errs = append(errs, partList{p}.close(ctx))
		}
	}
	return errors.Join(append(errs, e.reloads.retired(ctx))...)
}

// reject says that the former configuration goes on.
func (e *Engine) reject(err error) {
	e.reloads.mu.Lock()
	if e.reloads.mu.rejected == nil {
		e.reloads.mu.since = time.Now()
	}
	e.reloads.mu.rejected = err
	e.reloads.mu.Unlock()
	e.logger.Error().Err(err).Msg("the configuration was rejected, the former one goes on")
	e.record(alert.CauseReloadRefused, err.Error())
}

// accept says what changed.
func (e *Engine) accept(changes []config.Change, hash string) {
	e.reloads.mu.Lock()
	e.reloads.mu.since, e.reloads.mu.rejected = time.Time{}, nil
	e.reloads.mu.Unlock()
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.String()
	}
	reason := "nothing changed"
	if len(texts) > 0 {
		reason = strings.Join(texts, "; ")
	}
	e.logger.Info().Str("config", hash).Strs("changes", texts).Msg("the configuration was reloaded")
	e.record(alert.CauseReloaded, reason)
}

// reloads has one reload happen at a time, and knows how the last one ended.
type reloads struct {
	turn     chan struct{}   // holds one: whoever takes it may change what runs
	life     context.Context // done when the engine stops
	over     context.CancelFunc
	retiring sync.WaitGroup // what is being closed in the background

	mu struct {
		sync.Mutex
		since    time.Time
		rejected error
	}
}

func newReloads() *reloads {
	r := &reloads{turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	r.life, r.over = context.WithCancel(context.Background())
	return r
}

// begin waits for the turn to change what runs. The context that it returns ends with the engine too.
func (r *reloads) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.life, cancel)
	select {
	case <-r.turn:
		return ctx, func() {
			stop()
			cancel()
			r.turn <- struct{}{}
		}, nil
	case <-ctx.Done():
		stop()
		cancel()
		return nil, nil, fmt.Errorf("reload: %w", context.Canceled)
	}
}

// end gives up a reload that is being prepared and lets no other begin.
func (r *reloads) end(ctx context.Context) error {
	r.over()
	select {
	case <-r.turn: // and keeps it
		return nil
	case <-ctx.Done():
		return errors.New("stop: a reload does not end")
	}
}

// retired waits for what is being closed.
func (r *reloads) retired(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the last of them
		defer close(done)
		r.retiring.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("stop: a plugin that was replaced still has a call under way")
	}
}

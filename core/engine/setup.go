package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/access"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/route"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
)

// setup is a configuration made ready to run: whatever it needs is opened, checked and bound. All that can fail fails
// while it is made, and until it is committed nobody notices anything of it.
type setup struct {
	config    *config.Config
	at        time.Time  // when it began to run
	processes *processes // of plugins; nil where the world serves all
	sources   []scrape.Source
	rules     []rule.Definition
	receivers []delivery.Receiver
	senders   map[string]*sender // by reference of the receiver
	routes    route.Input        // how it is decided who hears of what; alerts and time come with each decision
	guard     *access.Guard      // of the HTTP API

	parts []*part // in the order in which they were opened
	named map[string]*part
	from  map[string]*part // of the setup before, while this one is made
}

// part is something that blocks of a configuration need, such as a plugin instance, a module, the program of a rule. A
// setup goes on with the parts of the setup before that were made of the same.
type part struct {
	name    string
	version string // what it was made of
	value   any
	close   func(context.Context) error // nil: there is nothing to close
}

// obtain returns the part of that name and version, which open makes if there is none yet.
func obtain[T any](s *setup, name, version string, open func() (T, func(context.Context) error, error)) (T, error) {
	if p := s.named[name]; p != nil { // two blocks need it
		return p.value.(T), nil
	}
	p := s.from[name]
	if p == nil || p.version != version {
		value, closeIt, err := open()
		if err != nil {
			return value, err
		}
		p = &part{name: name, version: version, value: value, close: closeIt}
	}
	s.parts = append(s.parts, p)
	s.named[name] = p
	return p.value.(T), nil
}

// prepare makes a configuration ready to run, with as much as possible of the former setup, which is not touched. After an
// error everything is as it was before.
func (e *Engine) prepare(ctx context.Context, cfg *config.Config, former *setup) (_ *setup, err error) {
	s := &setup{config: cfg, senders: map[string]*sender{}, named: map[string]*part{}, from: former.named}
	defer func() {
		s.from = nil
		if err != nil {
			err = errors.Join(err, s.without(former).close(context.WithoutCancel(ctx)))
		}
	}()
	if s.routes, err = obtain(s, routesPart, routingVersion(cfg), func() (route.Input, func(context.Context) error, error) {
		return routing(cfg), nil, nil
	}); err != nil {
		return nil, err
	}
	if s.guard, err = obtain(s, "web", config.Version(cfg.Web), func() (*access.Guard, func(context.Context) error, error) {
		return guard(cfg.Web), nil, nil
	}); err != nil {
		return nil, err
	}
	for _, prepare := range []func(context.Context, *setup) error{e.preparePlugins, e.prepareSources, e.prepareRules, e.prepareWindows, e.prepareReceivers} {
		if err := prepare(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(scrape.Check(s.sources), rule.Check(s.rules), delivery.Check(s.receivers)); err != nil {
		return nil, err
	}
	return s, nil
}

// partList is parts in the order in which they were opened.
type partList []*part

// without are the parts that another setup has not.
func (s *setup) without(other *setup) (rest partList) {
	for _, p := range s.parts {
		if other.named[p.name] != p {
			rest = append(rest, p)
		}
	}
	return rest
}

// close closes parts, the last first, also after an error.
func (parts partList) close(ctx context.Context) error {
	var errs []error
	for _, p := range slices.Backward(parts) {
		if p.close == nil {
			continue
		}
		if err := p.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

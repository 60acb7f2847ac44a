package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// callTimeout bounds calls for which nobody set a deadline.
const callTimeout = time.Minute

// instance is one configured block.
type instance struct {
	supervisor *supervisor
	id         string // never used twice, also not over restarts of the process
	name       string
	settings   json.RawMessage
	secrets    []string
	scrub      *scrubber
	closing    sync.Once

	mu   sync.Mutex
	in   *running // where it is configured
	err  error    // of its last configuration
	lost bool     // the plugin says that it does not know it
}

// open makes an instance and configures it.
func (h *Host) open(ctx context.Context, i *instance, k key, env []string) error {
	s, err := h.hold(ctx, k, env)
	if err != nil {
		return err
	}
	i.supervisor, i.id, i.scrub = s, i.name+"#"+strconv.FormatUint(h.ids.Add(1), 10), newScrubber(i.secrets)
	s.add(i)
	for {
		run, err := s.ready(ctx)
		if err == nil {
			err = i.configure(ctx, run)
			if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
				s.look()
				s.gone(ctx, run)
				continue // it died under our hands: the next one will do
			}
		}
		if err != nil {
			s.remove(i)
			h.release(ctx, s)
			if _, ok := errors.AsType[schema.Diagnostics](err); !ok {
				err = fmt.Errorf("configure %s %q: %w", k.kind, i.name, err)
			}
			return err
		}
		return nil
	}
}

// gone waits until the process is no longer the one that calls go to.
func (s *supervisor) gone(ctx context.Context, run *running) {
	for {
		s.mu.Lock()
		current, changed := s.run, s.changed
		s.mu.Unlock()
		if current != run {
			return
		}
		select {
		case <-changed:
		case <-run.child.exited:
			return
		case <-ctx.Done():
			return
		}
	}
}

// close removes the instance from the plugin, and ends the process after its last one.
func (i *instance) close(ctx context.Context) (err error) {
	i.closing.Do(func() {
		s := i.supervisor
		s.remove(i)
		s.mu.Lock()
		run := s.run
		s.mu.Unlock()
		if run != nil {
			ctx, cancel := context.WithTimeout(ctx, healthWithin)
			defer cancel()
			err = run.plugin.Remove(ctx, i.id)
		}
		s.host.release(ctx, s)
	})
	if errors.Is(err, plugin.ErrConnection) {
		return nil // the process is gone, and the instance with it
	}
	return i.scrub.error(err)
}

// configure configures the instance in a process. The error is a [schema.Diagnostics] where the settings are to blame.
func (i *instance) configure(ctx context.Context, run *running) error {
	ctx, cancel := context.WithTimeout(ctx, configureTimeout)
	defer cancel()
	diags, err := run.plugin.Configure(ctx, i.id, i.name, i.settings)
	diags = i.scrub.diagnostics(diags)
	for _, d := range diags {
		if d.Warning {
			i.supervisor.log.Warn().Str("instance", i.name).Strs("path", d.Path).Str("detail", d.Detail).Msg(d.Summary)
		}
	}
	if err == nil {
		err = asError(diags)
	} else {
		err = i.translate(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.in, i.err, i.lost = run, err, false
	return err
}

func (i *instance) configuredIn() *running {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.in
}

// acquire returns the process that a call goes to.
func (i *instance) acquire() (*running, error) {
	i.supervisor.mu.Lock()
	run, state := i.supervisor.run, i.supervisor.state
	i.supervisor.mu.Unlock()
	if run == nil {
		return nil, unavailable(state)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.in != run || i.lost:
		return nil, fmt.Errorf("%s is not configured yet: %w", i.name, ErrUnavailable)
	case i.err != nil:
		return nil, fmt.Errorf("%s could not be configured after the plugin was started again: %w: %w", i.name, i.err, ErrUnavailable)
	}
	return run, nil
}

// answered turns the error of a call into one for callers, and has the supervisor look where the plugin is to blame.
func (i *instance) answered(err error) error {
	if errors.Is(err, plugin.ErrNoInstance) {
		i.mu.Lock()
		i.lost = true
		i.mu.Unlock()
	}
	if errors.Is(err, plugin.ErrNoInstance) || errors.Is(err, plugin.ErrConnection) {
		i.supervisor.look()
	}
	return i.translate(err)
}

func (i *instance) translate(err error) error {
	switch {
	case errors.Is(err, plugin.ErrNoInstance), errors.Is(err, plugin.ErrNotSent):
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, plugin.ErrConnection):
		err = fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrInterrupted, err)
	}
	return i.scrub.error(err)
}

// bounded gives a call a deadline if it has none.
func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); !ok && timeout <= 0 {
		timeout = callTimeout
	}
	if timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}

// add makes the instance one that every new process gets.
func (s *supervisor) add(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = append(s.instances, i)
	if s.run != nil {
		s.run.child.log.scrub.Store(s.scrubber())
	}
}

func (s *supervisor) remove(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = slices.DeleteFunc(s.instances, func(other *instance) bool { return other == i })
}

// scrubber knows the secrets of all instances; the caller holds the mutex.
func (s *supervisor) scrubber() *scrubber {
	var all []string
	for _, i := range s.instances {
		all = append(all, i.secrets...)
	}
	return newScrubber(all)
}

// configureLost configures the instances that the plugin forgot.
func (s *supervisor) configureLost(run *running) {
	s.mu.Lock()
	all := slices.Clone(s.instances)
	s.mu.Unlock()
	for _, i := range all {
		i.mu.Lock()
		lost := i.lost
		i.mu.Unlock()
		if lost {
			if err := i.configure(s.ctx, run); err != nil {
				s.log.Warn().Err(err).Str("instance", i.name).Msg("configure the instance again")
			}
		}
	}
}

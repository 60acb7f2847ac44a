package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	healthEvery  = 5 * time.Second
	healthWithin = 2 * time.Second
	healthMisses = 3 // in a row: the process is started again
)

// supervisor keeps the process of one kind alive. Its goroutine is the only one that starts and stops processes.
type supervisor struct {
	host *Host
	key  key
	log  zerolog.Logger

	ctx      context.Context
	cancel   context.CancelFunc
	started  chan struct{} // closed after the first start
	startErr error         // of the first start; set before started is closed
	done     chan struct{} // closed when the goroutine is gone
	stopErr  error         // set before done is closed
	poke     chan struct{} // something is wrong: look now
	users    int           // guarded by the host's mutex

	mu        sync.Mutex
	state     Status
	run       *running      // nil while no process is ready
	changed   chan struct{} // closed and replaced when run or state changes
	instances []*instance
	env       []string
}

// newSupervisor makes one; the caller starts its goroutine, [supervisor.supervise].
func newSupervisor(h *Host, k key) *supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	return &supervisor{
		host: h, key: k, log: h.options.Logger.With().Str("plugin", string(k.role)+"/"+k.kind).Logger(),
		ctx: ctx, cancel: cancel, started: make(chan struct{}), done: make(chan struct{}), poke: make(chan struct{}, 1),
		changed: make(chan struct{}),
		state:   Status{What: string(k.role), Kind: k.kind, State: StateStarting, Since: time.Now()},
	}
}

// supervise runs until the supervisor is cancelled, or the first start fails.
func (s *supervisor) supervise() {
	defer close(s.done)
	defer s.set(StateStopped, nil)
	defer s.cancel()
	var again restarts
	for first := true; ; first = false {
		s.set(StateStarting, nil)
		began := time.Now()
		run, err := s.start()
		if first {
			s.startErr = err
			close(s.started)
			if err != nil {
				return
			}
		}
		if err == nil {
			began = time.Now()
			s.publish(run)
			err = s.watch(run)
			s.withdraw()
			s.finish(run)
		}
		if s.ctx.Err() != nil {
			return
		}
		wait, hopeless := again.crashed(time.Now(), time.Since(began))
		s.rest(err, wait, hopeless)
		if s.ctx.Err() != nil {
			return
		}
	}
}

// start starts a process and configures all instances in it.
func (s *supervisor) start() (*running, error) {
	s.mu.Lock()
	env := slices.Clone(s.env)
	scrub := s.scrubber()
	s.mu.Unlock()
	run, err := s.host.launch(s.ctx, s.key, env, scrub)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	all := slices.Clone(s.instances)
	s.mu.Unlock()
	for _, i := range all {
		if err := i.configure(s.ctx, run); errors.Is(err, ErrUnavailable) || s.ctx.Err() != nil {
			fate := run.child.fate()
			return nil, errors.Join(fmt.Errorf("configure %s again: %w (%s)", i.name, err, fate), run.stop(s.ctx, s.host.hurry, false))
		}
		// Any other error is the instance's own: its calls say so, the others work.
	}
	return run, nil
}

// watch returns why the process is of no use any more, or nil when it is to be stopped.
func (s *supervisor) watch(run *running) error {
	ticker := time.NewTicker(s.host.health)
	defer ticker.Stop()
	for misses := 0; ; {
		select {
		case <-s.ctx.Done():
			return nil
		case <-run.child.exited:
			return errors.New(run.child.fate())
		case <-ticker.C:
		case <-s.poke:
			s.configureLost(run)
		}
		ctx, cancel := context.WithTimeout(s.ctx, min(healthWithin, s.host.health))
		err := run.plugin.Health(ctx)
		cancel()
		switch {
		case s.ctx.Err() != nil:
			return nil
		case err == nil && misses > 0:
			misses = 0
			s.set(StateReady, nil)
		case err != nil:
			if misses++; misses >= healthMisses {
				return fmt.Errorf("it did not answer %d health checks: %w", misses, err)
			}
			if run.child.exitedWithin(100 * time.Millisecond) {
				return errors.New(run.child.fate())
			}
			s.set(StateDegraded, err)
		}
	}
}

// finish ends the process; gently if that is why watch returned.
func (s *supervisor) finish(run *running) {
	gently := s.ctx.Err() != nil
	if gently {
		s.set(StateStopping, nil)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), healthWithin)
	defer cancel()
	s.stopErr = run.stop(ctx, s.host.hurry, gently)
	if s.stopErr != nil {
		s.log.Error().Err(s.stopErr).Int("pid", run.child.process.Pid).Msg("stop the plugin")
	}
}

// rest waits before the next start.
func (s *supervisor) rest(err error, wait time.Duration, hopeless bool) {
	event, state := s.log.Warn(), StateBackoff
	if hopeless {
		event, state = s.log.Error(), StateFailed
	}
	event.Err(err).Dur("retry_in", wait).Msg("the plugin's process ended, it will be started again")
	s.mu.Lock()
	s.state.Restarts++
	s.mu.Unlock()
	s.set(state, err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// publish lets calls through.
func (s *supervisor) publish(run *running) {
	s.mu.Lock()
	s.run = run
	run.child.log.scrub.Store(s.scrubber())
	s.state.PID, s.state.Version = run.child.process.Pid, run.info.Version
	missed := slices.DeleteFunc(slices.Clone(s.instances), func(i *instance) bool { return i.configuredIn() == run })
	s.mu.Unlock()
	for _, i := range missed { // they came while the others were configured
		_ = i.configure(s.ctx, run)
	}
	s.set(StateReady, nil)
	s.log.Info().Int("pid", run.child.process.Pid).Str("version", run.info.Version).Msg("the plugin is ready")
}

// withdraw stops letting calls through.
func (s *supervisor) withdraw() {
	s.mu.Lock()
	s.run, s.state.PID = nil, 0
	s.mu.Unlock()
}

// set changes the state and tells whoever wants to know.
func (s *supervisor) set(state State, err error) {
	s.mu.Lock()
	if s.state.State != state {
		s.state.State, s.state.Since = state, time.Now()
	}
	if err != nil {
		s.state.Error = err.Error()
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if s.host.options.OnState != nil {
		s.host.options.OnState(s.status())
	}
}

func (s *supervisor) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.state
	status.Instances = len(s.instances)
	return status
}

// ended tells whether the supervisor has nothing to supervise any more.
func (s *supervisor) ended() bool { return s.ctx.Err() != nil }

// ready waits for a process that works. It does not wait where there is little hope.
func (s *supervisor) ready(ctx context.Context) (*running, error) {
	ctx, cancel := context.WithTimeout(ctx, configureTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		run, state, changed := s.run, s.state, s.changed
		s.mu.Unlock()
		if run != nil {
			return run, nil
		}
		if state.State == StateFailed || s.ended() {
			return nil, unavailable(state)
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return nil, unavailable(state)
		}
	}
}

// unavailable says why calls do not get through.
func unavailable(s Status) error {
	text := fmt.Sprintf("%s plugin %q is %s", s.What, s.Kind, s.State)
	if s.Error != "" {
		text += " (" + s.Error + ")"
	}
	return fmt.Errorf("%s: %w", text, ErrUnavailable)
}

// look makes the supervisor look after its process now.
func (s *supervisor) look() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// setEnv sets the environment of the next start.
func (s *supervisor) setEnv(env []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && !slices.Equal(env, s.env) {
		s.log.Warn().Msg("the plugin's environment changed: it will count when its process is started again")
	}
	s.env = slices.Clone(env)
}

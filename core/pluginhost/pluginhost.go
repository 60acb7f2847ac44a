// Package pluginhost starts, supervises and calls plugin processes: one process for each kind, any number of
// instances in it. A process that crashes or no longer answers is started again and its instances are configured
// anew; nothing that a plugin says, prints or does may harm the engine.
package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Errors that callers tell apart.
var (
	// ErrUnavailable means that the plugin's process is not there now; it is being started again.
	ErrUnavailable = errors.New("the plugin is not available")
	// ErrInterrupted, which comes with ErrUnavailable, means that the call had begun: it may have had its effect.
	ErrInterrupted = errors.New("the plugin went away during the call")
)

// Options of a [Host].
type Options struct {
	Logger zerolog.Logger

	// RuntimeDir is where sockets live, in a private directory of their own; "": $RUNTIME_DIRECTORY or the directory
	// for temporary files. Its path must be short: those of unix sockets are limited to 107 bytes.
	RuntimeDir string

	// Command says how to start a plugin; what is "source" or "notifier". It is asked before each start.
	Command func(what, kind string) (path string, args []string, err error)

	// Checksum gives the SHA-256 that the program must have, in hexadecimal; "" for any. May be nil.
	Checksum func(what, kind string) string

	// OnState is called when the state of a process changes, from the goroutine that supervises it. May be nil.
	OnState func(Status)
}

// Host keeps the plugin processes.
type Host struct {
	options Options
	dir     *runtimeDir
	spawner *spawner
	starts  atomic.Uint64 // names directories
	ids     atomic.Uint64 // names instances
	hurry   chan struct{} // closed when a Close has no time left
	health  time.Duration // between two checks

	mu          sync.Mutex
	closed      bool
	supervisors map[key]*supervisor
	retired     []*supervisor // without users, perhaps still ending
}

type key struct {
	role plugin.Role
	kind string
}

// New makes a host. No process runs until somebody asks for a source or notifier.
func New(options Options) (*Host, error) {
	if options.Command == nil {
		return nil, errors.New("plugin host: Options.Command is missing: it says how plugins are started")
	}
	dir, err := newRuntimeDir(options.RuntimeDir)
	if err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	return &Host{
		options: options, dir: dir, spawner: newSpawner(), hurry: make(chan struct{}), supervisors: map[key]*supervisor{}, health: healthEvery,
	}, nil
}

// Close stops all processes at the same time and returns when they are gone: within 10 s, and earlier by force when
// ctx ends. Calls in flight have the time that stopping takes.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	all := slices.Clone(h.retired)
	for _, s := range h.supervisors {
		all = append(all, s)
	}
	h.mu.Unlock()
	for _, s := range all {
		s.cancel()
	}
	hurry := context.AfterFunc(ctx, func() { close(h.hurry) })
	defer hurry()
	var errs []error
	for _, s := range all {
		<-s.done // bounded: see running.stop
		errs = append(errs, s.stopErr)
	}
	h.spawner.close()
	errs = append(errs, h.dir.remove())
	return errors.Join(errs...)
}

// Processes lists the processes, by role and kind.
func (h *Host) Processes() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Status
	for _, s := range h.supervisors {
		all = append(all, s.status())
	}
	sortStatus(all)
	return all
}

// Schema asks the plugin which configuration it takes. The process is started for it if it does not run, and
// stopped again.
func (h *Host) Schema(ctx context.Context, what, kind string, env []string) (block schema.Block, err error) {
	err = h.briefly(ctx, key{plugin.Role(what), kind}, env, func(ctx context.Context, run *running) error {
		block, err = run.plugin.Schema(ctx)
		return err
	})
	if err != nil {
		return schema.Block{}, fmt.Errorf("schema of %s plugin %q: %w", what, kind, err)
	}
	return block, nil
}

// Validate asks the plugin what it thinks of a configuration, without keeping it. The error is a
// [schema.Diagnostics] where the configuration is to blame.
func (h *Host) Validate(ctx context.Context, what, kind string, settings json.RawMessage, env []string, secrets ...string) error {
	scrub := newScrubber(secrets)
	err := h.briefly(ctx, key{plugin.Role(what), kind}, env, func(ctx context.Context, run *running) error {
		diags, err := run.plugin.Validate(ctx, settings)
		if err != nil {
			return scrub.error(err)
		}
		return asError(scrub.diagnostics(diags))
	})
	var diags schema.Diagnostics
	if err != nil && !errors.As(err, &diags) {
		return fmt.Errorf("validate the configuration of %s plugin %q: %w", what, kind, err)
	}
	return err
}

// briefly calls do with a process that may be started for it.
func (h *Host) briefly(ctx context.Context, k key, env []string, do func(context.Context, *running) error) error {
	s, err := h.hold(ctx, k, env)
	if err != nil {
		return err
	}
	defer h.release(ctx, s)
	run, err := s.ready(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, configureTimeout)
	defer cancel()
	return do(ctx, run)
}

// hold returns the supervisor of a kind, with its process started; [Host.release] gives it back.
func (h *Host) hold(ctx context.Context, k key, env []string) (*supervisor, error) {
	if k.role != plugin.RoleSource && k.role != plugin.RoleNotifier {
		return nil, fmt.Errorf("%q is neither source nor notifier", k.role)
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, fmt.Errorf("start %s plugin %q: the host is closed: %w", k.role, k.kind, ErrUnavailable)
	}
	s := h.supervisors[k]
	if s == nil || s.ended() {
		s = newSupervisor(h, k)
		h.supervisors[k] = s
		s.setEnv(env)
		go s.supervise()
	} else {
		s.setEnv(env)
	}
	s.users++
	h.mu.Unlock()

	select {
	case <-s.started:
		if s.startErr == nil {
			return s, nil
		}
		h.release(ctx, s)
		return nil, fmt.Errorf("start %s plugin %q: %w", k.role, k.kind, s.startErr)
	case <-ctx.Done():
		h.release(ctx, s)
		return nil, fmt.Errorf("start %s plugin %q: %w", k.role, k.kind, ctx.Err())
	}
}

// release ends a process that nobody uses any more and waits for that as long as ctx lets it; [Host.Close] waits on.
func (h *Host) release(ctx context.Context, s *supervisor) {
	h.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		if h.supervisors[s.key] == s {
			delete(h.supervisors, s.key)
		}
		kept := h.retired[:0]
		for _, other := range h.retired {
			if !other.ended() {
				kept = append(kept, other)
			}
		}
		h.retired = append(kept, s)
	}
	h.mu.Unlock()
	if !last {
		return
	}
	s.cancel()
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

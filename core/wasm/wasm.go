// Package wasm runs rule modules: it checks them, meters them, compiles them once, and evaluates rules in instances that
// have no clock, no files, no network and no randomness of their own.
//
// A [Host] holds the runtime, a [Module] the compiled code, a [Rule] one configured rule. Rules of a module that says
// it is shared live in the same instance under handles. An instance that failed in any way is thrown away: the rule that
// failed gets an instance of its own from then on, the others go to a fresh one at their next evaluation.
package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
	"github.com/tetratelabs/wazero"
)

// Names of the two ways to run guest code.
const (
	engineCompiler    = "compiler"
	engineInterpreter = "interpreter"
)

// Options for [New].
type Options struct {
	CacheDir    string // compiled code, trusted as much as the program itself; "" for none
	Logger      zerolog.Logger
	Interpreter bool  // run without the compiler where native code cannot be made, some twenty times slower
	Memory      int64 // of all instances together, bytes: 4 GiB
	Keep        bool  // keep compiled modules until the host is closed, for one engine after another
	Verify      bool  // run every rule in two instances and compare: twice the time and memory, for rehearsals
}

// Host runs modules. Its methods may be called by several goroutines.
type Host struct {
	logger  zerolog.Logger
	runtime wazero.Runtime
	cache   *cache // nil: none
	engine  string
	memory  budget
	verify  bool
	keeps   bool

	mu struct {
		sync.Mutex
		code   map[string]*code // compiled modules by what was compiled
		kept   map[loadedAs]loaded
		closed bool
	}
}

// New prepares a runtime. Without native code (no executable memory, an unknown processor) it fails unless
// Options.Interpreter allows the slow engine: rules that are late are alerts that are missed.
func New(ctx context.Context, opts Options) (*Host, error) { return open(ctx, opts, Engine()) }

func open(ctx context.Context, opts Options, engine string) (*Host, error) {
	h := &Host{logger: opts.Logger, engine: engine, verify: opts.Verify, keeps: opts.Keep}
	h.memory.limit = 4 << 30
	if opts.Memory > 0 {
		h.memory.limit = uint64(opts.Memory)
	}
	h.mu.code, h.mu.kept = map[string]*code{}, map[loadedAs]loaded{}
	config := wazero.NewRuntimeConfigInterpreter()
	switch {
	case h.engine == engineCompiler:
		config = wazero.NewRuntimeConfigCompiler()
	case !opts.Interpreter:
		return nil, errors.New("this machine does not let native code be made for rule modules (executable memory is denied, or the processor is unknown): " +
			"allow it (systemd: MemoryDenyWriteExecute=no), or allow the slow interpreter")
	default:
		h.logger.Warn().Msg("rule modules are interpreted, some twenty times slower than compiled")
	}
	config = config.WithDebugInfoEnabled(false)
	if opts.CacheDir != "" {
		var err error
		if h.cache, err = openCache(opts.CacheDir); err != nil {
			return nil, err
		}
		config = config.WithCompilationCache(h.cache.compiled)
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	for _, m := range surface() {
		if err := m.define(ctx, h.runtime); err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the functions of rule modules: %w", err), h.Close(ctx))
		}
	}
	return h, nil
}

// Engine says how guest code runs: "compiler" or "interpreter".
func (h *Host) Engine() string { return h.engine }

// MemoryUsed is what the memories of all instances hold, in bytes.
func (h *Host) MemoryUsed() int64 { return int64(h.memory.used.Load()) }

// Close gives everything back. Rules and modules must be closed before, or be idle.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return nil
	}
	h.mu.closed = true
	err := h.runtime.Close(ctx)
	if h.cache != nil {
		err = errors.Join(err, h.cache.compiled.Close(ctx)) // must outlive the runtime
	}
	return err
}

// Engine tells how guest code would run on this machine: "compiler" or "interpreter". wazero itself falls back to the
// interpreter without a word.
func Engine() string {
	if compiles() {
		return engineCompiler
	}
	return engineInterpreter
}

// probe is a module with one function that returns 7.
var probe = []byte{
	0, 'a', 's', 'm', 1, 0, 0, 0,
	1, 5, 1, 0x60, 0, 1, 0x7f,
	3, 2, 1, 0,
	7, 5, 1, 1, 'f', 0, 0,
	10, 6, 1, 4, 0, 0x41, 7, 0x0b,
}

// compiles makes and runs a little native code: the only test that means something.
func compiles() (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer func() { _ = runtime.Close(ctx) }()
	mod, err := runtime.Instantiate(ctx, probe)
	if err != nil {
		return false
	}
	got, err := mod.ExportedFunction("f").Call(ctx)
	return err == nil && len(got) == 1 && uint32(got[0]) == 7
}

package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Module is a rule module that was checked and compiled.
type Module struct {
	host     *Host
	name     string
	sum      [sha256.Size]byte
	limits   Limits
	manifest abi.Manifest
	code     *code

	mu struct {
		sync.Mutex
		shared []*instance // that serve many rules
		next   uint32      // rule handle
		rules  int
		closed bool
	}
}

// code is what modules of the same bytes share.
type code struct {
	key      string
	compiled wazero.CompiledModule
	uses     int // guarded by Host.mu
}

// Load checks, meters and compiles a module. None of its code runs, except to ask it for its manifest where that is
// not in a custom section. Everything that is wrong with the module is in the error, whose class is [BadModule].
func (h *Host) Load(ctx context.Context, name string, wasm []byte, limits Limits) (*Module, error) {
	limits = limits.withDefaults()
	sum := sha256.Sum256(wasm)
	m := &Module{host: h, name: name, sum: sum, limits: limits}
	if h.recall(m) {
		return m, nil
	}
	bad := func(err error) error {
		return &Error{Class: BadModule, Module: name, Detail: err.Error()}
	}
	if len(wasm) > limits.ModuleBytes {
		return nil, bad(fmt.Errorf("the module has %d bytes, the limit is %d", len(wasm), limits.ModuleBytes))
	}
	parsed, err := meter.Parse(wasm)
	if err != nil {
		return nil, bad(err)
	}
	if err := parsed.Check(limits.policy()); err != nil {
		return nil, bad(err)
	}
	described, err := m.readManifest(parsed)
	if err != nil {
		return nil, bad(err)
	}
	var rewritten []byte
	if limits.Trusted {
		h.logger.Warn().Str("module", name).Msg("rule module is trusted: its code is not metered, nothing stops it when it loops for ever")
		rewritten, err = parsed.Strip()
	} else {
		rewritten, err = parsed.Meter(startFuel)
	}
	if err != nil {
		return nil, bad(err)
	}
	if m.code, err = h.compile(ctx, rewritten); err != nil {
		return nil, bad(err)
	}
	if !described {
		if err := m.describe(ctx); err != nil {
			return nil, errors.Join(bad(err), m.Close(ctx))
		}
	}
	h.keep(m)
	return m, nil
}

// ReadManifest returns the manifest of a module that carries it in a custom section, as those packed by
// "tocsin rule build" do. No code runs.
func ReadManifest(wasm []byte) (abi.Manifest, error) {
	parsed, err := meter.Parse(wasm)
	if err != nil {
		return abi.Manifest{}, err
	}
	data, ok := parsed.Custom(abi.ManifestSection)
	if !ok {
		return abi.Manifest{}, fmt.Errorf("the module has no section %s: make one with \"tocsin rule build FILE\"", abi.ManifestSection)
	}
	return abi.ParseManifest(data)
}

func (m *Module) readManifest(parsed *meter.Module) (found bool, err error) {
	data, ok := parsed.Custom(abi.ManifestSection)
	if !ok {
		if !parsed.HasExport(abi.ExportDescribe) {
			return false, fmt.Errorf("the module has neither a section %s nor an export %s", abi.ManifestSection, abi.ExportDescribe)
		}
		return false, nil
	}
	m.manifest, err = abi.ParseManifest(data)
	return true, err
}

// describe asks the module for its manifest in an instance that is thrown away.
func (m *Module) describe(ctx context.Context) error {
	in, err := m.instantiate(ctx)
	if err != nil {
		return err
	}
	defer in.close(ctx)
	data, err := in.describe()
	if err != nil {
		return err
	}
	m.manifest, err = abi.ParseManifest(data)
	return err
}

// CheckHash refuses a module whose sha256 is not want, in hexadecimal. "" wants nothing. What was checked must be what
// is loaded: the same bytes, not the same file.
func CheckHash(name string, code []byte, want string) error {
	if want == "" {
		return nil
	}
	sum := sha256.Sum256(code)
	if got := hex.EncodeToString(sum[:]); got != strings.ToLower(want) {
		return fmt.Errorf("rule module %s has sha256 %s, the configuration wants %s: it was changed, or the module block is out of date", name, got, want)
	}
	return nil
}

// Manifest is what the module says about itself.
func (m *Module) Manifest() abi.Manifest { return m.manifest }

// Hash is the sha256 of the module as it was given to Load, in hexadecimal.
func (m *Module) Hash() string { return hex.EncodeToString(m.sum[:]) }

// Close gives the compiled code back. The module's rules must be closed before.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed {
		return nil
	}
	if m.mu.rules > 0 {
		return fmt.Errorf("rule module %s is in use by %d rules", m.name, m.mu.rules)
	}
	m.mu.closed = true
	return m.host.forget(ctx, m.code)
}

var errCompilerPanic = errors.New("the compiler failed")

// compile returns compiled code, once for equal bytes. One module is compiled at a time.
func (h *Host) compile(ctx context.Context, wasm []byte) (*code, error) {
	sum := sha256.Sum256(wasm)
	key := string(sum[:])
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return nil, errors.New("the host is closed")
	}
	if c, ok := h.mu.code[key]; ok {
		c.uses++
		return c, nil
	}
	compiled, err := h.compileOnce(ctx, wasm)
	if h.cache.broken(err) {
		h.logger.Warn().Err(err).Msg("the cache of compiled rule modules is damaged: it is emptied, modules are compiled again")
		if err := h.cache.empty(); err != nil {
			return nil, err
		}
		compiled, err = h.compileOnce(ctx, wasm)
	}
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	c := &code{key: key, compiled: compiled, uses: 1}
	h.mu.code[key] = c
	return c, nil
}

func (h *Host) compileOnce(ctx context.Context, wasm []byte) (compiled wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errCompilerPanic, r)
		}
	}()
	compiled, err = h.runtime.CompileModule(ctx, wasm)
	if len(wasm) > largeModule {
		debug.FreeOSMemory()
	}
	return compiled, err
}

// largeModule is the size from which compiling, or reading compiled code, leaves so many megabytes of garbage that they
// are given back at once: it happens once a module, and the next collection may be far.
const largeModule = 512 << 10

func (h *Host) forget(ctx context.Context, c *code) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.uses--
	if c.uses > 0 || h.mu.closed {
		return nil
	}
	delete(h.mu.code, c.key)
	return c.compiled.Close(ctx)
}

// leave takes a rule off an instance, and closes the instance when nobody is left in it.
func (m *Module) leave(ctx context.Context, in *instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in.rules--
	if in.rules > 0 {
		return
	}
	m.mu.shared = slices.DeleteFunc(m.mu.shared, func(other *instance) bool { return other == in })
	in.mu.Lock()
	defer in.mu.Unlock()
	in.close(ctx)
}

package wasm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// phase is what the guest is being asked for: it decides what it may emit.
type phase uint8

const (
	idle phase = iota
	initializing
	describing
	configuring
	naming // being given the series
	evaluating
	snapshotting
	restoring
	dropping
)

// slot is a buffer of the guest that the host may write until it asks for another one.
type slot struct{ ptr, size uint32 }

// instance is one running copy of a module. All that a call needs stands here, so that a call allocates nothing.
type instance struct {
	module *Module
	ctx    context.Context //nolint:containedctx // what host functions find their instance by; made once, never cancelled
	rules  int             // that live here; guarded by Module.mu
	dead   atomic.Bool     // written under mu

	mu     sync.Mutex // one call at a time
	mod    api.Module
	memory memory
	fuel   counter
	slots  [abi.Slots]slot
	stack  [3]uint64
	guest  exports

	// The call that is running.
	phase   phase
	rule    *Rule  // nil: none
	budget  uint64 // of fuel
	emitted []byte
	parts   int
	message string // of fail
	broken  error  // the contract was broken in a way that the guest may not notice
	stderr  stream
	stdout  stream

	// What stands in for the world.
	now    int64 // Unix milliseconds
	ticks  int64 // nanoseconds of a clock that never stands still
	seed   [32]byte
	random *rand.ChaCha8 // made when the guest asks
}

// exports of the guest.
type exports struct{ buffer, configure, series, eval, snapshot, restore, drop, describe export }

// export is a function that can be called. It keeps the stack on which it runs, which grows and does not shrink.
type export struct {
	api.Function // nil: the module has none
	name         string
}

func exportOf(mod api.Module, name string) export { return export{mod.ExportedFunction(name), name} }

// deepFuel is from when on a call may have needed so much stack that it is given back: a few megabytes at worst, where
// a recursion that ends in good order may need a hundred, which the memory cap knows nothing of. Below it a new stack
// would cost more than is noticed of it.
const deepFuel = 1 << 18

type instanceKey struct{}

// caller returns the instance that calls a host function: wazero hands on nothing but the context.
func caller(ctx context.Context) *instance {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	return in
}

// instantiate makes an instance and runs its initialization.
func (m *Module) instantiate(ctx context.Context) (in *instance, err error) {
	in = &instance{module: m, memory: memory{limit: uint64(m.limits.Memory), total: &m.host.memory}, phase: initializing, budget: initFuel}
	in.seed = seedOf(m.Hash(), 0)
	// Whoever asks for the instance may give up, the instance must not end with that.
	in.ctx = context.WithValue(context.WithoutCancel(ctx), instanceKey{}, in)
	defer func() {
		if r := recover(); r != nil { // also where there is no memory to begin with
			err = in.unborn(fmt.Errorf("make an instance: %v", r))
		}
		if err != nil {
			in.close(ctx)
			in = nil
		}
	}()
	in.mod, err = m.host.runtime.InstantiateModule(experimental.WithMemoryAllocator(in.ctx, &in.memory), m.code.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return in, in.unborn(failed(Trap, "the start function failed (it may spend %d fuel): %s", startFuel, firstLine(err.Error())))
	}
	if !m.limits.Trusted {
		if in.fuel, err = counterOf(in.mod); err != nil {
			return in, err
		}
	}
	in.guest.buffer = exportOf(in.mod, abi.ExportBuffer)
	in.guest.configure = exportOf(in.mod, abi.ExportConfigure)
	in.guest.series = exportOf(in.mod, abi.ExportSeries)
	in.guest.eval = exportOf(in.mod, abi.ExportEval)
	in.guest.snapshot = exportOf(in.mod, abi.ExportSnapshot)
	in.guest.restore = exportOf(in.mod, abi.ExportRestore)
	in.guest.drop = exportOf(in.mod, abi.ExportDrop)
	in.guest.describe = exportOf(in.mod, abi.ExportDescribe)
	if start := in.mod.ExportedFunction("_initialize"); start != nil {
		in.refuel(initFuel)
		if err := start.CallWithStack(in.ctx, in.stack[:]); err != nil {
			return in, in.classify(err)
		}
	}
	in.phase = idle
	return in, nil
}

// unborn says why an instance could not be made.
func (in *instance) unborn(err error) error {
	if in.memory.refused > 0 {
		return failed(MemoryLimit, "start with %s: that is beyond %s", bytesText(int64(in.memory.wanted)), in.memory.bound())
	}
	return err
}

// close ends the instance. Only who may call it may close it.
func (in *instance) close(ctx context.Context) {
	in.dead.Store(true)
	if in.mod != nil {
		if err := in.mod.Close(ctx); err != nil {
			in.module.host.logger.Warn().Err(err).Str("module", in.module.name).Msg("close an instance of a rule module")
		}
		in.mod, in.guest = nil, exports{} // others may hold on to the instance, not to stacks
	}
	in.memory.Free()
}

func (in *instance) refuel(budget uint64) {
	in.budget = budget
	in.fuel.set(budget)
}

// left is what remains of the budget.
func (in *instance) left() uint64 {
	if !in.fuel.metered() {
		return in.budget
	}
	return uint64(max(0, in.fuel.left()))
}

// spend takes fuel for what the host does on the guest's behalf. The guest stops at its next payment.
func (in *instance) spend(fuel uint64) { in.fuel.take(fuel) }

// begin prepares for the calls of one evaluation, configuration or description.
func (in *instance) begin(p phase, r *Rule, budget uint64) {
	in.phase, in.rule = p, r
	in.emitted, in.parts = in.emitted[:0], 0
	in.message, in.broken = "", nil
	in.memory.refused, in.memory.crowded = 0, false
	in.stderr.reset()
	in.stdout.reset()
	in.refuel(budget)
}

// call runs an export and returns its status.
func (in *instance) call(f *export, args ...uint64) (int32, error) {
	n := copy(in.stack[:], args)
	if err := f.CallWithStack(in.ctx, in.stack[:max(n, 1)]); err != nil {
		return 0, in.classify(err)
	}
	if in.budget-in.left() > deepFuel {
		*f = exportOf(in.mod, f.name)
	}
	if in.broken != nil {
		return 0, in.broken
	}
	return api.DecodeI32(in.stack[0]), nil // the upper half of the word may hold rubbish
}

// status turns a status below zero into an error.
func (in *instance) status(export string, code int32) error {
	s := abi.StatusCode(code)
	said := quoted(in.lastWords())
	switch {
	case s == abi.OK, s == abi.NoVerdict && in.phase == evaluating:
		return nil
	case s == abi.OutOfFuel:
		return failed(FuelExhausted, "fuel exhausted (budget %d): the guest stopped in good order%s", in.budget, said)
	case s == abi.OutOfMemory:
		return failed(MemoryLimit, "out of memory (cap %s)%s", bytesText(in.module.limits.Memory), said)
	case code < 0:
		return failed(GuestFailed, "%s: %s%s", export, s, said)
	}
	return failed(BadResult, "%s returned %d, which is not a status", export, code)
}

// buffer returns the guest's memory for a slot, at least size bytes of it. The view ends with the next call of the guest.
func (in *instance) buffer(number uint32, size uint64) (ptr uint32, view []byte, err error) {
	if limit := uint64(in.module.limits.Memory); size > limit {
		return 0, nil, failed(MemoryLimit, "%s to send, the memory cap is %s: narrow the selector or the window, or give the module more memory",
			bytesText(int64(size)), bytesText(int64(limit)))
	}
	s := in.slots[number]
	if s.ptr == 0 || uint64(s.size) < size {
		got, err := in.call(&in.guest.buffer, uint64(number), size)
		if err != nil {
			return 0, nil, err
		}
		s = slot{uint32(got), uint32(size)}
		if err := in.checkSlot(number, s); err != nil {
			return 0, nil, err
		}
		in.slots[number] = s
	}
	view, ok := in.mod.Memory().Read(s.ptr, uint32(size))
	if !ok {
		return 0, nil, failed(BadResult, "slot %d is outside the guest's memory", number)
	}
	return s.ptr, view, nil
}

func (in *instance) checkSlot(number uint32, s slot) error {
	end := uint64(s.ptr) + uint64(s.size)
	switch {
	case s.ptr == 0 && in.memory.refused > 0:
		return failed(MemoryLimit, "the guest has no memory for %d bytes: growth beyond %s was refused", s.size, in.memory.bound())
	case s.ptr == 0:
		return failed(MemoryLimit, "the guest has no memory for %d bytes", s.size)
	case s.ptr%8 != 0:
		return failed(BadResult, "%s(%d, %d) returned %d, which is not a multiple of 8", abi.ExportBuffer, number, s.size, s.ptr)
	case end > uint64(in.mod.Memory().Size()):
		return failed(BadResult, "%s(%d, %d) returned %d, which is outside the guest's memory of %d bytes", abi.ExportBuffer, number, s.size, s.ptr, in.mod.Memory().Size())
	}
	for i, other := range in.slots {
		if uint32(i) != number && other.size > 0 && uint64(other.ptr) < end && uint64(s.ptr) < uint64(other.ptr)+uint64(other.size) {
			return failed(BadResult, "%s(%d, %d) returned %d, which overlaps slot %d", abi.ExportBuffer, number, s.size, s.ptr, i)
		}
	}
	return nil
}

func (in *instance) describe() ([]byte, error) {
	in.begin(describing, nil, initFuel)
	code, err := in.call(&in.guest.describe)
	if err == nil {
		err = in.status(abi.ExportDescribe, code)
	}
	return in.emitted, err
}

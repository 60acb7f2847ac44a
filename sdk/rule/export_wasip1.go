package rule

import (
	"errors"
	"runtime"
	"unsafe"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// The guest's side of the ABI. Everything here is used by one call at a time.
var guest struct {
	slots    [abi.Slots][]uint64 // without pointers: the collector does not look into samples
	sessions map[int32]*Session
}

//go:wasmimport tocsin_v1 emit
func hostEmit(kind int32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport tocsin_v1 fail
func hostFail(code int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport tocsin_v1 log
func hostLog(level int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport tocsin_v1 log_enabled
func hostLogEnabled(level int32) int32

//go:wasmimport tocsin_v1 host_info
func hostInfo(field int32) int64

//go:wasmimport tocsin_v1 fuel_left
func hostFuelLeft() int64

//go:wasmexport tocsin_abi_v1
func exportMarker() {}

//go:wasmexport tocsin_buffer
func exportBuffer(slot, size int32) int32 {
	if uint32(slot) >= abi.Slots {
		return 0
	}
	words := (int(uint32(size)) + 7) / 8
	if cap(guest.slots[slot]) < words {
		guest.slots[slot] = nil // before the new one is made
		guest.slots[slot] = make([]uint64, words+words/8+8)
	}
	return int32(uintptr(unsafe.Pointer(&guest.slots[slot][0])))
}

//go:wasmexport tocsin_configure
func exportConfigure(rule, ptr, size int32) (status int32) {
	defer recovered(&status)
	if registered == nil {
		return fail(abi.Internal, "no rule is registered: call rule.Register from an init function")
	}
	s, err := NewSession(registered(), block(ptr, size))
	if err != nil {
		return fail(abi.BadConfig, err.Error())
	}
	s.MaxBytes, s.MaxAlerts = int(hostInfo(abi.InfoMaxEmit)), int(hostInfo(abi.InfoMaxAlerts))
	if guest.sessions == nil {
		guest.sessions = map[int32]*Session{}
	}
	guest.sessions[rule] = s
	return int32(abi.OK)
}

//go:wasmexport tocsin_series
func exportSeries(rule, ptr, size int32) (status int32) {
	defer recovered(&status)
	s := guest.sessions[rule]
	if s == nil {
		return fail(abi.Internal, "this rule is not configured")
	}
	if err := s.Series(block(ptr, size)); err != nil {
		return fail(abi.BadInput, err.Error())
	}
	return int32(abi.OK)
}

//go:wasmexport tocsin_eval
func exportEval(rule, ptr, size int32) (status int32) {
	defer recovered(&status)
	s := guest.sessions[rule]
	if s == nil {
		return fail(abi.Internal, "this rule is not configured")
	}
	code, err := s.Eval(block(ptr, size))
	if err != nil {
		return fail(code, err.Error())
	}
	if code != abi.OK {
		return int32(code)
	}
	if s.Dropped() > 0 {
		Log(LevelWarn, typeName(s.rule)+": too many verdicts, the last ones were dropped")
	}
	if result := s.Result(); hostEmit(abi.EmitResult, unsafe.Pointer(&result[0]), uint32(len(result))) != abi.EmitOK {
		return fail(abi.Internal, "the result was refused")
	}
	return int32(abi.OK)
}

//go:wasmexport tocsin_snapshot
func exportSnapshot(rule int32) (status int32) {
	defer recovered(&status)
	s := guest.sessions[rule]
	if s == nil {
		return fail(abi.Internal, "this rule is not configured")
	}
	state, err := s.Snapshot()
	if err != nil {
		return fail(abi.Internal, err.Error())
	}
	if len(state) > 0 && hostEmit(abi.EmitState, unsafe.Pointer(&state[0]), uint32(len(state))) != abi.EmitOK {
		return fail(abi.Internal, "the state was refused")
	}
	return int32(abi.OK)
}

// exportRestore hands a fresh rule its state. One that fails is gone: the host configures it anew.
//
//go:wasmexport tocsin_restore
func exportRestore(rule, ptr, size int32) (status int32) {
	defer recovered(&status)
	s := guest.sessions[rule]
	if s == nil {
		return fail(abi.Internal, "this rule is not configured")
	}
	delete(guest.sessions, rule) // a panic, too, leaves no half of a state behind
	err := s.Restore(block(ptr, size))
	switch {
	case errors.Is(err, errStateless):
		guest.sessions[rule] = s
		return fail(abi.Unsupported, err.Error())
	case err != nil:
		return fail(abi.BadInput, err.Error())
	}
	guest.sessions[rule] = s
	return int32(abi.OK)
}

//go:wasmexport tocsin_drop
func exportDrop(rule int32) int32 {
	delete(guest.sessions, rule)
	return int32(abi.OK)
}

// block is what the host wrote at ptr, which is the address of a slot.
func block(ptr, size int32) []byte {
	for _, slot := range guest.slots {
		if len(slot) > 0 && int32(uintptr(unsafe.Pointer(&slot[0]))) == ptr && int(uint32(size)) <= 8*len(slot) {
			return unsafe.Slice((*byte)(unsafe.Pointer(&slot[0])), int(uint32(size)))
		}
	}
	return nil
}

func fail(code abi.StatusCode, message string) int32 {
	if message != "" {
		hostFail(int32(code), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
	}
	return int32(code)
}

// recovered turns a panic into an error with words.
func recovered(status *int32) {
	switch r := recover().(type) {
	case nil:
	case runtime.Error:
		*status = fail(abi.Internal, "panic: "+r.Error())
	case error:
		*status = fail(abi.Internal, "panic: "+r.Error())
	case string:
		*status = fail(abi.Internal, "panic: "+r)
	default:
		*status = fail(abi.Internal, "panic")
	}
}

// Main is the main function of a rule module. In a guest it never runs.
func Main() {}

// Log writes a line to the engine's log. Too many lines are dropped.
func Log(level Level, message string) {
	if message != "" && hostLogEnabled(int32(level)) != 0 {
		hostLog(int32(level), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
	}
}

// FuelLeft is what remains of the budget of this evaluation.
func FuelLeft() int64 { return hostFuelLeft() }

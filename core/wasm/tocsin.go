package wasm

import (
	"strings"

	"github.com/rs/zerolog"
	"github.com/tetratelabs/wazero/api"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

var tocsinFuncs = []hostFunc{
	{"emit", []api.ValueType{vi32, vi32, vi32}, []api.ValueType{vi32}, hostEmit},
	{"fail", []api.ValueType{vi32, vi32, vi32}, nil, hostFail},
	{"log", []api.ValueType{vi32, vi32, vi32}, nil, hostLog},
	{"log_enabled", []api.ValueType{vi32}, []api.ValueType{vi32}, hostLogEnabled},
	{"host_info", []api.ValueType{vi32}, []api.ValueType{vi64}, hostInfo},
	{"fuel_left", nil, []api.ValueType{vi64}, func(in *instance, stack []uint64) { stack[0] = in.left() }},
}

// view returns guest memory; ok is false when the range leaves it. wazero computes with 64 bits.
func (in *instance) view(ptr, n uint64) ([]byte, bool) {
	if in.mod == nil { // a start function: the instance does not exist yet
		return nil, false
	}
	if uint32(n) == 0 {
		return nil, uint64(uint32(ptr)) <= uint64(in.mod.Memory().Size())
	}
	return in.mod.Memory().Read(uint32(ptr), uint32(n))
}

func hostEmit(in *instance, stack []uint64) {
	stack[0] = api.EncodeI32(in.emit(int32(uint32(stack[0])), stack[1], stack[2]))
}

func (in *instance) emit(kind int32, ptr, n uint64) int32 {
	switch {
	case in.phase == evaluating && kind == abi.EmitResult:
	case in.phase == snapshotting && kind == abi.EmitState:
	case in.phase == describing && kind == abi.EmitManifest:
	default:
		return abi.EmitWrongPhase
	}
	b, ok := in.view(ptr, n)
	if !ok {
		in.breach("emit: %d bytes at %d are not in the guest's memory", uint32(n), uint32(ptr))
		return abi.EmitBadRange
	}
	in.parts++
	if most := in.maxEmit(); len(in.emitted)+len(b) > most || in.parts > maxEmitParts {
		in.breach("emit: more than %s, or more than %d parts", bytesText(int64(most)), maxEmitParts)
		return abi.EmitTooMuch
	}
	in.emitted = append(in.emitted, b...)
	return abi.EmitOK
}

// maxEmit is how many bytes the guest may emit in all.
func (in *instance) maxEmit() int {
	if in.phase == snapshotting {
		return in.module.maxState()
	}
	return in.module.limits.EmitBytes
}

// breach notes that the contract was broken: a result with a piece missing must not pass for one.
func (in *instance) breach(format string, args ...any) {
	if in.broken == nil {
		in.broken = failed(BadResult, format, args...)
	}
}

func hostFail(in *instance, stack []uint64) {
	n := min(uint32(stack[2]), maxFailBytes)
	b, ok := in.view(stack[1], uint64(n))
	if !ok {
		in.message = "(a message outside the guest's memory)"
		return
	}
	in.spend(uint64(n))
	in.message = strings.ToValidUTF8(string(b), "?")
}

func hostLog(in *instance, stack []uint64) {
	n := min(uint64(uint32(stack[2])), uint64(in.module.limits.LogBytes))
	b, ok := in.view(stack[1], n)
	if !ok {
		return
	}
	in.log(levelOf(int32(uint32(stack[0]))), b)
}

func hostLogEnabled(in *instance, stack []uint64) {
	level := levelOf(int32(uint32(stack[0])))
	enabled := in.rule != nil && level >= in.rule.logger.GetLevel() && level >= zerolog.GlobalLevel()
	stack[0] = 0
	if enabled {
		stack[0] = 1
	}
}

func levelOf(level int32) zerolog.Level {
	switch {
	case level <= abi.LogDebug:
		return zerolog.DebugLevel
	case level == abi.LogInfo:
		return zerolog.InfoLevel
	case level == abi.LogWarn:
		return zerolog.WarnLevel
	}
	return zerolog.ErrorLevel
}

// log writes a line of the guest, unless it writes too many.
func (in *instance) log(level zerolog.Level, line []byte) {
	r := in.rule
	if r == nil || level < r.logger.GetLevel() {
		return
	}
	if !r.logs.Allow() {
		r.dropped++
		return
	}
	event := r.logger.WithLevel(level).Str("from", "guest")
	if r.dropped > 0 {
		event = event.Int("dropped_lines", r.dropped)
		r.dropped = 0
	}
	event.Msg(strings.ToValidUTF8(string(line), "?"))
}

// flush logs what the guest wrote to its standard streams.
func (in *instance) flush() {
	for _, s := range []struct {
		level zerolog.Level
		text  *stream
	}{{zerolog.InfoLevel, &in.stdout}, {zerolog.WarnLevel, &in.stderr}} {
		if len(s.text.last) > 0 {
			in.log(s.level, s.text.last[:min(len(s.text.last), in.module.limits.LogBytes)])
			s.text.reset()
		}
	}
}

func hostInfo(in *instance, stack []uint64) {
	limits := in.module.limits
	switch int32(uint32(stack[0])) {
	case abi.InfoMinor:
		stack[0] = abi.Minor
	case abi.InfoMaxEmit:
		stack[0] = uint64(in.maxEmit())
	case abi.InfoMaxAlerts:
		stack[0] = uint64(limits.Alerts)
	case abi.InfoMemoryCap:
		stack[0] = uint64(limits.Memory)
	case abi.InfoFuelBudget:
		stack[0] = in.budget
	case abi.InfoRuleID:
		stack[0] = 0
		if in.rule != nil {
			stack[0] = in.rule.hash
		}
	default: // feature bits: none yet; and what a later minor version may ask
		stack[0] = 0
	}
}

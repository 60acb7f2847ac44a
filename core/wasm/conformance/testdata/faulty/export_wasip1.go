package main

import (
	"unsafe"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

//go:wasmimport tocsin_v1 emit
func hostEmit(kind int32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport tocsin_v1 host_info
func hostInfo(field int32) int64

//go:wasmexport tocsin_abi_v1
func exportMarker() {}

//go:wasmexport tocsin_describe
func exportDescribe() int32 {
	text := described()
	return hostEmit(abi.EmitManifest, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

//go:wasmexport tocsin_buffer
func exportBuffer(slot, size int32) int32 { return int32(buffer(slot, size)) }

//go:wasmexport tocsin_configure
func exportConfigure(rule, ptr, size int32) int32 { return int32(configure(rule, view(ptr, size))) }

//go:wasmexport tocsin_series
func exportSeries(rule, ptr, size int32) int32 {
	s := find(rule)
	if s == nil {
		return int32(abi.Internal)
	}
	return int32(series(s, view(ptr, size)))
}

//go:wasmexport tocsin_eval
func exportEval(rule, ptr, size int32) int32 {
	s := find(rule)
	if s == nil {
		return int32(abi.Internal)
	}
	if s.table == nil && has("eager") {
		return int32(abi.OK)
	}
	code, result := eval(s, view(ptr, size), hostInfo(abi.InfoMaxAlerts), hostInfo(abi.InfoMaxEmit))
	if code != abi.OK {
		return int32(code)
	}
	hostEmit(abi.EmitResult, unsafe.Pointer(&result[0]), uint32(len(result)))
	return int32(code)
}

//go:wasmexport tocsin_snapshot
func exportSnapshot(rule int32) int32 {
	s := find(rule)
	if s == nil {
		return int32(abi.Internal)
	}
	if state := snapshot(s); len(state) > 0 {
		hostEmit(abi.EmitState, unsafe.Pointer(&state[0]), uint32(len(state)))
	}
	return int32(abi.OK)
}

//go:wasmexport tocsin_restore
func exportRestore(rule, ptr, size int32) int32 {
	s := find(rule)
	if s == nil {
		return int32(abi.Internal)
	}
	return int32(restore(s, view(ptr, size)))
}

//go:wasmexport tocsin_drop
func exportDrop(rule int32) int32 {
	drop(rule)
	return int32(abi.OK)
}

package abi

// Version 1 of the contract: the import module's name and the marker export carry the major number.
const (
	Major        = 1
	Minor        = 0
	ImportModule = "tocsin_v1"
)

// Exports of a rule module.
const (
	ExportMarker    = "tocsin_abi_v1"    // () never called, says which version the module speaks
	ExportDescribe  = "tocsin_describe"  // () -> i32, emits the manifest; only where the custom section is absent
	ExportBuffer    = "tocsin_buffer"    // (slot, size) -> pointer
	ExportConfigure = "tocsin_configure" // (rule, ptr, len) -> status
	ExportSeries    = "tocsin_series"    // (rule, ptr, len) -> status
	ExportEval      = "tocsin_eval"      // (rule, ptr, len) -> status
	ExportSnapshot  = "tocsin_snapshot"  // (rule) -> status
	ExportRestore   = "tocsin_restore"   // (rule, ptr, len) -> status
	ExportDrop      = "tocsin_drop"      // (rule) -> status
	ExportMemory    = "memory"
)

// ManifestSection is the custom section that holds the manifest as JSON.
const ManifestSection = "tocsin.manifest"

// Slots: buffers that the guest owns and the host writes.
const (
	SlotParams uint32 = iota
	SlotSeries
	SlotWindow
	SlotState
	Slots
)

// UIDScheme numbers the way in which series and groups are named in what rules remember: 1 is the hash of their labels,
// see frame.Labels.Hash.
const UIDScheme = 1

// MaxStateBytes is the most that a rule's state may have, and what it may have where the manifest does not say.
const MaxStateBytes = 1 << 20

// What a guest may emit.
const (
	EmitResult   int32 = 1
	EmitState    int32 = 2
	EmitManifest int32 = 3
)

// What emit returns.
const (
	EmitOK         int32 = 0
	EmitWrongPhase int32 = -1 // this kind is not expected from this export
	EmitBadRange   int32 = -2 // the range is not in the guest's memory
	EmitTooMuch    int32 = -3 // over the limit, or too many parts
)

// StatusCode is what an export returns.
type StatusCode int32

// Status codes.
const (
	OK          StatusCode = 0
	NoVerdict   StatusCode = 1 // insufficient data: the host keeps the states it has
	BadConfig   StatusCode = -1
	Internal    StatusCode = -2
	Unsupported StatusCode = -3
	OutOfMemory StatusCode = -4
	BadInput    StatusCode = -5
	OutOfFuel   StatusCode = -6
)

func (s StatusCode) String() string {
	switch s {
	case OK:
		return "ok"
	case NoVerdict:
		return "no verdict"
	case BadConfig:
		return "bad configuration"
	case Internal:
		return "internal error"
	case Unsupported:
		return "unsupported"
	case OutOfMemory:
		return "out of memory"
	case BadInput:
		return "bad input"
	case OutOfFuel:
		return "stopped for lack of fuel"
	}
	return "unknown status"
}

// Fields that host_info answers.
const (
	InfoMinor int32 = iota
	InfoFeatures
	InfoMaxEmit
	InfoMaxAlerts
	InfoMemoryCap
	InfoFuelBudget
	InfoRuleID
)

// Levels of log, as http-wasm numbers them.
const (
	LogDebug int32 = -1
	LogInfo  int32 = 0
	LogWarn  int32 = 1
	LogError int32 = 2
)

// Flags of a dictionary block.
const (
	DictionaryAppendOnly uint32 = 1 // the series of the previous generation kept their indexes
	DictionaryFull       uint32 = 2 // all series are in the block
)

// NoIndex stands for "not a series" and for "not in the previous generation".
const NoIndex = ^uint32(0)

package meter

// Opcodes that the rewriter treats one by one.
const (
	opUnreachable  byte = 0x00
	opNop          byte = 0x01
	opBlock        byte = 0x02
	opLoop         byte = 0x03
	opIf           byte = 0x04
	opElse         byte = 0x05
	opEnd          byte = 0x0b
	opBr           byte = 0x0c
	opBrIf         byte = 0x0d
	opBrTable      byte = 0x0e
	opReturn       byte = 0x0f
	opCall         byte = 0x10
	opCallIndirect byte = 0x11
	opDrop         byte = 0x1a
	opSelect       byte = 0x1b
	opSelectTyped  byte = 0x1c
	opLocalGet     byte = 0x20
	opLocalSet     byte = 0x21
	opLocalTee     byte = 0x22
	opGlobalGet    byte = 0x23
	opGlobalSet    byte = 0x24
	opTableGet     byte = 0x25
	opTableSet     byte = 0x26
	opMemorySize   byte = 0x3f
	opMemoryGrow   byte = 0x40
	opI32Const     byte = 0x41
	opI64Const     byte = 0x42
	opF32Const     byte = 0x43
	opF64Const     byte = 0x44
	opI64LtS       byte = 0x53
	opI64Add       byte = 0x7c
	opI64Sub       byte = 0x7d
	opI64Mul       byte = 0x7e
	opI64ShrU      byte = 0x88
	opExtendU      byte = 0xad // i64.extend_i32_u
	opRefNull      byte = 0xd0
	opRefIsNull    byte = 0xd1
	opRefFunc      byte = 0xd2
	opMisc         byte = 0xfc
	opVector       byte = 0xfd

	miscMemoryInit byte = 8
	miscDataDrop   byte = 9
	miscMemoryCopy byte = 10
	miscMemoryFill byte = 11
	miscTableInit  byte = 12
	miscElemDrop   byte = 13
	miscTableCopy  byte = 14
	miscTableGrow  byte = 15
	miscTableSize  byte = 16
	miscTableFill  byte = 17

	vecConst   byte = 0x0c
	vecShuffle byte = 0x0d

	blockEmpty = 0x40
)

// plain tells whether op is an instruction of version 2 without immediates.
func plain(op byte) bool {
	switch {
	case op == opUnreachable, op == opNop, op == opReturn:
		return true
	case op == opDrop, op == opSelect:
		return true
	case op >= 0x45 && op <= 0xc4: // comparisons, arithmetic, conversions, sign extension
		return true
	}
	return op == opRefIsNull
}

// price is what an instruction costs, besides what depends on its immediates.
func price(op byte) uint64 {
	switch {
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // i32 and i64: div_s, div_u, rem_s, rem_u
		return priceDivide
	case op == 0x91, op == 0x95, op == 0x9f, op == 0xa3: // f32 and f64: sqrt, div
		return priceDivide
	}
	return 1
}

// vectorDivides tells whether a vector instruction is slow: f32x4 and f64x2: sqrt, div.
func vectorDivides(op byte) bool { return op == 0xe3 || op == 0xe7 || op == 0xef || op == 0xf3 }

// load tells whether op is a load or store of one number.
func load(op byte) bool { return op >= 0x28 && op <= 0x3e }

// vectorKind is what follows a vector opcode.
type vectorKind byte

const (
	vectorUnknown vectorKind = iota
	vectorPlain
	vectorMemory     // memarg
	vectorMemoryLane // memarg, lane
	vectorLane       // lane
	vectorBytes      // 16 bytes
)

// vectorHoles are the numbers between 0x60 and 0xff that version 2 leaves free.
var vectorHoles = map[byte]bool{
	0x9a: true, 0xa2: true, 0xa5: true, 0xa6: true, 0xaf: true, 0xb0: true, 0xb2: true, 0xb3: true, 0xb4: true, 0xbb: true,
	0xc2: true, 0xc5: true, 0xc6: true, 0xcf: true, 0xd0: true, 0xd2: true, 0xd3: true, 0xd4: true, 0xe2: true, 0xee: true,
}

func vector(op byte) vectorKind {
	switch {
	case op <= 0x0b, op == 0x5c, op == 0x5d:
		return vectorMemory
	case op == vecConst, op == vecShuffle:
		return vectorBytes
	case op >= 0x15 && op <= 0x22:
		return vectorLane
	case op >= 0x54 && op <= 0x5b:
		return vectorMemoryLane
	case vectorHoles[op]:
		return vectorUnknown
	}
	return vectorPlain
}

package wat

import (
	"maps"
	"strings"
)

// opcodes of instructions, with what follows them.
var opcodes = numberOpcodes()

// shape is what follows an opcode.
type shape byte

const (
	none shape = iota
	memarg
	local
	global
	function
	label
	table
	dataIndex
	elemIndex
	constI32
	constI64
	constF64
	reftype
	zero     // a reserved byte
	zeroZero // two
	initMemory
	initTable
	copyTable
	indirect
	labels
)

type opcode struct {
	code  []byte
	shape shape
}

// special are the instructions that take something.
var special = map[string]opcode{
	"unreachable": {[]byte{0x00}, none}, "nop": {[]byte{0x01}, none}, "br": {[]byte{0x0c}, label}, "br_if": {[]byte{0x0d}, label},
	"br_table": {[]byte{0x0e}, labels}, "return": {[]byte{0x0f}, none}, "call": {[]byte{0x10}, function},
	"call_indirect": {[]byte{0x11}, indirect}, "drop": {[]byte{0x1a}, none}, "select": {[]byte{0x1b}, none},
	"local.get": {[]byte{0x20}, local}, "local.set": {[]byte{0x21}, local}, "local.tee": {[]byte{0x22}, local},
	"global.get": {[]byte{0x23}, global}, "global.set": {[]byte{0x24}, global},
	"table.get": {[]byte{0x25}, table}, "table.set": {[]byte{0x26}, table},
	"memory.size": {[]byte{0x3f}, zero}, "memory.grow": {[]byte{0x40}, zero},
	"i32.const": {[]byte{0x41}, constI32}, "i64.const": {[]byte{0x42}, constI64}, "f64.const": {[]byte{0x44}, constF64},
	"ref.null": {[]byte{0xd0}, reftype}, "ref.is_null": {[]byte{0xd1}, none}, "ref.func": {[]byte{0xd2}, function},
	"memory.init": {[]byte{0xfc, 8}, initMemory}, "data.drop": {[]byte{0xfc, 9}, dataIndex},
	"memory.copy": {[]byte{0xfc, 10}, zeroZero}, "memory.fill": {[]byte{0xfc, 11}, zero},
	"table.init": {[]byte{0xfc, 12}, initTable}, "elem.drop": {[]byte{0xfc, 13}, elemIndex}, "table.copy": {[]byte{0xfc, 14}, copyTable},
	"table.grow": {[]byte{0xfc, 15}, table}, "table.size": {[]byte{0xfc, 16}, table}, "table.fill": {[]byte{0xfc, 17}, table},
}

// Instructions without immediates and those on memory, by ascending opcode.
const (
	memoryFrom = 0x28
	memoryOps  = `i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u
		i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u
		i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32`
	plainFrom = 0x45
	plainOps  = `i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u
		i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u
		f32.eq f32.ne f32.lt f32.gt f32.le f32.ge f64.eq f64.ne f64.lt f64.gt f64.le f64.ge
		i32.clz i32.ctz i32.popcnt i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u
		i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr
		i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u
		i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr
		f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign
		f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign
		i32.wrap_i64 i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u
		i64.extend_i32_s i64.extend_i32_u i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u
		f32.convert_i32_s f32.convert_i32_u f32.convert_i64_s f32.convert_i64_u f32.demote_f64
		f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s f64.convert_i64_u f64.promote_f32
		i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64
		i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s`
)

func numberOpcodes() map[string]opcode {
	all := maps.Clone(special)
	for i, name := range strings.Fields(memoryOps) {
		all[name] = opcode{[]byte{byte(memoryFrom + i)}, memarg}
	}
	for i, name := range strings.Fields(plainOps) {
		all[name] = opcode{[]byte{byte(plainFrom + i)}, none}
	}
	return all
}

var valueTypes = map[string]byte{
	"i32": 0x7f, "i64": 0x7e, "f32": 0x7d, "f64": 0x7c, "v128": 0x7b, "funcref": 0x70, "externref": 0x6f,
	"func": 0x70, "extern": 0x6f, // as ref.null spells them
}

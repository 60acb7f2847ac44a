package meter

import (
	"errors"
	"fmt"
)

// function rewrites one body.
//
// A region is a piece of the body that is paid for as a whole, where it begins. Every way to an instruction passes the
// beginning of its region first: a region is opened at the function's entry, at each loop header, and in bodies that
// are large where a block ends that is branched to. Only entries and loop headers look at the counter: what lies
// between two of them runs forward and is therefore bounded by the size of the body.
type function struct {
	module *Module
	fuel   uint32
	index  uint32

	start   int    // offset of the code, behind the locals
	groups  uint32 // of locals
	regions []region
	frames  []frame
	bulk    []bulk
	cur     int // region in force
	blocks  int // all of them
	loops   int // of them
	targets int // of jump tables
	steps   int // all other instructions
	moved   int // values that calls and branches hand over and blocks take and leave

	tempFuel, tempLen uint32 // locals
	usesLen           bool
}

type region struct {
	at    int // offset in the code, where the payment is inserted
	price uint64
	check bool
	body  int // which loop's (or the function's) body it belongs to: index of that body's first region
	total uint64
}

type frame struct {
	op       byte
	outer    int // region in force before the frame
	arity    int // how many values a branch to it carries
	targeted bool
}

// bulk is an operation whose length, on top of the stack, is to be paid for.
type bulk struct {
	at    int
	shift byte
	grow  bool
}

// rewrite returns the body with payments.
func (f *function) rewrite(code []byte) ([]byte, error) {
	if err := f.scan(code); err != nil {
		return nil, err
	}
	return f.write(code), nil
}

// scan finds what is to be paid where. It walks twice: first to see how large each loop is, then to cut regions.
func (f *function) scan(code []byte) error {
	r := &reader{b: code}
	sig, _ := f.module.functionType(uint32(len(f.module.imported)) + f.index)
	locals, groups := uint64(len(sig.params)), r.count()
	for range groups {
		locals += uint64(r.u32())
		if c := r.byte(); !isValueType(c) && r.err == nil {
			return fmt.Errorf("value type %#x is not supported", c)
		}
	}
	if r.err != nil {
		return r.err
	}
	if locals > maxLocals {
		return fmt.Errorf("%d locals, the limit is %d", locals, maxLocals)
	}
	f.start, f.groups = r.at, groups
	f.tempFuel, f.tempLen = uint32(locals), uint32(locals)+1

	entry := priceEntry + locals>>localShift
	if len(code) > maxBody {
		return fmt.Errorf("a body of %d bytes, the limit is %d", len(code), maxBody)
	}
	if err := f.walk(code, entry, len(sig.results), nil); err != nil {
		return err
	}
	if err := f.compilable(); err != nil {
		return err
	}
	large := map[int]bool{} // bodies, by the offset of their first region
	for _, reg := range f.regions {
		if reg.check && reg.total > exactRegions {
			large[reg.at] = true
		}
	}
	if len(large) > 0 {
		return f.walk(code, entry, len(sig.results), large)
	}
	return nil
}

func (f *function) walk(code []byte, entry uint64, results int, large map[int]bool) error {
	f.regions = append(f.regions[:0], region{at: f.start, price: entry, check: true, total: entry})
	f.frames = append(f.frames[:0], frame{op: opBlock, arity: results})
	f.bulk, f.cur, f.usesLen = f.bulk[:0], 0, false
	f.blocks, f.loops, f.targets, f.steps, f.moved = 0, 0, 0, 0, 0
	r := &reader{b: code, at: f.start}
	for len(f.frames) > 0 {
		if r.done() {
			return errShort
		}
		if err := f.step(r, large); err != nil {
			return err
		}
		if r.err != nil {
			return r.err
		}
	}
	if !r.done() {
		return errors.New("bytes follow the end of the body")
	}
	return nil
}

func (f *function) pay(price uint64) {
	reg := &f.regions[f.cur]
	reg.price += price
	f.regions[reg.body].total += price
}

// open begins a region at offset at. body is -1 for one that begins a body of its own.
func (f *function) open(at, body int, price uint64) {
	own := len(f.regions)
	if body < 0 {
		body = own
	}
	f.regions = append(f.regions, region{at: at, body: body, check: body == own})
	f.cur = own
	f.pay(price)
}

func (f *function) step(r *reader, large map[int]bool) error {
	at := r.at
	op := r.byte()
	switch op {
	case opEnd:
		top := f.frames[len(f.frames)-1]
		f.frames = f.frames[:len(f.frames)-1]
		body := f.regions[top.outer].body
		f.cur = top.outer // what follows was already paid for there, unless a region of its own begins
		if top.op == opBlock && top.targeted && len(f.frames) > 0 && large[f.regions[body].at] {
			f.open(r.at, body, 0)
		}
		return nil
	case opElse:
		top := &f.frames[len(f.frames)-1]
		if top.op != opIf {
			return errors.New("else without if")
		}
		top.op = opElse
		f.cur = top.outer
		return nil
	case opBlock, opLoop, opIf:
		params, results, err := f.blockType(r)
		if err != nil {
			return err
		}
		if len(f.frames) > maxNesting {
			return fmt.Errorf("blocks are nested deeper than %d", maxNesting)
		}
		f.frames = append(f.frames, frame{op: op, outer: f.cur, arity: results})
		f.blocks++
		f.moved += params + results
		if op == opIf {
			f.pay(1)
		}
		if op == opLoop {
			f.frames[len(f.frames)-1].arity = params
			f.loops++
			f.open(r.at, -1, priceLoop)
		}
		return nil
	case opNop:
		return nil
	}
	f.steps++
	f.pay(price(op))
	return f.instruction(r, at, op)
}

// blockType reads how many values a block takes and leaves.
func (f *function) blockType(r *reader) (params, results int, err error) {
	switch bt := r.s33(); {
	case bt == -64: // empty
		return 0, 0, nil
	case bt < 0: // a value type
		if bt < -64 || !isValueType(byte(bt)&0x7f) {
			return 0, 0, fmt.Errorf("block type %d is not supported", bt)
		}
		return 0, 1, nil
	case bt >= int64(len(f.module.types)):
		return 0, 0, fmt.Errorf("block type %d does not exist", bt)
	default:
		t := f.module.types[bt]
		return len(t.params), len(t.results), nil
	}
}

// target notes a branch and returns how many values it carries.
func (f *function) target(depth uint32) (arity int, err error) {
	if uint64(depth) >= uint64(len(f.frames)) {
		return 0, fmt.Errorf("branch to depth %d of %d", depth, len(f.frames))
	}
	to := &f.frames[len(f.frames)-1-int(depth)]
	to.targeted = true
	return to.arity, nil
}

// moves pays for values that are handed over together.
func (f *function) moves(values int) {
	f.moved += values
	f.pay(uint64(values) >> moveShift)
}

// instruction passes over the immediates of op.
func (f *function) instruction(r *reader, at int, op byte) error {
	switch {
	case plain(op):
	case load(op):
		r.memarg()
	case op == opBr, op == opBrIf:
		arity, err := f.target(r.u32())
		f.moves(arity)
		return err
	case op == opBrTable:
		for i := range uint64(r.count()) + 1 {
			arity, err := f.target(r.u32())
			if err != nil {
				return err
			}
			if i == 0 { // all carry the same, one of them is taken
				f.moves(arity)
			} else {
				f.moved += arity
			}
			f.targets++
		}
	case op == opReturn:
		f.moves(f.frames[0].arity)
	case op == opCall:
		i := r.u32()
		callee, ok := f.module.functionType(i)
		if !ok {
			return fmt.Errorf("function %d does not exist", i)
		}
		f.moves(len(callee.params) + len(callee.results))
		if i < uint32(len(f.module.imported)) {
			f.pay(priceHost)
		}
	case op == opCallIndirect:
		f.blocks++ // for its checks
		if f.module.escapes {
			f.pay(priceHost)
		}
		if i := r.typeIndex(f.module); r.err == nil {
			t := f.module.types[i]
			f.moves(len(t.params) + len(t.results))
		}
		return f.table(r.u32())
	case op == opSelectTyped:
		r.valueTypes()
	case op == opLocalGet, op == opLocalSet, op == opLocalTee:
		if i := r.u32(); i >= f.tempFuel {
			return fmt.Errorf("local %d does not exist", i)
		}
	case op == opGlobalGet, op == opGlobalSet:
		if i := r.u32(); i >= f.fuel { // above all not the counter itself
			return fmt.Errorf("global %d does not exist", i)
		}
	case op == opTableGet, op == opTableSet:
		return f.table(r.u32())
	case op == opMemorySize, op == opMemoryGrow:
		if r.byte() != 0 {
			return errors.New("second memory")
		}
		if op == opMemoryGrow {
			f.pay(priceGrow)
			f.charge(bulk{at: at, grow: true})
		}
	case op == opI32Const:
		r.leb(5)
	case op == opI64Const:
		r.leb(10)
	case op == opF32Const:
		r.bytes(4)
	case op == opF64Const:
		r.bytes(8)
	case op == opRefNull:
		r.refType()
	case op == opRefFunc:
		if i := r.u32(); i >= f.module.functions() {
			return fmt.Errorf("function %d does not exist", i)
		}
		f.pay(priceHost)
	case op == opMisc:
		return f.misc(r, at)
	case op == opVector:
		return f.vector(r)
	default:
		return fmt.Errorf("opcode %#x at %d is not known", op, at)
	}
	return nil
}

func (f *function) charge(b bulk) {
	f.bulk = append(f.bulk, b)
	f.usesLen = true
	f.blocks += bulkBlocks
	f.pay(priceBulk)
}

func (f *function) table(i uint32) error {
	if i >= uint32(len(f.module.tables)) {
		return fmt.Errorf("table %d does not exist", i)
	}
	return nil
}

func (r *reader) memarg() {
	if align := r.u32(); align > 4 {
		r.fail(fmt.Errorf("alignment 2^%d", align))
	}
	r.u32()
}

func (f *function) misc(r *reader, at int) error {
	number := r.u32()
	if number > 0xff {
		return fmt.Errorf("opcode fc %#x at %d is not known", number, at)
	}
	op := byte(number)
	if op <= 7 {
		return nil // saturating conversions
	}
	switch op {
	case miscMemoryInit:
		f.module.namesData = true
		r.u32()
		r.zero()
		f.charge(bulk{at: at, shift: byteShift})
	case miscMemoryCopy:
		r.zero()
		r.zero()
		f.charge(bulk{at: at, shift: byteShift})
	case miscMemoryFill:
		r.zero()
		f.charge(bulk{at: at, shift: byteShift})
	case miscTableInit:
		r.u32()
		f.charge(bulk{at: at})
		return f.table(r.u32())
	case miscTableCopy:
		f.charge(bulk{at: at})
		if err := f.table(r.u32()); err != nil {
			return err
		}
		return f.table(r.u32())
	case miscTableFill:
		f.charge(bulk{at: at})
		return f.table(r.u32())
	case miscTableSize:
		return f.table(r.u32())
	case miscDataDrop, miscElemDrop:
		f.module.namesData = f.module.namesData || op == miscDataDrop
		r.u32()
	case miscTableGrow:
		return errors.New("table.grow is not allowed: a table's size is fixed")
	default:
		return fmt.Errorf("opcode fc %#x at %d is not known", op, at)
	}
	return nil
}

func (r *reader) zero() {
	if r.byte() != 0 {
		r.fail(errors.New("second memory"))
	}
}

// vector reads an opcode behind the vector prefix. Numbers from 0x80 take two bytes, of which the second is 1.
// The runtime reads one byte and takes the 1 for a nop: only the spelling that both understand alike is accepted.
func (f *function) vector(r *reader) error {
	op := r.byte()
	if op >= 0x80 && r.byte() != 1 {
		return fmt.Errorf("opcode fd %#x is not known or not in its shortest form", op)
	}
	switch vector(op) {
	case vectorPlain:
		if vectorDivides(op) {
			f.pay(priceDivide)
		}
	case vectorMemory:
		r.memarg()
	case vectorMemoryLane:
		r.memarg()
		r.byte()
	case vectorLane:
		r.byte()
	case vectorBytes:
		r.bytes(16)
	default:
		return fmt.Errorf("opcode fd %#x is not known", op)
	}
	return nil
}

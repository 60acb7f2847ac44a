package meter

// write returns the body with the payments inserted.
func (f *function) write(code []byte) []byte {
	out := &writer{b: make([]byte, 0, len(code)+len(code)/2+32)}
	r := &reader{b: code}
	r.u32()
	added := uint32(1)
	if f.usesLen {
		added = 2
	}
	out.u32(f.groups + added)
	out.raw(code[r.at:f.start])
	out.raw([]byte{1, i64})
	if f.usesLen {
		out.raw([]byte{1, i32})
	}

	// Both lists ascend. A region may begin where a bulk operation stands: it goes first.
	at, b := f.start, 0
	flush := func(to int) {
		for b < len(f.bulk) && f.bulk[b].at < to {
			out.raw(code[at:f.bulk[b].at])
			at = f.bulk[b].at
			f.payLength(out, f.bulk[b])
			b++
		}
		out.raw(code[at:to])
		at = to
	}
	for _, reg := range f.regions {
		flush(reg.at)
		f.payRegion(out, reg)
	}
	flush(len(code))
	return out.b
}

func (f *function) payRegion(out *writer, reg region) {
	if reg.price == 0 {
		return
	}
	out.b = append(out.b, opGlobalGet)
	out.u32(f.fuel)
	out.b = append(out.b, opI64Const)
	out.s64(int64(reg.price))
	out.b = append(out.b, opI64Sub)
	if reg.check {
		out.b = append(out.b, opLocalTee)
		out.u32(f.tempFuel)
	}
	out.b = append(out.b, opGlobalSet)
	out.u32(f.fuel)
	if reg.check {
		f.check(out)
	}
}

// check takes the next part of the budget when the value in tempFuel is below zero.
func (f *function) check(out *writer) {
	out.b = append(out.b, opLocalGet)
	out.u32(f.tempFuel)
	out.raw([]byte{opI64Const, 0, opI64LtS, opIf, blockEmpty, opCall})
	out.u32(f.module.functions()) // turn
	out.raw([]byte{opEnd})
}

// payLength pays for the length on top of the stack and leaves it there.
func (f *function) payLength(out *writer, b bulk) {
	out.b = append(out.b, opLocalSet)
	out.u32(f.tempLen)
	out.b = append(out.b, opGlobalGet)
	out.u32(f.fuel)
	out.b = append(out.b, opLocalGet)
	out.u32(f.tempLen)
	out.b = append(out.b, opExtendU)
	switch {
	case b.grow:
		out.b = append(out.b, opI64Const)
		out.s64(pricePage)
		out.b = append(out.b, opI64Mul)
	case b.shift > 0:
		out.b = append(out.b, opI64Const)
		out.s64(int64(b.shift))
		out.b = append(out.b, opI64ShrU)
	}
	out.b = append(out.b, opI64Sub, opLocalTee)
	out.u32(f.tempFuel)
	out.b = append(out.b, opGlobalSet)
	out.u32(f.fuel)
	f.check(out)
	out.b = append(out.b, opLocalGet)
	out.u32(f.tempLen)
}

// turn returns the body of the function that is called when the counter is below zero. It traps if the whole budget is
// spent, else fills the counter again. Growing the memory by nothing changes nothing, but is done by the host.
func (m *Module) turn() []byte {
	fuel, rest := uint32(m.globals), uint32(m.globals)+1
	const left = 0 // local
	w := &writer{}
	global := func(op byte, index uint32) {
		w.b = append(w.b, op)
		w.u32(index)
	}
	constant := func(v int64) {
		w.b = append(w.b, opI64Const)
		w.s64(v)
	}
	w.raw([]byte{1, 1, i64})
	global(opGlobalGet, rest)
	global(opGlobalGet, fuel)
	w.raw([]byte{opI64Add, opLocalTee, left})
	constant(0)
	w.raw([]byte{opI64LtS, opIf, blockEmpty, opUnreachable, opEnd})
	if len(m.memories) > 0 {
		w.raw([]byte{opI32Const, 0, opMemoryGrow, 0, opDrop})
	}
	w.raw([]byte{opLocalGet, left})
	constant(Slice)
	w.raw([]byte{opLocalGet, left})
	constant(Slice)
	w.raw([]byte{opI64LtS, opSelect})
	global(opGlobalSet, fuel)
	w.raw([]byte{opLocalGet, left})
	global(opGlobalGet, fuel)
	w.raw([]byte{opI64Sub})
	global(opGlobalSet, rest)
	w.raw([]byte{opEnd})
	return w.b
}

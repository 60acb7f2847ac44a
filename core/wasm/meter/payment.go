package meter

// write returns the body with the payments inserted.
func (f *function) write(code []byte, start int, groups uint32) []byte {
	out := &writer{b: make([]byte, 0, len(code)+len(code)/2+32)}
	r := &reader{b: code}
	r.u32()
	added := uint32(1)
	if f.usesLen {
		added = 2
	}
	out.u32(groups + added)
	out.raw(code[r.at:start])
	out.raw([]byte{1, i64})
	if f.usesLen {
		out.raw([]byte{1, i32})
	}

	// Both lists ascend. A region may begin where a bulk operation stands: it goes first.
	at, b := start, 0
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

// check traps when the value in tempFuel is below zero.
func (f *function) check(out *writer) {
	out.b = append(out.b, opLocalGet)
	out.u32(f.tempFuel)
	out.raw([]byte{opI64Const, 0, opI64LtS, opIf, blockEmpty, opUnreachable, opEnd})
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

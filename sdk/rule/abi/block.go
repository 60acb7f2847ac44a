package abi

import (
	"encoding/binary"
	"errors"
	"strconv"
	"unsafe"
)

// errBlock is wrapped by every error about the shape of a block.
var errBlock = errors.New("malformed block")

func malformed(what string) error { return blockError(what) }

// blockError avoids fmt, which would make every guest several hundred kilobytes larger.
type blockError string

func (e blockError) Error() string { return "malformed block: " + string(e) }
func (e blockError) Unwrap() error { return errBlock }

var le = binary.LittleEndian

// littleEndian says that arrays of a block can be used in place.
var littleEndian = func() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}()

// number are the element types of arrays in blocks.
type number interface {
	~uint8 | ~uint32 | ~uint64 | ~int64 | ~float64
}

func sizeOf[T any]() uint64 { var v T; return uint64(unsafe.Sizeof(v)) }

// array returns block[off : off+n*size] as a slice. On a little-endian machine, when the block is aligned, it is a
// view; elsewhere a copy.
func array[T number](block []byte, off, n uint32, what string) ([]T, error) {
	size := sizeOf[T]()
	if n == 0 {
		return nil, nil
	}
	if uint64(off)+uint64(n)*size > uint64(len(block)) {
		return nil, malformed(what + ": " + strconv.FormatUint(uint64(n), 10) + " elements at " + strconv.FormatUint(uint64(off), 10) + " pass the end")
	}
	if uint64(off)%size != 0 {
		return nil, malformed(what + " is not aligned")
	}
	p := unsafe.Pointer(&block[off])
	if littleEndian && uintptr(p)%uintptr(size) == 0 {
		return unsafe.Slice((*T)(p), n), nil
	}
	out := make([]T, n)
	for i := range out {
		get(block[uint64(off)+uint64(i)*size:], &out[i])
	}
	return out, nil
}

func get[T number](b []byte, into *T) {
	switch sizeOf[T]() {
	case 1:
		*(*uint8)(unsafe.Pointer(into)) = b[0]
	case 4:
		*(*uint32)(unsafe.Pointer(into)) = le.Uint32(b)
	default:
		*(*uint64)(unsafe.Pointer(into)) = le.Uint64(b)
	}
}

// putArray writes values at the start of dst, which must be large enough.
func putArray[T number](dst []byte, values []T) {
	if len(values) == 0 {
		return
	}
	size := int(sizeOf[T]())
	if littleEndian {
		copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*size))
		return
	}
	for i, v := range values {
		switch size {
		case 1:
			dst[i] = *(*uint8)(unsafe.Pointer(&v))
		case 4:
			le.PutUint32(dst[i*4:], *(*uint32)(unsafe.Pointer(&v)))
		default:
			le.PutUint64(dst[i*8:], *(*uint64)(unsafe.Pointer(&v)))
		}
	}
}

// layout hands out offsets of a block that is being laid out.
type layout struct{ next uint64 }

func (l *layout) place(n int, size uint64) uint64 {
	l.next = (l.next + size - 1) &^ (size - 1)
	at := l.next
	l.next += uint64(n) * size
	return at
}

// text returns block[off : off+n] as a string without copying.
func text(block []byte, off, n uint32) (string, bool) {
	if uint64(off)+uint64(n) > uint64(len(block)) {
		return "", false
	}
	if n == 0 {
		return "", true
	}
	return unsafe.String(&block[off], n), true
}

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// magic begins every capture; version is of the format.
const (
	magic      = "TSCP"
	version    = 1
	headerSize = 8 // magic, version as u16, two zero bytes
	frameSize  = 8 // length and checksum of a block, u32 each
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func header() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[4:], version)
	return b
}

// checkHeader tells whether this is a capture that can be read.
func checkHeader(b []byte) error {
	switch {
	case len(b) < headerSize || string(b[:4]) != magic:
		return errors.New("it is not a capture")
	case binary.LittleEndian.Uint16(b[4:]) != version:
		return fmt.Errorf("it is a capture of format %d, this program reads format %d", binary.LittleEndian.Uint16(b[4:]), version)
	}
	return nil
}

// blocks reads the blocks of a capture after its header, one after the other.
type blocks struct {
	from   io.Reader
	offset int64 // of the next block
	buf    []byte
}

// next returns the compressed content of the next block, valid until the next call. io.EOF is the end, a *DamageError an
// end where none should be; other errors are those of reading.
func (b *blocks) next() ([]byte, error) {
	var head [frameSize]byte
	if n, err := io.ReadFull(b.from, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, b.torn(err, n)
	}
	length, sum := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	if length == 0 || length > maxBlock {
		return nil, b.damage("what follows is no block")
	}
	// The length may be a lie: memory grows with what is really there.
	const step = 1 << 20
	b.buf = b.buf[:0]
	for len(b.buf) < int(length) {
		from := len(b.buf)
		b.buf = append(b.buf, make([]byte, min(step, int(length)-from))...)
		if n, err := io.ReadFull(b.from, b.buf[from:]); err != nil {
			return nil, b.torn(err, frameSize+from+n)
		}
	}
	if crc32.Checksum(b.buf, castagnoli) != sum {
		return nil, b.damage("a block does not have its checksum")
	}
	b.offset += frameSize + int64(length)
	return b.buf, nil
}

// torn is the error of a block that could not be read to its end; read is how much of it there was.
func (b *blocks) torn(err error, read int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &DamageError{Offset: b.offset, Rest: int64(read), Reason: "its last block was not written to the end, as after a crash"}
	}
	return fmt.Errorf("read the capture: %w", err)
}

func (b *blocks) damage(reason string) error {
	return &DamageError{Offset: b.offset, Rest: -1, Reason: reason}
}

func newDecompressor() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecoderMaxWindow(maxBlock))
}

func newCompressor() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
}

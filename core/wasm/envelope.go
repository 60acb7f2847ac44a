package wasm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// envelope is a rule's state with what must hold for it to be given back. Bytes, little-endian:
//
//	 0 u32 "TSE1"    4 u16 header size   6 u16 scheme of series identities
//	 8 u32 version that the manifest declares              12 u32 bytes of state
//	16 u64 sequence of the last evaluation in it           24 u32 crc   28 u32 0
//	32 [32] sha256 of the module   64 [32] sha256 of the params block   96 state
//
// The crc (Castagnoli) covers everything, itself taken for 0.
type envelope struct {
	scheme   uint16
	version  uint32
	sequence uint64
	module   [32]byte
	params   [32]byte
	state    []byte
}

const (
	envelopeMagic  = 0x31455354
	envelopeHeader = 96
	envelopeCRC    = 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (e *envelope) encode() []byte {
	b := make([]byte, envelopeHeader, envelopeHeader+len(e.state))
	le := binary.LittleEndian
	le.PutUint32(b[0:], envelopeMagic)
	le.PutUint16(b[4:], envelopeHeader)
	le.PutUint16(b[6:], e.scheme)
	le.PutUint32(b[8:], e.version)
	le.PutUint32(b[12:], uint32(len(e.state)))
	le.PutUint64(b[16:], e.sequence)
	copy(b[32:], e.module[:])
	copy(b[64:], e.params[:])
	b = append(b, e.state...)
	le.PutUint32(b[envelopeCRC:], crc32.Checksum(b, castagnoli))
	return b
}

// decodeEnvelope reads what encode wrote. The state is a copy.
func decodeEnvelope(b []byte) (e envelope, err error) {
	le := binary.LittleEndian
	if len(b) < envelopeHeader || le.Uint32(b) != envelopeMagic {
		return e, fmt.Errorf("it is not a kept state")
	}
	header := uint64(le.Uint16(b[4:]))
	if header < envelopeHeader || header+uint64(le.Uint32(b[12:])) != uint64(len(b)) {
		return e, fmt.Errorf("it is damaged: %d bytes do not agree with its header", len(b))
	}
	b = bytes.Clone(b)
	sum := le.Uint32(b[envelopeCRC:])
	le.PutUint32(b[envelopeCRC:], 0)
	if crc32.Checksum(b, castagnoli) != sum {
		return e, fmt.Errorf("it is damaged: its checksum is wrong")
	}
	e = envelope{scheme: le.Uint16(b[6:]), version: le.Uint32(b[8:]), sequence: le.Uint64(b[16:]), state: b[header:]}
	copy(e.module[:], b[32:])
	copy(e.params[:], b[64:])
	return e, nil
}

// fits tells why a state must not be given to the rule that now looks like other; nil when it may.
func (e *envelope) fits(other *envelope) error {
	switch {
	case e.scheme != other.scheme:
		return fmt.Errorf("its instances are named by scheme %d, this engine uses %d", e.scheme, other.scheme)
	case e.module != other.module && e.version != other.version:
		return fmt.Errorf("another module wrote it, with state version %d; this one has %d", e.version, other.version)
	case e.params != other.params:
		return fmt.Errorf("the rule's parameters are different now")
	case len(e.state) > abi.MaxStateBytes:
		return fmt.Errorf("it has %d bytes, the limit is %d", len(e.state), abi.MaxStateBytes)
	}
	return nil
}

package wasm

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// seedOf makes randomness that is the same for the same rule and evaluation, today and in a replay.
func seedOf(id string, sequence uint64) [32]byte {
	return sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(id+"\x00"), sequence))
}

func (in *instance) fill(b []byte) {
	if in.random == nil {
		in.random = rand.NewChaCha8(in.seed)
	}
	_, _ = in.random.Read(b)
}

// tick is a monotonic clock for guests that insist on one: it tells nothing of how long anything took.
func (in *instance) tick() int64 {
	in.ticks += 1000
	return in.ticks
}

// stream is what a guest writes to one of its standard streams during a call.
type stream struct {
	last []byte // the first maxStream bytes
}

const maxStream = 4 << 10

func (s *stream) reset() { s.last = s.last[:0] }

func (s *stream) write(b []byte) {
	s.last = append(s.last, b[:min(len(b), maxStream-len(s.last))]...)
}

package scrape

import (
	"hash/fnv"
	"time"
)

// slots counts the turns of one target: slot k begins at offset + k intervals after the Unix epoch. So the slots of
// all targets of a source with the same number lie within one interval, and are the same after a restart.
type slots struct {
	interval time.Duration
	offset   time.Duration // in [0, interval)
}

// newSlots spreads targets by a hash of their identity.
func newSlots(interval time.Duration, source, target string) slots {
	h := fnv.New64a()
	_, _ = h.Write([]byte(source + "\x00" + target)) // never fails
	return slots{interval: interval, offset: time.Duration(mix(h.Sum64()) % uint64(interval))}
}

// mix spreads what differs in the last characters of a name, which FNV leaves in the low bits, over the whole word
// (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// time is when a slot begins.
func (s slots) time(k int64) time.Time {
	return time.Unix(0, k*int64(s.interval)+int64(s.offset))
}

// next is the first slot that begins at t or later.
func (s slots) next(t time.Time) int64 {
	since := t.UnixNano() - int64(s.offset)
	k := since / int64(s.interval)
	if k*int64(s.interval) < since {
		k++
	}
	return k
}

// tolerance is how late a request may be and still count as made when its slot began. Rows then lie exactly one
// interval apart.
func (s slots) tolerance() time.Duration { return min(s.interval/100, 20*time.Millisecond) }

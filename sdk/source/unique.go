package source

import (
	"hash/maphash"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// uniqueSeries finds label sets that occur twice. Its hash has a seed: a plugin cannot know which sets share one. The zero
// value is ready.
type uniqueSeries struct {
	seed   maphash.Seed
	byHash map[uint64]frame.Labels
	others []frame.Labels // whose hash another set has already
}

func (u *uniqueSeries) empty() bool { return len(u.byHash) == 0 }

// add adds a label set, unless it is there.
func (u *uniqueSeries) add(labels frame.Labels) bool {
	if u.byHash == nil {
		u.seed, u.byHash = maphash.MakeSeed(), map[uint64]frame.Labels{}
	}
	hash := u.hash(labels)
	switch first, ok := u.byHash[hash]; {
	case !ok:
		u.byHash[hash] = labels
		return true
	case first.Equal(labels) || u.hasOther(labels):
		return false
	}
	u.others = append(u.others, labels)
	return true
}

func (u *uniqueSeries) has(labels frame.Labels) bool {
	first, ok := u.byHash[u.hash(labels)]
	return ok && (first.Equal(labels) || u.hasOther(labels))
}

func (u *uniqueSeries) hasOther(labels frame.Labels) bool {
	for _, other := range u.others {
		if other.Equal(labels) {
			return true
		}
	}
	return false
}

func (u *uniqueSeries) hash(labels frame.Labels) uint64 {
	hash := uint64(len(labels))
	for i := range labels {
		hash = (hash ^ maphash.String(u.seed, labels[i].Name)) * 0x9e3779b97f4a7c15
		hash = (hash ^ maphash.String(u.seed, labels[i].Value)) * 0x9e3779b97f4a7c15
	}
	return hash ^ hash>>32
}

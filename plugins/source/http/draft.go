package httpsource

import (
	"fmt"
	"math"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// maxLines bounds the samples of a page, and by it the memory that a page of very short lines can cost.
const maxLines = 5_000_000

// noStamp marks a sample without a timestamp of its own.
const noStamp = math.MinInt64

// draft is a page being read: its skeleton, and the values of its lines in the order of the page.
//
// The ref of a line says which series it has: one of the page before (its column there) or, from base on, one of
// fresh. Which columns they get is settled when the page is complete.
type draft struct {
	skeleton
	row
	meta uint32 // the TYPE declaration in force

	base   int32 // series of the page before
	old    *page
	fresh  []frame.Series
	hashes []uint64 // of fresh
	known  identity
	words  interner
	honor  bool // timestamps count
	odd    bool // the page must not be predicted from
}

// add appends a sample whose bytes before the value were appended to fixed already.
func (d *draft) add(l line, value float64, stamp int64) {
	d.ends = append(d.ends, uint32(len(d.fixed)))
	d.lines = append(d.lines, l)
	d.values = append(d.values, value)
	d.row.stamp(stamp)
}

// resolve returns the ref of a series. The labels are checked as Prometheus does before it stores them.
func (d *draft) resolve(set labels.Labels, previous int32) (ref int32, err error) {
	if set, err = valid(set); err != nil {
		return 0, err
	}
	if d.known.table == nil {
		d.known.reset(d.old.hashes)
	}
	hash := set.Hash()
	ref, ok := d.known.find(hash, func(ref int32) bool { return equal(d.labelsOf(ref), set) }, d.hashOf)
	if ok {
		return ref, nil
	}
	ref = d.base + int32(len(d.fresh))
	var near frame.Labels
	if previous >= 0 {
		near = d.labelsOf(previous)
	}
	d.fresh = append(d.fresh, frame.Series{Labels: d.words.convert(set, near)})
	d.hashes = append(d.hashes, hash)
	d.known.insert(hash, ref, d.hashOf)
	return ref, nil
}

func (d *draft) labelsOf(ref int32) frame.Labels {
	if ref < d.base {
		return d.old.layout.Series[ref].Labels
	}
	return d.fresh[ref-d.base].Labels
}

func (d *draft) hashOf(ref int32) uint64 {
	if ref < d.base {
		return d.old.hashes[ref]
	}
	return d.hashes[ref-d.base]
}

// valid refuses what Prometheus refuses, and drops labels without a value, which are no labels.
func valid(set labels.Labels) (labels.Labels, error) {
	empty := false
	set.Range(func(l labels.Label) { empty = empty || l.Value == "" })
	if empty {
		set = labels.NewBuilder(set).Labels()
	}
	switch name, twice := set.HasDuplicateLabelNames(); {
	case set.Get(labels.MetricName) == "":
		return set, fmt.Errorf("a series has no metric name: %.200s", set)
	case twice:
		return set, fmt.Errorf("label %.100q is there twice in %.200s", name, set)
	case !set.IsValid(model.UTF8Validation):
		return set, fmt.Errorf("a name or label value is not valid UTF-8: %.200q", set.String())
	}
	return set, nil
}

// equal compares label sets of both worlds.
func equal(ours frame.Labels, theirs labels.Labels) bool {
	i, same := 0, true
	theirs.Range(func(l labels.Label) {
		same = same && i < len(ours) && ours[i].Name == l.Name && ours[i].Value == l.Value
		i++
	})
	return same && i == len(ours)
}

// interner keeps one copy of each word of a page's labels. Most words are those of the line before.
type interner struct {
	words map[string]string
	slab  []frame.Label
}

// convert turns a label set into ours. near is the label set of a line nearby.
func (in *interner) convert(set labels.Labels, near frame.Labels) frame.Labels {
	n := set.Len()
	if cap(in.slab)-len(in.slab) < n {
		// Slabs begin small: a page that gets a few series at a time should not pin much with each.
		in.slab = make([]frame.Label, 0, max(n, min(2*cap(in.slab), 512)))
	}
	from := len(in.slab)
	set.Range(func(l labels.Label) {
		var hint frame.Label
		if i := len(in.slab) - from; i < len(near) {
			hint = near[i]
		}
		in.slab = append(in.slab, frame.Label{Name: in.word(l.Name, hint.Name), Value: in.word(l.Value, hint.Value)})
	})
	return in.slab[from:len(in.slab):len(in.slab)]
}

func (in *interner) word(s, hint string) string {
	if s == hint {
		return hint
	}
	if known, ok := in.words[s]; ok {
		return known
	}
	if in.words == nil {
		in.words = map[string]string{}
	}
	s = strings.Clone(s) // s is part of a longer string
	in.words[s] = s
	return s
}

// identity finds series by the hash of their labels: an open hash table of refs.
type identity struct {
	table []int32 // ref + 1; 0: free
	count int
}

// reset fills the table with the series of the page before.
func (t *identity) reset(hashes []uint64) {
	size := 64
	for size < 3*len(hashes) {
		size *= 2
	}
	t.table, t.count = make([]int32, size), 0
	for i, h := range hashes {
		t.put(h, int32(i))
	}
}

func (t *identity) put(hash uint64, ref int32) {
	mask := uint64(len(t.table) - 1)
	at := hash & mask
	for t.table[at] != 0 {
		at = (at + 1) & mask
	}
	t.table[at] = ref + 1
	t.count++
}

func (t *identity) insert(hash uint64, ref int32, hashOf func(int32) uint64) {
	if 3*t.count > 2*len(t.table) {
		old := t.table
		t.table, t.count = make([]int32, 2*len(old)), 0
		for _, r := range old {
			if r != 0 {
				t.put(hashOf(r-1), r-1)
			}
		}
	}
	t.put(hash, ref)
}

func (t *identity) find(hash uint64, same func(int32) bool, hashOf func(int32) uint64) (int32, bool) {
	mask := uint64(len(t.table) - 1)
	for at := hash & mask; t.table[at] != 0; at = (at + 1) & mask {
		if ref := t.table[at] - 1; hashOf(ref) == hash && same(ref) {
			return ref, true
		}
	}
	return 0, false
}

package httpsource

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

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
	pairs  []frame.Label // of the series being resolved
	honor  bool          // timestamps count
	odd    bool          // the page must not be predicted from
	short  bool          // native histograms were left out
}

// skeletons is the memory of pages that changed, for other pages that do.
var skeletons sync.Pool

// expect makes room for a page of about as many bytes and lines.
func (d *draft) expect(bytes, lines int) {
	used, ok := skeletons.Get().(*skeleton)
	if ok && cap(used.fixed) >= bytes && cap(used.ends) >= lines && cap(used.lines) >= lines {
		d.fixed, d.ends, d.lines = used.fixed[:0], used.ends[:0], used.lines[:0]
	} else {
		d.fixed, d.ends, d.lines = make([]byte, 0, bytes), make([]uint32, 0, lines), make([]line, 0, lines)
	}
	d.values = slices.Grow(d.values, max(0, lines-len(d.values)))
}

// add appends a sample whose bytes before the value were appended to fixed already.
func (d *draft) add(l line, value float64, stamp int64) {
	d.ends = append(d.ends, uint32(len(d.fixed)))
	d.lines = append(d.lines, l)
	d.values = append(d.values, value)
	d.row.stamp(stamp)
}

// resolve returns the ref of the series whose labels are in pairs, sorted and with values. They are checked as
// Prometheus does before it stores them. previous is the ref of a line nearby, or negative.
func (d *draft) resolve(previous int32) (ref int32, err error) {
	if err := checkNames(d.pairs); err != nil {
		return 0, err
	}
	if d.known.table == nil {
		d.known.reset(d.old.hashes, cap(d.fresh))
	}
	hash := hashOf(d.pairs)
	ref, ok := d.known.find(hash, d)
	if ok {
		return ref, nil
	}
	ref = d.base + int32(len(d.fresh))
	var near frame.Labels
	if previous >= 0 {
		near = d.labelsOf(previous)
	}
	ls, err := d.words.convert(d.pairs, near)
	if err != nil {
		return 0, fmt.Errorf("%w in %.200q", err, frame.Labels(d.pairs).String())
	}
	d.fresh = append(d.fresh, frame.Series{Labels: ls})
	d.hashes = append(d.hashes, hash)
	d.known.insert(hash, ref, d)
	return ref, nil
}

// checkNames refuses a label set without a metric name or with a name twice.
func checkNames(pairs []frame.Label) error {
	named, last := false, ""
	for i := range pairs {
		name := pairs[i].Name
		if name == last {
			return fmt.Errorf("a label name is empty or there twice in %.200s", frame.Labels(pairs))
		}
		named = named || name == frame.MetricName
		last = name
	}
	if !named {
		return fmt.Errorf("a series has no metric name: %.200s", frame.Labels(pairs))
	}
	return nil
}

// seed of all hashes, which live as long as the process.
var seed = maphash.MakeSeed()

func hashOf(pairs []frame.Label) uint64 {
	hash := uint64(len(pairs))
	for i := range pairs {
		hash = (hash ^ maphash.String(seed, pairs[i].Name)) * 0x9e3779b97f4a7c15
		hash = (hash ^ maphash.String(seed, pairs[i].Value)) * 0x9e3779b97f4a7c15
	}
	return hash ^ hash>>32
}

// collect puts the labels of set into pairs. Those without a value are no labels.
func (d *draft) collect(set labels.Labels) {
	if d.gather(set) {
		d.gather(labels.NewBuilder(set).Labels())
	}
}

func (d *draft) gather(set labels.Labels) (empty bool) {
	d.pairs = d.pairs[:0]
	set.Range(func(l labels.Label) {
		empty = empty || l.Value == ""
		d.pairs = append(d.pairs, frame.Label(l))
	})
	return empty
}

// split puts the labels of a series as it is written into pairs, if it is written plainly: name{a="b",c="d"} without
// spaces, escapes, quoted names and empty values. The parser has accepted it already. The strings in pairs share
// memory with series.
func (d *draft) split(series []byte) bool {
	text := unsafe.String(unsafe.SliceData(series), len(series))
	if len(text) > 64<<10 || strings.IndexByte(text, '\\') >= 0 {
		return false // labels of 16 MB and more are for the parser to refuse
	}
	name, rest, _ := strings.Cut(text, "{")
	if !plain(name) {
		return false
	}
	d.pairs = append(d.pairs[:0], frame.Label{Name: frame.MetricName, Value: name})
	for rest != "" && rest != "}" {
		label, value, ok := strings.Cut(rest, `="`)
		end := strings.IndexByte(value, '"')
		if !ok || end <= 0 || !plain(label) {
			return false
		}
		d.pairs = append(d.pairs, frame.Label{Name: label, Value: value[:end]})
		rest = strings.TrimPrefix(value[end+1:], ",")
	}
	for i := 1; i < len(d.pairs); i++ {
		if d.pairs[i].Name < d.pairs[i-1].Name {
			slices.SortStableFunc(d.pairs, func(a, b frame.Label) int { return strings.Compare(a.Name, b.Name) })
			break
		}
	}
	return true
}

// plain tells whether a name is one that needs no quotes.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && c-'0' > 9 && c != ':' {
			return false
		}
	}
	return name != ""
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

// interner keeps one copy of each word of a page's labels. Most words are those of the line before.
type interner struct {
	words map[string]string
	slab  []frame.Label
}

// convert makes a label set of pairs, whose strings are parts of longer ones. near is the label set of a line nearby.
func (in *interner) convert(pairs []frame.Label, near frame.Labels) (frame.Labels, error) {
	if cap(in.slab)-len(in.slab) < len(pairs) {
		// Slabs begin small: a page that gets a few series at a time should not pin much with each.
		in.slab = make([]frame.Label, 0, max(len(pairs), min(2*cap(in.slab), 512)))
	}
	from := len(in.slab)
	for i, l := range pairs {
		var hint frame.Label
		if i < len(near) {
			hint = near[i]
		}
		var err error
		if l.Name, err = in.word(l.Name, hint.Name); err != nil {
			return nil, err
		}
		if l.Value, err = in.word(l.Value, hint.Value); err != nil {
			return nil, err
		}
		in.slab = append(in.slab, l)
	}
	return in.slab[from:len(in.slab):len(in.slab)], nil
}

func (in *interner) word(s, hint string) (string, error) {
	if s == hint {
		return hint, nil
	}
	if known, ok := in.words[s]; ok {
		return known, nil
	}
	if !utf8.ValidString(s) {
		return "", errors.New("a name or label value is not valid UTF-8")
	}
	if in.words == nil {
		in.words = map[string]string{}
	}
	s = strings.Clone(s)
	in.words[s] = s
	return s, nil
}

// identity finds series by the hash of their labels: an open hash table of refs.
type identity struct {
	table []int32 // ref + 1; 0: free
	count int
}

// reset fills the table with the series of the page before, and leaves room for more.
func (t *identity) reset(hashes []uint64, more int) {
	size := 64
	for size < 2*(len(hashes)+more) {
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

func (t *identity) insert(hash uint64, ref int32, d *draft) {
	if 3*t.count > 2*len(t.table) {
		old := t.table
		t.table, t.count = make([]int32, 2*len(old)), 0
		for _, r := range old {
			if r != 0 {
				t.put(d.hashOf(r-1), r-1)
			}
		}
	}
	t.put(hash, ref)
}

// find looks for the series that has the labels in the pairs of d.
func (t *identity) find(hash uint64, d *draft) (int32, bool) {
	mask := uint64(len(t.table) - 1)
	for at := hash & mask; t.table[at] != 0; at = (at + 1) & mask {
		if ref := t.table[at] - 1; d.hashOf(ref) == hash && slices.Equal(d.labelsOf(ref), d.pairs) {
			return ref, true
		}
	}
	return 0, false
}

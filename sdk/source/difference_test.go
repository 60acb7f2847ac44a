package source

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// layoutOf is a layout of series that have nothing but a name.
func layoutOf(names ...string) *frame.Layout {
	layout := &frame.Layout{}
	for _, name := range names {
		layout.Series = append(layout.Series, frame.Series{Labels: frame.NewLabels(frame.Label{Name: frame.MetricName, Value: name}), Kind: frame.Gauge})
	}
	return layout
}

var testTime = time.Unix(1_000_000, 0)

// numbered are the names m0, m1, … .
func numbered(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("m", i))
	}
	return names
}

// tell sends a layout to who knows the one before, and returns what arrives, with the series that were named on the way
// and the size of it all.
func tell(t *testing.T, before, layout *frame.Layout) (got *frame.Layout, named, size int) {
	t.Helper()
	s := &stream{}
	if err := sendLayout(s, 6, layout, before); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(knownLayout{layout: before, epoch: 5}, Limits{})
	for _, m := range s.sent {
		if err := r.take(m); err != nil {
			t.Fatal(err)
		}
		named += len(m.GetLayout().GetKinds())
		size += proto.Size(m)
	}
	if err := r.checkTaken(); err != nil {
		t.Fatal(err)
	}
	return r.layout, named, size
}

// A small change of a page costs little on the wire.
func TestDifferences(t *testing.T) {
	names := numbered(10_000)
	without := func(from, to int) []string { return slices.Delete(slices.Clone(names), from, to) }
	with := func(at int, more ...string) []string { return slices.Insert(slices.Clone(names), at, more...) }
	changed := slices.Clone(names)
	for i := 0; i < len(changed); i += 100 {
		changed[i] += "x"
	}
	reversed := slices.Clone(names)
	slices.Reverse(reversed)
	for what, c := range map[string]struct {
		names []string
		named int // at most
		size  int // at most
	}{
		"one appended":              {with(len(names), "new"), 1, 100},
		"one in front":              {with(0, "new"), 1, 100},
		"one in the middle":         {with(5000, "new"), 1, 100},
		"one removed":               {without(17, 18), 0, 100},
		"a stretch removed":         {without(100, 900), mostLost, 500},
		"a stretch inserted":        {with(100, numbered(10_100)[10_000:]...), 100, 2000},
		"all but one removed":       {[]string{"m5000"}, 1, 100},
		"one in a hundred renamed":  {changed, 100, 5000},
		"halves exchanged":          {slices.Concat(names[5000:], names[:5000]), mostLost, 500},
		"all renamed":               {strings.Split(strings.Join(names, "x ")+"x", " "), 10_000, 300_000},
		"reversed":                  {reversed, mostLost, 200_000},
		"none left":                 {nil, 0, 100},
		"one after another renamed": {slices.Concat([]string{"new"}, names[:9_999]), 1, 100},
	} {
		want := layoutOf(c.names...)
		got, named, size := tell(t, layoutOf(names...), want)
		if !got.Equal(want) {
			t.Errorf("%s: another layout arrives", what)
		}
		if named > c.named || size > c.size {
			t.Errorf("%s: %d series are named in %d bytes, want at most %d in %d", what, named, size, c.named, c.size)
		}
	}
}

// Whatever changes from layout to layout, the right one arrives.
func TestAnyDifference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		before := layoutOf(numbered(random.IntN(60))...)
		layout := &frame.Layout{Series: slices.Clone(before.Series)}
		for range random.IntN(4) {
			switch at := random.IntN(len(layout.Series) + 1); random.IntN(5) {
			case 0:
				layout.Series = slices.Insert(layout.Series, at, layoutOf(fmt.Sprint("new", random.Int())).Series...)
			case 1:
				layout.Series = slices.Delete(layout.Series, at, min(at+random.IntN(30), len(layout.Series)))
			case 2:
				random.Shuffle(len(layout.Series), func(i, k int) {
					layout.Series[i], layout.Series[k] = layout.Series[k], layout.Series[i]
				})
			case 3:
				layout.Series = slices.Concat(layout.Series[at:], layout.Series[:at])
			case 4:
				if at < len(layout.Series) {
					layout.Series[at].Kind = frame.Counter
				}
			}
		}
		if got, _, _ := tell(t, before, layout); !got.Equal(layout) {
			t.Fatalf("from %v\nto %v\ngot %v", before, layout, got)
		}
	}
}

// A plugin that was told of a layout that the engine does not know any more, or never did, tells the whole one.
func TestNothingToDifferFrom(t *testing.T) {
	one, two := layoutOf("a"), layoutOf("a", "b")
	var sent sentLayouts
	first, before := sent.note("t", one, 0, testTime)
	if before != nil {
		t.Error("before the first there was one")
	}
	if epoch, before := sent.note("t", one, first, testTime); epoch != first || before != one {
		t.Error("the same layout is another one")
	}
	second, before := sent.note("t", two, first, testTime)
	if second == first || before != one {
		t.Error("no difference to the layout before")
	}
	if _, before := sent.note("t", layoutOf("c"), first, testTime); before != nil {
		t.Error("a difference to a layout that is gone")
	}
}

func TestReceiverRefusesDifferences(t *testing.T) {
	part := func(taken ...uint32) *pluginpb.LayoutPart {
		return &pluginpb.LayoutPart{Epoch: 6, Strings: []string{"__name__", "new"}, LabelCounts: []uint32{1}, Labels: []uint32{0, 1}, Kinds: []byte{1}, Taken: taken}
	}
	again := part(0, 0, 1)
	again.Strings[1] = "a"
	for want, p := range map[string]*pluginpb.LayoutPart{
		"not three each":            part(0, 1),
		"takes columns 1 to 3 of":   part(0, 1, 2),
		"takes columns 7 to 7 of":   part(0, 7, 0),
		"takes column 1 twice":      part(0, 1, 1, 1, 0, 2),
		"after 2 series of its own": part(2, 0, 1),
		"more than 4 series":        part(0, 0, 2, 1, 0, 2),
		"series a{} occurs twice":   again,
	} {
		r := newReceiver(knownLayout{layout: layoutOf("a", "b"), epoch: 5}, Limits{Series: 4})
		err := r.take(layoutMessage(p))
		if err == nil {
			err = r.checkTaken()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	r := newReceiver(knownLayout{layout: layoutOf("a", "b")}, Limits{}) // of an earlier process
	if err := r.take(layoutMessage(part(0, 0, 1))); err == nil || !strings.Contains(err.Error(), "0 to 1 of 0") {
		t.Errorf("columns of a layout that nobody told: got %v", err)
	}
}

// Label sets whose hashes are the same are told apart.
func TestUniqueSeries(t *testing.T) {
	var u uniqueSeries
	a, b := layoutOf("a").Series[0].Labels, layoutOf("b").Series[0].Labels
	if !u.add(a) || u.add(a) || u.has(b) {
		t.Fatal("a")
	}
	u.byHash[u.hash(b)] = a // as if both had the same one
	if !u.add(b) || u.add(b) || !u.has(a) || !u.has(b) {
		t.Error("b")
	}
}

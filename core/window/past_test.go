package window

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// A day of rows is compressed, and reads as if it were not: also by views that come later or read less, across an outage,
// a series that comes and goes, and a restart.
func TestLongWindows(t *testing.T) {
	const step = 15 * second
	day := query(t, "requests_total", 24*time.Hour, abi.Raw)
	part := query(t, "requests_total", 3*time.Hour, abi.Increase)
	earlier := query(t, "requests_total", 24*time.Hour, abi.Raw)
	earlier.Until = 20 * time.Hour
	log := new(memoryLog)
	store := func(chunk int) *Store {
		s := New(Options{})
		s.chunk = chunk
		return s
	}
	long, short := store(defaultChunk), store(1<<20)
	var views [2][]*View
	var pages [2]*page
	long.RecordTo(log)
	for i, s := range []*Store{long, short} {
		for _, q := range []Query{day, part, earlier} {
			views[i] = append(views[i], s.Bind([]Query{q}))
		}
		pages[i] = open(t, s, "gw", 15*time.Second)
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	at, count := int64(0), 0
	collect := func() {
		at += step
		count += random.IntN(5)
		outage := at%(6*3600*second) < 600*second
		for _, p := range pages {
			switch {
			case outage:
				p.down(at)
			case at%(3600*second) < 900*second:
				p.up(at, "200", count)
			default:
				p.up(at, "200", count, "500", count/7)
			}
		}
	}
	compare := func(what string) {
		t.Helper()
		for i := range views[0] {
			got, _ := read(views[0][i], at)
			want, _ := read(views[1][i], at)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s, view %d at %d (-want +got):\n%.2000s", what, i, at, diff)
			}
		}
	}
	for n := range 7000 {
		collect()
		if n%501 == 0 {
			compare("while it grows")
		}
	}
	compare("when it is full")
	if got, want := views[0][0].Since(), time.UnixMilli(at).Add(-24*time.Hour); got.After(want) {
		t.Errorf("the windows are whole since %v only, not since %v", got, want)
	}
	stats := long.Stats()
	if perSample := float64(stats.Bytes) / 2 / 5760; perSample > 3 || stats.Compressed == 0 {
		t.Errorf("a sample takes %.2f bytes: %+v", perSample, stats)
	}

	again, restoredViews, _ := restored(t, defaultChunk, log.records, at, day, part, earlier)
	pages[0], views[0] = open(t, again, "gw", 15*time.Second), restoredViews
	compare("after a restart")
	for range 300 {
		collect()
	}
	compare("a while after the restart")
}

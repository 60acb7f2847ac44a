package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wal"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

var crashes = flag.Int("crashes", 0, "kill the engine that often, every 5 s under load, in TestWindowsSurviveCrashes")

// crashLoad is what the engine collects while it is killed again and again.
type crashLoad struct {
	crashes         int
	targets, series int
	interval, sync  time.Duration
	keep            time.Duration
	pages           int           // collected from each target between two crashes
	mostLost        time.Duration // before a crash, 0: only some must be left
}

// An engine under load is killed with -9 again and again. After each crash the log has the windows of a run that nobody
// disturbed, up to what came shortly before the crash: each page that a target served is there, whole, once and in order,
// and what survived a crash is still there after the next ones. `make crashes` runs it for two minutes.
func TestWindowsSurviveCrashes(t *testing.T) {
	load := crashLoad{
		crashes: 2, targets: 2, series: 50, interval: 200 * time.Millisecond, sync: 200 * time.Millisecond,
		keep: 30 * time.Second, pages: 12,
	}
	if *crashes > 0 {
		load = crashLoad{
			crashes: *crashes, targets: 10, series: 10_000, interval: time.Second, sync: time.Second,
			keep: time.Minute, pages: 5, mostLost: 2 * time.Second,
		}
	} else {
		t.Parallel()
	}
	var targets []*counted
	var addresses []string
	for range load.targets {
		target := newCounted(t, load.series)
		targets, addresses = append(targets, target), append(addresses, strconv.Quote(target.address()))
	}
	dir := writeConfig(t, fmt.Sprintf(`
engine {
  listen      = "127.0.0.1:0"
  keep        = "all"
  keep_for    = %q
  window_sync = %q
}
source "http" "app" {
  targets  = [%s]
  interval = %q
}
notifier "webhook" "nobody" {
  url = "http://127.0.0.1:9/"
}
route {
  to = [notifier.webhook.nobody]
}
`, load.keep, load.sync, strings.Join(addresses, ", "), load.interval))
	var lost time.Duration
	for range load.crashes {
		var before []int
		for _, target := range targets {
			before = append(before, target.pages())
		}
		engine := start(t, dir)
		eventually(t, "pages are collected", func() bool {
			for i, target := range targets {
				if target.pages() < before[i]+load.pages {
					return false
				}
			}
			return true
		})
		engine.kill(t)
		at := time.Now()
		windows := readLog(t, filepath.Join(dir, "data", "windows"), load, targets, at)
		for i, target := range targets {
			lost = max(lost, target.check(t, windows[i], before[i], at, load))
		}
	}
	t.Logf("%d crashes, %d pages of %d series: at most the pages of %s before a crash were lost",
		load.crashes, targets[0].pages()*load.targets, load.series, lost.Round(time.Millisecond))
}

// counted is a target whose pages say which one they are: series i of page n has the value n+i.
type counted struct {
	*httptest.Server
	series int

	mu       sync.Mutex
	served   []time.Time  // guarded by mu
	survived map[int]bool // pages that a log had
}

func newCounted(t *testing.T, series int) *counted {
	c := &counted{series: series, survived: map[int]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		c.mu.Lock()
		n := len(c.served)
		c.served = append(c.served, time.Now())
		c.mu.Unlock()
		var page bytes.Buffer
		page.WriteString("# TYPE requests_total counter\n")
		for i := range c.series {
			fmt.Fprintf(&page, "requests_total{i=\"%d\"} %d\n", i, n+i)
		}
		_, _ = w.Write(page.Bytes())
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *counted) address() string { return strings.TrimPrefix(c.URL, "http://") }

func (c *counted) pages() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.served)
}

// kept is what the log has of a target: which page each row is of, and how many collections failed.
type kept struct {
	pages  []int
	failed int
}

// readLog rebuilds the windows of the targets as an engine that starts now would.
func readLog(t *testing.T, dir string, load crashLoad, targets []*counted, at time.Time) []kept {
	t.Helper()
	store := window.New(window.Options{Logger: zerolog.Nop()})
	var views []*window.View
	for _, selector := range []string{"requests_total", "up"} {
		matchers, err := window.ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, store.Bind([]window.Query{{Matchers: matchers, Window: load.keep}}))
	}
	log, err := wal.Open(wal.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	restoration := store.Restore()
	if replayed := log.Replay(restoration.Apply); replayed.Damaged > 0 || replayed.Refused > 0 {
		t.Fatalf("the log is damaged: %+v", replayed)
	}
	restoration.End(at)
	for _, target := range targets {
		store.Open(frame.FromMap(map[string]string{"job": "app", "instance": target.address()}), load.interval)
	}
	all := make([]kept, len(targets))
	of := func(ls frame.Labels) *kept {
		return &all[slices.IndexFunc(targets, func(c *counted) bool { return c.address() == ls.Get("instance") })]
	}
	var w abi.Window
	dict := views[0].Read(at, &w)
	if n := len(w.Inputs[0].Series); n != load.targets*load.series {
		t.Fatalf("the log has %d series, want %d", n, load.targets*load.series)
	}
	for s, index := range w.Inputs[0].Series {
		ls := dict.Series[index].Labels
		i, _ := strconv.Atoi(ls.Get("i"))
		var pages []int
		for _, v := range samplesOf(&w.Inputs[0], s) {
			pages = append(pages, int(v)-i)
		}
		switch k := of(ls); {
		case k.pages == nil:
			k.pages = pages
		case !slices.Equal(k.pages, pages):
			t.Fatalf("series %d of %s has the pages %v, others have %v", i, ls.Get("instance"), pages, k.pages)
		}
	}
	dict = views[1].Read(at, &w)
	for s, index := range w.Inputs[0].Series {
		for _, v := range samplesOf(&w.Inputs[0], s) {
			if v == 0 {
				of(dict.Series[index].Labels).failed++
			}
		}
	}
	return all
}

func samplesOf(in *abi.Input, s int) []float64 {
	return in.Values[in.Spans[s].Start:][:in.Spans[s].Count]
}

// check compares what the log has with what was served, since page first by the engine that was killed at a time, and
// tells how long before the crash the first page was served that was lost.
func (c *counted) check(t *testing.T, log kept, first int, at time.Time, load crashLoad) (lost time.Duration) {
	t.Helper()
	if len(log.pages) == 0 || log.pages[len(log.pages)-1] < first {
		t.Fatalf("%s: nothing is left of the pages since %d: the log ends with %v", c.address(), first, log.pages)
	}
	if !slices.IsSorted(log.pages) || len(slices.Compact(slices.Clone(log.pages))) < len(log.pages) {
		t.Fatalf("%s: pages are out of order: %v", c.address(), log.pages)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := at.Add(-load.keep + 5*load.interval)
	last := log.pages[len(log.pages)-1]
	holes := 0
	for n, served := range c.served {
		there := slices.Contains(log.pages, n)
		switch {
		case served.Before(oldest):
		case there:
			c.survived[n] = true
		case c.survived[n]:
			t.Errorf("%s: page %d survived a crash, but not the next", c.address(), n)
		case n > last && lost == 0:
			lost = at.Sub(served)
		case n >= first && n < last:
			holes++
		}
	}
	if holes > log.failed {
		t.Errorf("%s: %d pages are missing between others, %d collections failed: %v", c.address(), holes, log.failed, log.pages)
	}
	if load.mostLost > 0 && lost > load.mostLost {
		t.Errorf("%s: pages of %s before the crash are lost", c.address(), lost)
	}
	return lost
}

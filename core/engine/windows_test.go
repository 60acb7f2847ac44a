package engine

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/wal"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// How long and how hard [TestWindowsSurviveKills] is.
var (
	kills      = flag.Int("kills", 4, "how often the process of TestWindowsSurviveKills is killed")
	killEvery  = flag.Duration("kill-every", time.Second, "how long it lives")
	killSeries = flag.Int("kill-series", 100, "of each of its ten targets")
	killSlack  = flag.Duration("kill-slack", 2*time.Second, "what writing and syncing may take on a busy machine")
)

const (
	killTargets  = 10
	killInterval = 100 * time.Millisecond
	killSync     = 100 * time.Millisecond
	killEnv      = "TOCSIN_TEST_KILL_DIR"
)

// Windows that are written to by ten targets in a process that is killed again and again are, after each kill, those of
// an undisturbed run: whatever was collected more than the sync interval before the kill is there, and all that is there
// is what was collected. The process prints what it has collected.
func TestWindowsSurviveKills(t *testing.T) {
	if dir := os.Getenv(killEnv); dir != "" {
		collectUntilKilled(t, dir)
		return
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("processes are not killed in this way here")
	}
	dir := t.TempDir()
	rounds := make(map[int64]time.Time) // by time of the row: when all targets of it were in the windows
	for kill := range *kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWindowsSurviveKills$", "-kill-series="+strconv.Itoa(*killSeries))
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killed := time.AfterFunc(*killEvery+rand.N(killInterval), func() { _ = cmd.Process.Kill() }) //nolint:gosec // chance is enough
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if at, ok := strings.CutPrefix(lines.Text(), "collected "); ok {
				ms, _ := strconv.ParseInt(at, 10, 64)
				rounds[ms] = time.Now()
			}
		}
		died := time.Now()
		killed.Stop()
		_ = cmd.Wait() // "signal: killed"
		checkAfterKill(t, kill, dir, rounds, died)
	}
}

// killed is a store over a log in dir, replayed.
func killed(t *testing.T, dir string) (*window.Store, *window.View, *wal.Log, wal.Replayed) {
	log, err := wal.Open(wal.Options{Dir: filepath.Join(dir, "windows"), Sync: killSync, MinBytes: 64 << 10, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	store := window.New(window.Options{Logger: zerolog.Nop()})
	matchers, err := window.ParseSelector("requests_total")
	if err != nil {
		t.Fatal(err)
	}
	view := store.Bind([]window.Query{{Matchers: matchers, Window: 20 * time.Second}})
	restoration := store.Restore()
	replayed := log.Replay(restoration.Apply)
	restoration.End(time.Now())
	return store, view, log, replayed
}

// collectUntilKilled is the process that is killed.
func collectUntilKilled(t *testing.T, dir string) {
	store, _, log, _ := killed(t, dir)
	store.RecordTo(log)
	log.Start(store.Snapshot)
	var targets []*window.Target
	layouts := make([]*frame.Layout, killTargets)
	for n := range killTargets {
		targets = append(targets, store.Open(killLabels(n), killInterval))
	}
	ticker := time.NewTicker(killInterval)
	for now := range ticker.C { // until it is killed
		at := now.UnixMilli() / 100 * 100
		for n, target := range targets {
			if size := killSize(at); layouts[n] == nil || len(layouts[n].Series) != size {
				layouts[n] = killLayout(n, size)
			}
			row := frame.Frame{Layout: layouts[n], Time: at, Values: make([]float64, len(layouts[n].Series))}
			for i := range row.Values {
				row.Values[i] = killValue(n, i, at)
			}
			if err := target.Append(row, frame.Frame{Layout: &frame.Layout{}, Time: at}); err != nil {
				fmt.Println("refused", err)
			}
		}
		fmt.Println("collected", at)
	}
}

func killLabels(n int) frame.Labels {
	return frame.NewLabels(frame.Label{Name: "instance", Value: strconv.Itoa(n)})
}

// killSize is how many series a page has at a time: some come and go.
func killSize(at int64) int { return *killSeries + int(at/1000%3) }

func killLayout(n, size int) *frame.Layout {
	layout := &frame.Layout{}
	for i := range size {
		layout.Series = append(layout.Series, frame.Series{Kind: frame.Counter, Labels: killLabels(n).With(
			frame.Label{Name: frame.MetricName, Value: "requests_total"}, frame.Label{Name: "i", Value: strconv.Itoa(i)})})
	}
	return layout
}

// killValue is what a series shows at a time: counters, and every tenth is a gauge.
func killValue(n, i int, at int64) float64 {
	if i%10 == 0 {
		return float64(at%977) / float64(i+7)
	}
	return float64(n) + float64(at/100)*float64(i%5)
}

// checkAfterKill reads the windows as they are after a kill.
func checkAfterKill(t *testing.T, kill int, dir string, rounds map[int64]time.Time, died time.Time) {
	t.Helper()
	store, view, _, replayed := killed(t, dir)
	for n := range killTargets {
		store.Open(killLabels(n), killInterval)
	}
	if replayed.Refused > 0 || replayed.Damaged > 0 {
		t.Errorf("kill %d: replayed %+v", kill, replayed)
	}
	var w abi.Window
	now := time.Now()
	dict := view.Read(now, &w)
	in := w.Inputs[0]
	got := make(map[string][]int64)
	for k, index := range in.Series {
		labels := dict.Series[index].Labels
		n, _ := strconv.Atoi(labels.Get("instance"))
		i, _ := strconv.Atoi(labels.Get("i"))
		for s := range in.Spans[k].Count {
			at, v := in.Times[in.TimeRef[k]+s], in.Values[in.Spans[k].Start+s]
			if want := killValue(n, i, at); v != want {
				t.Fatalf("kill %d: series %d of target %d shows %v at %d, want %v", kill, i, n, v, at, want)
			}
			if i == 0 {
				got[labels.Get("instance")] = append(got[labels.Get("instance")], at)
			}
		}
		if want := killSeriesTimes(i, in.Times[in.TimeRef[k]:in.TimeRef[k]+in.Spans[k].Count]); want != "" {
			t.Fatalf("kill %d: series %d of target %d has a sample at %s", kill, i, n, want)
		}
	}
	for n := range killTargets {
		had := make(map[int64]bool)
		for _, at := range got[strconv.Itoa(n)] {
			had[at] = true
		}
		var lost []int64
		for at, when := range rounds {
			switch {
			case had[at] || at <= now.Add(-20*time.Second).UnixMilli():
			case died.Sub(when) > killSync+*killSlack:
				lost = append(lost, at)
			default:
				delete(rounds, at) // not written yet when it was killed, and not there at the next kill either
			}
		}
		if diff := cmp.Diff([]int64(nil), lost); diff != "" {
			t.Fatalf("kill %d: target %d lost collections (killed at %d): %s", kill, n, died.UnixMilli(), diff)
		}
	}
	t.Logf("kill %d: %d series with %d samples are there, from %d bytes in %s", kill, len(in.Series), len(in.Values), replayed.Bytes, replayed.Duration)
}

// killSeriesTimes is a time at which the page did not have series i, "" if there is none.
func killSeriesTimes(i int, times []int64) string {
	for _, at := range times {
		if i >= killSize(at) {
			return strconv.FormatInt(at, 10)
		}
	}
	return ""
}

// TestKeepAll keeps what no rule reads.
func TestKeepAll(t *testing.T) {
	kept := func(b *bubble, want int) {
		b.Helper()
		if got := b.engine.windows.Stats().Series; got != want {
			b.Errorf("%d series are kept, want %d", got, want)
		}
	}
	const pages = 2
	synthetic := 5 * pages // up and its kin
	inBubble(t, "engine {\n keep = \"all\"\n keep_for = \"1h\"\n}"+preamble+plain+above("High", ""), func(b *bubble) {
		b.page("a:80", "x", 0, "y", 1)
		b.page("b:80", "z", 1)
		b.until(5 * time.Minute)
		kept(b, 3+synthetic)
	})
	inBubble(t, preamble+plain+above("High", ""), func(b *bubble) {
		b.page("a:80", "x", 0, "y", 1)
		b.page("b:80", "z", 1)
		b.until(5 * time.Minute)
		kept(b, 1)
	})
}

package scrape

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// windows records what one target's windows were given.
type windows struct {
	mu   sync.Mutex
	rows []string
	page frame.Frame // the last one

	closed bool
}

func (w *windows) Append(page, health frame.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page = page
	w.rows = append(w.rows, fmt.Sprintf("%s page %v health %v", stamp(time.UnixMilli(page.Time)), page.Values, health.Values))
	return nil
}

func (w *windows) Miss(health frame.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = append(w.rows, fmt.Sprintf("%s miss health %v", stamp(time.UnixMilli(health.Time)), health.Values))
}

func (w *windows) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func stamp(t time.Time) string { return t.UTC().Format("05.000") }

// bench is a manager with everything that it tells, in a bubble of synctest.
type bench struct {
	*Manager
	mu      sync.Mutex
	rounds  []string
	windows map[string]*windows // by instance
	seen    []Observation
}

func newBench() *bench {
	b := &bench{windows: make(map[string]*windows)}
	b.Manager = New(Options{
		Open: func(target frame.Labels, _ time.Duration) Windows {
			w := &windows{}
			b.windows[target.Get("instance")] = w
			return w
		},
		OnRound: func(source string, at time.Time) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.rounds = append(b.rounds, source+" "+stamp(at))
		},
		OnCollect: func(o Observation) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.seen = append(b.seen, o)
		},
	})
	return b
}

func (b *bench) rowsOf(instance string) []string {
	w := b.windows[instance]
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rows)
}

func (b *bench) start(t *testing.T, sources ...Source) {
	t.Helper()
	if err := b.Start(sources); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) halt(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// collector is a source made of one function.
type collector func(ctx context.Context, t source.Target) (source.Collection, error)

func (c collector) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	return c(ctx, t)
}

var onePage = &frame.Layout{Series: []frame.Series{{Labels: frame.NewLabels(frame.Label{Name: "__name__", Value: "x"})}}}

func onePageOf(values ...float64) source.Collection {
	return source.Collection{Frame: frame.Frame{Layout: onePage, Values: values}}
}

func good(context.Context, source.Target) (source.Collection, error) { return onePageOf(42), nil }

// pass lets time go by and then everything settle.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEveryTargetOnceASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		targets := []string{"a:1", "b:1", "c:1"}
		b.start(t, Source{Name: "http.gw", Job: "gw", Collector: collector(good), Targets: targets, Interval: 10 * time.Second})
		pass(30*time.Second - time.Nanosecond)
		b.halt(t)
		for _, target := range targets {
			rows := b.rowsOf(target)
			if len(rows) != 3 {
				t.Fatalf("%s: %d rows, want 3: %v", target, len(rows), rows)
			}
			offset := newSlots(10*time.Second, "http.gw", target).offset
			for i, row := range rows {
				at := time.UnixMilli((time.Duration(i)*10*time.Second + offset).Milliseconds())
				if !strings.HasPrefix(row, stamp(at)+" page [42] health [1 0 1 1 ") {
					t.Errorf("%s row %d: %s, want it at %s", target, i, row, stamp(at))
				}
			}
		}
		last := 0 * time.Second
		for _, target := range targets {
			last = max(last, newSlots(10*time.Second, "http.gw", target).offset)
		}
		var want []string
		for i := range 3 {
			want = append(want, "http.gw "+stamp(time.UnixMilli((time.Duration(i)*10*time.Second+last).Milliseconds())))
		}
		if diff := cmp.Diff(want, b.rounds); diff != "" {
			t.Errorf("rounds (-want +got):\n%s", diff)
		}
	})
}

func TestHangingTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		free := make(chan struct{})
		b.start(t,
			Source{Name: "http.gw", Collector: collector(func(_ context.Context, target source.Target) (source.Collection, error) {
				if target.Address == "hangs:1" {
					<-free // whatever its context says
				}
				return onePageOf(42), nil
			}), Targets: []string{"hangs:1", "fine:1"}, Interval: 10 * time.Second, Timeout: 4 * time.Second},
			Source{Name: "http.other", Collector: collector(good), Targets: []string{"other:1"}, Interval: 10 * time.Second},
		)
		pass(40*time.Second - time.Nanosecond)
		hangs := newSlots(10*time.Second, "http.gw", "hangs:1").offset
		var gw, other int
		for _, r := range b.rounds {
			if strings.HasPrefix(r, "http.gw ") {
				gw++
			} else {
				other++
			}
		}
		want := 4
		if hangs > 6*time.Second {
			want = 3 // the first slot ends only with its timeout, later ones at once
		}
		if gw < want || other != 4 {
			t.Errorf("%d rounds of the hanging source, want %d; %d of the other, want 4: %v", gw, want, other, b.rounds)
		}
		rows := b.rowsOf("hangs:1")
		if len(rows) != 4 || !strings.HasSuffix(rows[0], "miss health [0 4 0 0 0]") || !strings.HasSuffix(rows[1], "miss health [0 0 0 0 0]") {
			t.Errorf("rows of the hanging target: %q", rows)
		}
		if n := len(b.rowsOf("fine:1")); n != 4 {
			t.Errorf("%d rows of the other target, want 4", n)
		}
		for _, s := range b.Targets() {
			if s.Target == "hangs:1" && (s.Health != Down || s.Skipped != 3 || s.LastError != errBusy.Error()) {
				t.Errorf("status of the hanging target: %+v", s)
			}
		}
		close(free)
		pass(10 * time.Second)
		rows = b.rowsOf("hangs:1")
		if !strings.Contains(rows[len(rows)-1], "page [42]") {
			t.Errorf("after it came back: %q", rows)
		}
		b.halt(t)
	})
}

func TestFailures(t *testing.T) {
	unavailable := errors.New("the plugin is being started again")
	for name, c := range map[string]collector{
		"the plugin is being started again": func(context.Context, source.Target) (source.Collection, error) {
			return source.Collection{}, fmt.Errorf("collect: %w", unavailable)
		},
		"no answer within 5s": func(ctx context.Context, _ source.Target) (source.Collection, error) {
			<-ctx.Done()
			return source.Collection{}, context.Cause(ctx)
		},
		"broken frame": func(context.Context, source.Target) (source.Collection, error) { return onePageOf(1, 2), nil },
		"the future": func(context.Context, source.Target) (source.Collection, error) {
			c := onePageOf(1)
			c.Frame.Time = time.Now().Add(time.Hour).UnixMilli()
			return c, nil
		},
		"panicked: boom": func(context.Context, source.Target) (source.Collection, error) { panic("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.start(t, Source{Name: "http.gw", Collector: c, Targets: []string{"a:1"}, Interval: 10 * time.Second, Timeout: 5 * time.Second})
				pass(16 * time.Second)
				s := b.Targets()[0]
				if s.Health != Down || !strings.Contains(s.LastError, name) {
					t.Errorf("status %+v", s)
				}
				if !strings.Contains(b.rowsOf("a:1")[0], "miss health [0 ") {
					t.Errorf("rows %q", b.rowsOf("a:1"))
				}
				if len(b.rounds) == 0 || len(b.seen) == 0 || b.seen[0].Err == nil {
					t.Errorf("rounds %v, seen %v", b.rounds, b.seen)
				}
				b.halt(t)
			})
		})
	}
}

func TestSourceWithoutTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.start(t, Source{Name: "http.none", Collector: collector(good), Interval: 10 * time.Second})
		pass(30*time.Second - time.Nanosecond)
		b.halt(t)
		if len(b.rounds) != 3 {
			t.Errorf("rounds %v, want 3", b.rounds)
		}
	})
}

func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		free := make(chan struct{})
		b.start(t, Source{Name: "http.gw", Collector: collector(func(context.Context, source.Target) (source.Collection, error) {
			<-free
			return onePageOf(1), nil
		}), Targets: []string{"a:1"}, Interval: 10 * time.Second})
		pass(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop of a collection that hangs: %v", err)
		}
		close(free)
		b.halt(t)
		if rows := b.rowsOf("a:1"); len(rows) != 0 {
			t.Errorf("a collection that the stop broke off left rows: %q", rows)
		}
	})
}

// An evaluation that is told of a round reads up to its time, so no row of the round may be later: not one of a source that
// says itself when it took its samples either.
func TestRoundIsOverWithTheNewestRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		ahead := collector(func(context.Context, source.Target) (source.Collection, error) {
			c := onePageOf(1)
			c.Frame.Time = time.Now().Add(3 * time.Second).UnixMilli()
			return c, nil
		})
		b.start(t, Source{Name: "ahead", Targets: []string{"a"}, Interval: 10 * time.Second, Collector: ahead})
		pass(35 * time.Second)
		b.halt(t)
		var rows []string
		for _, row := range b.rowsOf("a") {
			rows = append(rows, "ahead "+strings.Fields(row)[0])
		}
		if len(rows) < 3 || !slices.Equal(b.rounds, rows) {
			t.Errorf("rounds %q of rows %q", b.rounds, rows)
		}
	})
}

package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/scrape"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/pack"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// BenchmarkHostile lets eight rules do their worst while another rule is evaluated a hundred times a second, and fifty
// targets are scraped once. It reports how long each of the two had to wait at most: the rule from the moment it was due to
// its verdict, the scrape from its slot to its row. And what has become of the memory of the process when the hostile
// rules are gone. "nobody" is the same without them: what this machine does to anyone.
func BenchmarkHostile(b *testing.B) {
	out := filepath.Join(b.TempDir(), "misfit.wasm")
	if err := pack.Build(b.Context(), filepath.Join("..", "wasm", "testdata", "misfit"), out); err != nil {
		b.Fatal(err)
	}
	misfit, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	for _, do := range []string{"nobody", "loop", "burn", "recurse", "grow"} {
		b.Run(do, func(b *testing.B) {
			f := newFleet(b, 1, 100, 10)
			var hostile []*program
			if do != "nobody" {
				hostile = f.hostile(b, misfit, do, 8)
			}
			base := resident(b)
			rules, scrapes := f.endure(b, hostile)
			for _, p := range hostile {
				if err := p.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rules.Microseconds())/1000, "rule_stall_ms")
			b.ReportMetric(float64(scrapes.Microseconds())/1000, "scrape_stall_ms")
			b.ReportMetric(float64(resident(b)-base)/(1<<20), "rss_growth_MB")
		})
	}
}

// hostile configures n rules of a module each of their own, so that they cannot get in each other's way.
func (f *fleet) hostile(b *testing.B, code []byte, do string, n int) (programs []*program) {
	for i := range n {
		m, err := f.host.Load(b.Context(), fmt.Sprint(do, i), code, wasm.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		params, err := json.Marshal(map[string]string{"do": do})
		if err != nil {
			b.Fatal(err)
		}
		judge, err := m.NewRule(b.Context(), wasm.RuleOptions{ID: fmt.Sprint(do, i), Params: params})
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, &program{view: f.windows.Bind(f.queries(b)), rule: judge, inputs: []string{"in"}})
	}
	return programs
}

// endure makes the hostile rules due all the time, and a good one every ten milliseconds. It returns how long the good
// one, and a scrape, had to wait at most.
func (f *fleet) endure(b *testing.B, hostile []*program) (rules, scrapes time.Duration) {
	alerts, err := alert.OpenStore(state.Memory())
	if err != nil {
		b.Fatal(err)
	}
	judged := make(chan struct{}, 1)
	failures := 0
	m := rule.New(rule.Options{Alerts: alerts, Logger: zerolog.Nop(), OnEvaluate: func(o rule.Observation) {
		if o.Rule == "Good" {
			if o.Err != nil {
				failures++
			}
			judged <- struct{}{}
		}
	}})
	definitions := []rule.Definition{{Name: "Good", Sources: []string{"gw"}, Interval: time.Hour, Program: f.program(b)}}
	for i, p := range hostile {
		definitions = append(definitions, rule.Definition{Name: fmt.Sprint("Hostile", i), Sources: []string{"other"}, Interval: time.Hour, Program: p})
	}
	if err := m.Start(definitions); err != nil {
		b.Fatal(err)
	}
	good := func() time.Duration {
		due := time.Now()
		m.Round("gw", f.at)
		<-judged
		return time.Since(due)
	}
	good() // once, so that it is known
	late, stop := f.scraped(b)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for b.Loop() {
		m.Round("other", f.at)
		rules = max(rules, good())
		<-ticker.C
	}
	stop()
	if err := m.Stop(context.WithoutCancel(b.Context())); err != nil {
		b.Fatal(err)
	}
	if failures > 0 {
		b.Errorf("the good rule failed %d times", failures)
	}
	return rules, time.Duration(late.Load())
}

// scraped scrapes targets until stop is called, and tells how late a row was at most.
func (f *fleet) scraped(b *testing.B) (late *atomic.Int64, stop func()) {
	const interval = time.Second
	var page bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&page, "requests_%d %d\n", i, i)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page.Bytes()) }))
	late = new(atomic.Int64)
	m := scrape.New(scrape.Options{
		Logger: zerolog.Nop(),
		Open: func(target frame.Labels, interval time.Duration) scrape.Windows {
			return f.windows.Open(target, interval)
		},
		OnCollect: func(o scrape.Observation) {
			if o.Err != nil {
				b.Error(o.Err)
			}
			if o.Since > 0 {
				late.Store(max(late.Load(), int64(o.Since-interval+o.Duration))) // one at a time would be enough
			}
		},
	})
	var targets []string // spread over the interval
	for i := range 50 {
		targets = append(targets, fmt.Sprint(server.URL, "/", i))
	}
	if err := m.Start([]scrape.Source{{Name: "page", Job: "page", Targets: targets, Interval: interval, Collector: pageCollector{}}}); err != nil {
		b.Fatal(err)
	}
	return late, func() {
		if err := m.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
		server.Close()
	}
}

// pageCollector gets a page over HTTP, as the http source does, in a simple way.
type pageCollector struct{}

func (pageCollector) Collect(ctx context.Context, t source.Target) (source.Collection, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Address, http.NoBody)
	if err != nil {
		return source.Collection{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return source.Collection{}, err
	}
	defer func() { _ = res.Body.Close() }()
	layout := &frame.Layout{}
	var values []float64
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, text, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		value, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return source.Collection{}, err
		}
		layout.Series = append(layout.Series, frame.Series{Labels: frame.NewLabels(frame.Label{Name: frame.MetricName, Value: string(name)})})
		values = append(values, value)
	}
	return source.Collection{Frame: frame.Frame{Layout: layout, Values: values}}, lines.Err()
}

// resident is what the process holds, in bytes, after everything was given back that nobody uses.
func resident(b *testing.B) int64 {
	runtime.GC()
	debug.FreeOSMemory()
	stat, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(stat)
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

package window

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// fleet is targets with pages of many series, as big as the figures of the benchmarks say.
type fleet struct {
	store   *Store
	targets []*Target
	pages   []frame.Frame
	health  []frame.Frame
}

func newFleet(targets, series int) *fleet {
	f := &fleet{store: New(Options{})}
	for n := range targets {
		labels := frame.NewLabels(frame.Label{Name: "job", Value: "gw"}, frame.Label{Name: "instance", Value: "10.0.0." + strconv.Itoa(n) + ":80"})
		layout := &frame.Layout{}
		for i := range series {
			layout.Series = append(layout.Series, frame.Series{Kind: frame.Counter, Labels: labels.With(
				frame.Label{Name: frame.MetricName, Value: "http_requests_total"},
				frame.Label{Name: "code", Value: strconv.Itoa(200 + i%10)},
				frame.Label{Name: "endpoint", Value: fmt.Sprintf("/api/%d", i/10)},
			)})
		}
		up := &frame.Layout{Series: []frame.Series{{Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "up"})}}}
		f.targets = append(f.targets, f.store.Open(labels, time.Second))
		f.pages = append(f.pages, frame.Frame{Layout: layout, Values: make([]float64, series)})
		f.health = append(f.health, frame.Frame{Layout: up, Values: []float64{1}})
	}
	return f
}

func (f *fleet) round(b testing.TB, at int64) {
	for n, t := range f.targets {
		for i := range f.pages[n].Values {
			f.pages[n].Values[i] += float64(i & 3)
		}
		f.pages[n].Time, f.health[n].Time = at, at
		if err := t.Append(f.pages[n], f.health[n]); err != nil {
			b.Fatal(err)
		}
	}
}

func (f *fleet) bind(b testing.TB, reduce abi.Reduce, rows int) *View {
	matchers, err := ParseSelector(`http_requests_total{code=~"2.."}`)
	if err != nil {
		b.Fatal(err)
	}
	return f.store.Bind([]Query{{Matchers: matchers, Window: time.Duration(rows) * time.Second, Reduce: reduce, ReduceArg: 0.9}})
}

// BenchmarkAppend is what a sample costs on its way into the windows, also where each collection is recorded: then one
// row in two is another one. The log only counts.
func BenchmarkAppend(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		name := "windows"
		if recorded {
			name = "recorded"
		}
		b.Run(name, func(b *testing.B) {
			const targets, series = 10, 10_000
			f := newFleet(targets, series)
			log := new(countingLog)
			if recorded {
				f.store.RecordTo(log)
			}
			v := f.bind(b, abi.Increase, 20)
			defer v.Close()
			at := int64(0)
			for range 30 {
				at += 1000
				f.round(b, at)
			}
			log.bytes = 0
			b.ReportAllocs()
			for b.Loop() {
				at += 1000
				for n, t := range f.targets {
					for i := n; i < series; i += 2 {
						f.pages[n].Values[i] += float64(i & 31)
					}
					f.pages[n].Time, f.health[n].Time = at, at
					if err := t.Append(f.pages[n], f.health[n]); err != nil {
						b.Fatal(err)
					}
				}
			}
			samples := float64(b.N) * targets * series
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
			if recorded {
				b.ReportMetric(float64(log.bytes)/samples, "log-bytes/sample")
			}
		})
	}
}

// countingLog counts what it is given.
type countingLog struct{ bytes int }

func (l *countingLog) Append(record []byte) { l.bytes += len(record) }

// BenchmarkSnapshot is what the whole state costs, and how big it is.
func BenchmarkSnapshot(b *testing.B) {
	const targets, series, rows = 10, 10_000, 20
	f := newFleet(targets, series)
	v := f.bind(b, abi.Increase, rows)
	defer v.Close()
	for at := range int64(30) {
		f.round(b, at*1000)
	}
	log := new(countingLog)
	for b.Loop() {
		f.store.Snapshot(log.Append)
	}
	samples := float64(b.N) * targets * series * rows
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
	b.ReportMetric(float64(log.bytes)/samples, "log-bytes/sample")
}

// BenchmarkRestore is what a sample costs at a start.
func BenchmarkRestore(b *testing.B) {
	const targets, series, rows = 10, 10_000, 20
	f := newFleet(targets, series)
	log := new(memoryLog)
	f.store.RecordTo(log)
	f.bind(b, abi.Increase, rows)
	for at := range int64(rows) {
		f.round(b, at*1000)
	}
	for b.Loop() {
		again := fleet{store: New(Options{})}
		again.bind(b, abi.Increase, rows)
		r := again.store.Restore()
		for _, record := range log.records {
			if err := r.Apply(record); err != nil {
				b.Fatal(err)
			}
		}
		r.End(time.UnixMilli(rows * 1000))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(targets*series*rows), "ns/sample")
}

func BenchmarkRead(b *testing.B) {
	for name, reduce := range map[string]abi.Reduce{
		"raw": abi.Raw, "last": abi.Last, "increase": abi.Increase, "rate": abi.Rate, "avg": abi.Avg, "max": abi.Max,
		"stddev": abi.Stddev, "quantile": abi.Quantile,
	} {
		b.Run(name, func(b *testing.B) {
			const targets, series, rows = 10, 10_000, 20
			f := newFleet(targets, series)
			v := f.bind(b, reduce, rows)
			defer v.Close()
			at := int64(0)
			for range 33 {
				at += 1000
				f.round(b, at)
			}
			var w abi.Window
			v.Read(time.UnixMilli(at), &w)
			b.ReportAllocs()
			for b.Loop() {
				v.Read(time.UnixMilli(at), &w)
			}
			if n := len(w.Inputs[0].Series); n != targets*series {
				b.Fatalf("%d series in the window", n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(targets*series*rows), "ns/sample")
		})
	}
}

// BenchmarkMemory reports the bytes that a series with a window of 20 rows takes, its labels not counted: they are the
// layout's, which the source holds too.
func BenchmarkMemory(b *testing.B) {
	const targets, series = 10, 10_000
	for b.Loop() {
		f := newFleet(targets, series)
		before := heap()
		v := f.bind(b, abi.Increase, 20)
		f.round(b, 1000)
		b.ReportMetric(float64(heap()-before)/(targets*series), "bytes/series")
		v.Close()
		runtime.KeepAlive(f)
	}
}

// BenchmarkLongWindow reads a day of 15 s rows, of 100 series of which half grow, and reports how many bytes a sample
// takes.
func BenchmarkLongWindow(b *testing.B) {
	const series, rows, interval = 100, 5760, 15_000
	f := &fleet{store: New(Options{})}
	full := newFleet(1, series)
	f.pages, f.health = full.pages, full.health
	labels := f.health[0].Layout.Series[0].Labels.Without(frame.MetricName)
	f.targets = []*Target{f.store.Open(labels, interval*time.Millisecond)}
	v := f.bind(b, abi.Increase, rows*interval/1000)
	defer v.Close()
	at := int64(0)
	for range rows + 500 {
		at += interval
		for i := range series / 2 {
			f.pages[0].Values[i] += float64(int(at/interval) * (i + 1) % 17)
		}
		f.pages[0].Time, f.health[0].Time = at, at
		if err := f.targets[0].Append(f.pages[0], f.health[0]); err != nil {
			b.Fatal(err)
		}
	}
	var w abi.Window
	for b.Loop() {
		v.Read(time.UnixMilli(at), &w)
	}
	if n := len(w.Inputs[0].Values); n != series {
		b.Fatalf("%d series have an increase", n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(series*rows), "ns/sample")
	b.ReportMetric(float64(f.store.Stats().Bytes)/(series*rows), "bytes/sample")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkChurn is a page of which one series in a hundred is another one each time.
func BenchmarkChurn(b *testing.B) {
	const series = 10_000
	f := newFleet(1, series)
	v := f.bind(b, abi.Increase, 20)
	defer v.Close()
	at, page := int64(0), f.pages[0]
	var w abi.Window
	for b.Loop() {
		at += 1000
		layout := &frame.Layout{Series: append([]frame.Series(nil), page.Layout.Series...)}
		for i := int(at/1000) % 100; i < series; i += 100 {
			layout.Series[i].Labels = layout.Series[i].Labels.With(frame.Label{Name: "endpoint", Value: fmt.Sprint(at, i)})
		}
		page.Layout, page.Time, f.health[0].Time = layout, at, at
		if err := f.targets[0].Append(page, f.health[0]); err != nil {
			b.Fatal(err)
		}
		v.Read(time.UnixMilli(at), &w)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/sample")
}

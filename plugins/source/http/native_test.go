package httpsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/protodelim"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// delimited is a page of families.
func delimited(t testing.TB, families ...*dto.MetricFamily) []byte {
	t.Helper()
	var page bytes.Buffer
	for _, family := range families {
		if _, err := protodelim.MarshalTo(&page, family); err != nil {
			t.Fatal(err)
		}
	}
	return page.Bytes()
}

func family(name string, kind dto.MetricType, metrics ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Type: &kind, Metric: metrics}
}

func metric(h *dto.Histogram, pairs ...string) *dto.Metric {
	m := &dto.Metric{Histogram: h}
	for i := 0; i < len(pairs); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return m
}

// gathered is the page of a registry of a client library.
func gathered(t testing.TB, r *prometheus.Registry) []byte {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return delimited(t, families...)
}

// nativeOracle reads the native histograms of a page with Prometheus' parser.
func nativeOracle(t testing.TB, page []byte) map[string]*histogram.FloatHistogram {
	t.Helper()
	parser := textparse.NewProtobufParser(page, false, true, false, false, labels.NewSymbolTable())
	found := map[string]*histogram.FloatHistogram{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if entry != textparse.EntryHistogram {
			continue
		}
		_, stamp, h, fh := parser.Histogram()
		if h != nil {
			fh = h.ToFloat(nil)
		}
		var set labels.Labels
		parser.Labels(&set)
		set = labels.NewBuilder(set).Labels() // as the scrape loop does: drops empty values
		found[fmt.Sprint(set, " ", stampOf(stamp))] = fh
	}
}

func stampOf(stamp *int64) int64 {
	if stamp == nil {
		return noStamp
	}
	return *stamp
}

// assemble makes histograms of the columns of a row, and returns the other columns apart.
func assemble(t testing.TB, layout *frame.Layout, r row) (found map[string]*histogram.FloatHistogram, rest []sample) {
	t.Helper()
	found = map[string]*histogram.FloatHistogram{}
	for i, s := range samplesOf(t, layout, r) {
		ls := layout.Series[i].Labels
		text := ls.Get(frame.PartLabel)
		if text == "" {
			rest = append(rest, s)
			continue
		}
		part, ok := frame.ParsePart(text)
		if !ok {
			t.Fatalf("column %s", ls)
		}
		name := fmt.Sprint(promLabels(ls.Without(frame.PartLabel)), " ", s.Stamp)
		h := found[name]
		if part.Piece == frame.Observations {
			h = &histogram.FloatHistogram{Schema: part.Grid.Schema, ZeroThreshold: part.Grid.Threshold, Count: r.values[i]}
			if s.Kind == frame.Gauge {
				h.CounterResetHint = histogram.GaugeType
			}
			found[name] = h
		}
		switch part.Piece {
		case frame.Sum:
			h.Sum = r.values[i]
		case frame.Zero:
			h.ZeroCount = r.values[i]
		case frame.Positive:
			h.PositiveSpans, h.PositiveBuckets = extend(h.PositiveSpans, h.PositiveBuckets, part.Index, r.values[i])
		case frame.Negative:
			h.NegativeSpans, h.NegativeBuckets = extend(h.NegativeSpans, h.NegativeBuckets, part.Index, r.values[i])
		}
	}
	for _, h := range found {
		h.Compact(0)
	}
	return found, rest
}

func extend(spans []histogram.Span, counts []float64, index int32, count float64) ([]histogram.Span, []float64) {
	next := int32(0)
	for _, s := range spans {
		next += s.Offset + int32(s.Length)
	}
	return append(spans, histogram.Span{Offset: index - next, Length: 1}), append(counts, count)
}

// checkNative reads a page as one scrape of p and compares all of it with what Prometheus' parser says.
func checkNative(t *testing.T, p *page, text []byte) {
	t.Helper()
	r, err := p.read(input(text, protobuf), 0)
	if err != nil {
		t.Fatal(err)
	}
	got, rest := assemble(t, p.layout, r)
	if diff := cmp.Diff(nativeOracle(t, text), got, cmp.Comparer(sameHistogram)); diff != "" {
		t.Errorf("-Prometheus +ours:\n%s", diff)
	}
	want, err := oracle(text, protobuf)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(want, withoutKinds(rest)); d != "" {
		t.Errorf("beside native histograms: %s", d)
	}
}

func sameHistogram(a, b *histogram.FloatHistogram) bool {
	return a.Equals(b) && a.CounterResetHint == b.CounterResetHint
}

// TestNative scrapes what a client library exposes while it observes: histograms that are only native, such with
// classic buckets too, values on both sides of zero, resolutions that are lowered, resets.
func TestNative(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	registry := prometheus.NewRegistry()
	only := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "only", NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 20,
	}, []string{"path"})
	both := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "both", Buckets: []float64{1, 5}, NativeHistogramBucketFactor: 1.5})
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic", Buckets: []float64{1, 5}})
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gauge"})
	registry.MustRegister(only, both, classic, gauge)
	p := &page{native: 160}
	schemas := map[string]bool{}
	layouts := map[*frame.Layout]bool{}
	for round := range 60 {
		for range random.IntN(30) {
			v := math.Exp(random.NormFloat64() * float64(round) / 10)
			only.WithLabelValues([]string{"/", "/a"}[random.IntN(2)]).Observe(v)
			both.Observe(v * float64(random.IntN(3)-1))
			classic.Observe(v)
		}
		if round == 40 {
			only.Reset()
		}
		text := gathered(t, registry)
		for range 1 + random.IntN(2) {
			checkNative(t, p, text)
			layouts[p.layout] = true
		}
		for _, s := range p.layout.Series {
			if part, ok := frame.ParsePart(s.Labels.Get(frame.PartLabel)); ok && s.Labels.Get(frame.MetricName) == "only" {
				schemas[fmt.Sprint(part.Grid.Schema)] = true
			}
		}
	}
	if len(schemas) < 3 || len(layouts) >= 60 {
		t.Errorf("%d schemas and %d layouts: that tests little", len(schemas), len(layouts))
	}
}

// TestNativeForms: float histograms, gauge histograms, timestamps, several families, labels around that of the part.
func TestNativeForms(t *testing.T) {
	integers := &dto.Histogram{
		SampleCount: new(uint64(10)), SampleSum: new(5.5), Schema: new(int32(3)), ZeroThreshold: new(0.001), ZeroCount: new(uint64(2)),
		PositiveSpan:  []*dto.BucketSpan{{Offset: new(int32(-3)), Length: new(uint32(2))}, {Offset: new(int32(4)), Length: new(uint32(1))}},
		PositiveDelta: []int64{1, 2, -2}, // 1 3 1
		NegativeSpan:  []*dto.BucketSpan{{Offset: new(int32(7)), Length: new(uint32(2))}},
		NegativeDelta: []int64{3, -3}, // 3 0
	}
	floats := &dto.Histogram{
		SampleCountFloat: new(3.5), SampleSum: new(math.NaN()), Schema: new(int32(-4)), ZeroThreshold: new(0.0), ZeroCountFloat: new(0.5),
		PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(2))}}, PositiveCount: []float64{1, 2},
	}
	empty := &dto.Histogram{Schema: new(int32(0)), ZeroThreshold: new(1e-128), PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}}
	fine := &dto.Histogram{
		SampleCount: new(uint64(2)), Schema: new(int32(12)), ZeroThreshold: new(1e-128),
		PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(5)), Length: new(uint32(1))}}, PositiveDelta: []int64{2},
	}
	stamped := metric(floats, "a", "1", "__zone__", "2")
	stamped.TimestampMs = new(int64(1_700_000_000_000))
	text := delimited(
		t,
		family("first", dto.MetricType_HISTOGRAM, metric(integers), metric(floats, "a", "1"), metric(empty, "a", "2")),
		family("second", dto.MetricType_GAUGE_HISTOGRAM, metric(integers, "_", "under", "z", ""), stamped),
		family("third", dto.MetricType_COUNTER, &dto.Metric{Counter: &dto.Counter{Value: new(1.0)}}),
		family("fourth", dto.MetricType_HISTOGRAM, metric(&dto.Histogram{SampleCount: new(uint64(1)), Bucket: []*dto.Bucket{{UpperBound: new(1.0)}}})),
	)
	p := &page{native: 160, honor: true}
	for range 3 {
		checkNative(t, p, text)
	}
	// Prometheus stores schema 12 as schema 8: the parser does not do that yet.
	r, err := p.read(input(delimited(t, family("fine", dto.MetricType_HISTOGRAM, metric(fine))), protobuf), 0)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := assemble(t, p.layout, r)
	if h := got[fmt.Sprint(`{__name__="fine"} `, int64(noStamp))]; h == nil || h.Schema != 8 || h.PositiveBuckets[0] != 2 {
		t.Errorf("schema 12 became %v", h)
	}
}

// TestNativeIsAsked: only who wants native histograms gets them, and asks for the format that has them.
func TestNativeIsAsked(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(h)
	h.Observe(1)
	text := gathered(t, registry)
	var accept string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		accept = r.Header.Get("Accept")
		w.Header().Set("Content-Type", contentTypes[protobuf])
		_, _ = w.Write(text)
	})
	for config, want := range map[string]struct {
		columns int
		first   string
	}{
		`{}`:                                {3, "application/openmetrics-text"},
		`{"scrape_native_histograms":true}`: {7, "application/vnd.google.protobuf"},
		`{"scrape_native_histograms":true,"scrape_protocols":["PrometheusText1.0.0","PrometheusProto"]}`: {7, "text/plain"},
	} {
		c := mustCollect(t, configured(t, config), address(server))
		if len(c.Frame.Values) != want.columns || !strings.HasPrefix(accept, want.first) || c.Truncated {
			t.Errorf("%s: %d columns, Accept %s, truncated %v:\n%s", config, len(c.Frame.Values), accept, c.Truncated, shown(c.Frame))
		}
	}
}

// TestNativeLimit: of a histogram with too many buckets wider ones are kept, and nothing if that does not help.
func TestNativeLimit(t *testing.T) {
	many := func(schema int32, count int) []byte {
		h := &dto.Histogram{
			SampleCount: new(uint64(count)), Schema: &schema, ZeroThreshold: new(0.0),
			PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(1)), Length: new(uint32(count))}}, PositiveDelta: make([]int64, count),
		}
		h.PositiveDelta[0] = 1
		return delimited(t, family("h", dto.MetricType_HISTOGRAM, metric(h)))
	}
	p := &page{native: 160}
	r, err := p.read(input(many(8, 1000), protobuf), 0)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := assemble(t, p.layout, r)
	for name, h := range got {
		if h.Schema != 5 || len(h.PositiveBuckets) != 125 || h.PositiveBuckets[3] != 8 || h.Count != 1000 {
			t.Errorf("%s is %s", name, h)
		}
	}
	if len(got) != 1 || p.short {
		t.Errorf("%d histograms, short %v", len(got), p.short)
	}
	for _, want := range []bool{true, false} {
		if r, err = p.read(input(many(-4, map[bool]int{true: 1000, false: 10}[want]), protobuf), 0); err != nil {
			t.Fatal(err)
		}
		if got, rest := assemble(t, p.layout, r); p.short != want || (len(got) == 0) != want || len(rest) != 3 {
			t.Errorf("%d histograms and %d other columns, short %v, want %v", len(got), len(rest), p.short, want)
		}
	}
}

// TestNativeHostile: what lies about its buckets is refused, and costs what its bytes do.
func TestNativeHostile(t *testing.T) {
	base := func(change func(h *dto.Histogram)) []byte {
		h := &dto.Histogram{
			SampleCount: new(uint64(2)), Schema: new(int32(3)), ZeroThreshold: new(0.001),
			PositiveSpan: []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(2))}}, PositiveDelta: []int64{1, 0},
		}
		change(h)
		return delimited(t, family("h", dto.MetricType_HISTOGRAM, metric(h)))
	}
	span := func(offset int32, length uint32) *dto.BucketSpan {
		return &dto.BucketSpan{Offset: &offset, Length: &length}
	}
	for name, change := range map[string]func(h *dto.Histogram){
		"negative count":          func(h *dto.Histogram) { h.PositiveDelta = []int64{1, -2} },
		"more in buckets":         func(h *dto.Histogram) { h.PositiveDelta = []int64{5, 0} },
		"buckets missing":         func(h *dto.Histogram) { h.PositiveSpan[0].Length = new(uint32(math.MaxUint32)) },
		"buckets without span":    func(h *dto.Histogram) { h.PositiveDelta = []int64{1, 0, 0} },
		"span beyond all numbers": func(h *dto.Histogram) { h.PositiveSpan = []*dto.BucketSpan{span(math.MaxInt32, 2)} },
		"spans that overflow": func(h *dto.Histogram) {
			h.PositiveSpan = []*dto.BucketSpan{span(math.MaxInt32-5, 1), span(math.MaxInt32, 1)}
		},
		"span before the one before": func(h *dto.Histogram) { h.PositiveSpan = []*dto.BucketSpan{span(0, 1), span(-1, 1)} },
		"unknown schema":             func(h *dto.Histogram) { h.Schema = new(int32(99)) },
		"schema too coarse":          func(h *dto.Histogram) { h.Schema = new(int32(-9)) },
		"custom buckets":             func(h *dto.Histogram) { h.Schema = new(int32(frame.CustomSchema)); h.ZeroThreshold = new(0.0) },
		"threshold":                  func(h *dto.Histogram) { h.ZeroThreshold = new(math.NaN()) },
		"infinite threshold":         func(h *dto.Histogram) { h.ZeroThreshold = new(math.Inf(1)) },
		"negative float": func(h *dto.Histogram) {
			h.SampleCountFloat, h.PositiveCount, h.PositiveDelta = new(1.0), []float64{-1, 1}, nil
		},
	} {
		p := &page{native: 160}
		if _, err := p.read(input(base(change), protobuf), 0); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := p.read(input(base(func(*dto.Histogram) {}), protobuf), 0); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
	p := &page{native: 160}
	part := delimited(t, family("h", dto.MetricType_HISTOGRAM, metric(&dto.Histogram{ZeroThreshold: new(0.5)}, frame.PartLabel, "3/0 count")))
	if _, err := p.read(input(part, protobuf), 0); err == nil {
		t.Error("a histogram that calls itself part of one: no error")
	}
}

// TestNativeMillions: very many buckets, in one histogram and in many with long label sets, exhaust neither memory nor
// time: what was read of them is bounded.
func TestNativeMillions(t *testing.T) {
	sparse := func(buckets int) *dto.Histogram { // every other bucket is empty, and each has its span
		h := &dto.Histogram{SampleCount: new(uint64(buckets / 2)), Schema: new(int32(8)), ZeroThreshold: new(0.0)}
		for i := range buckets {
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(int32(1)), Length: new(uint32(1))})
			h.PositiveDelta = append(h.PositiveDelta, int64(1-i%2*2))
		}
		return h
	}
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("l%04d", i), "v")
	}
	var wide, large []*dto.Metric
	for i := range 40 {
		wide = append(wide, metric(sparse(300), slices.Concat(names, []string{"n", fmt.Sprint(i)})...))
	}
	for i := range 100 {
		large = append(large, metric(sparse(1000), "n", fmt.Sprint(i)))
	}
	for name, tt := range map[string]struct {
		metrics []*dto.Metric
		want    string
		columns int // of native histograms
	}{
		"in one":            {metrics: []*dto.Metric{metric(sparse(200_000)), metric(sparse(10), "n", "small")}, columns: 8},
		"in many":           {metrics: large, columns: 100 * (3 + 125)},
		"with a few labels": {metrics: wide[:1], columns: 3 + 150},
		"with many labels":  {metrics: wide, want: "labels together"},
	} {
		text := delimited(t, family("h", dto.MetricType_HISTOGRAM, tt.metrics...))
		p := &page{native: 160}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := p.read(input(text, protobuf), 0)
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 1500 {
			t.Errorf("%s: a page of %d KiB took %d MiB in all", name, len(text)>>10, took)
		}
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want one that says %q", name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		columns := 0
		for _, s := range p.layout.Series {
			if s.Labels.Get(frame.PartLabel) != "" {
				columns++
			}
		}
		if columns != tt.columns || p.short != (name == "in one") || len(r.values) != len(p.layout.Series) {
			t.Errorf("%s: %d columns, want %d; short %v", name, columns, tt.columns, p.short)
		}
	}
	text := delimited(t, family("h", dto.MetricType_HISTOGRAM, large...))
	all, _ := histograms(text, 200_000)
	some, short := histograms(text, 199_999)
	if !bytes.Equal(all, text) || !short || len(some) > len(text)*99/100+10 {
		t.Errorf("of %d bytes %d were kept, and %d with fewer buckets; short %v", len(text), len(all), len(some), short)
	}
}

// FuzzNative: pages that claim to have native histograms never do more than be refused.
func FuzzNative(f *testing.F) {
	registry := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1}, NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(h)
	h.Observe(1)
	h.Observe(-3)
	f.Add(gathered(f, registry))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &page{native: 160}
		for range 2 {
			r, err := p.read(input(text, protobuf), 0)
			if err != nil {
				return
			}
			assemble(t, p.layout, r)
		}
	})
}

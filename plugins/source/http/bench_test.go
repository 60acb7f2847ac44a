package httpsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/tocsinhq/tocsin/sdk/source"
)

const benchSeries = 100_000

// benchPage is a page of counters as an API gateway has them. Each call gives other values; renamed of 1000 series
// have another label value.
func benchPage(seed uint64, renamed int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	var b bytes.Buffer
	b.WriteString("# HELP http_requests_total Requests by code and endpoint.\n# TYPE http_requests_total counter\n")
	for i := range benchSeries {
		tag := ""
		if random.IntN(1000) < renamed {
			tag = fmt.Sprint("-", seed)
		}
		fmt.Fprintf(&b, "http_requests_total{code=\"%d\",endpoint=\"/api/v1/items/%05d%s\",method=\"GET\"} %d\n", 200+i%5*100, i/5, tag, random.IntN(1e7))
	}
	return b.Bytes()
}

// perSample reports what a sample takes: of the clock, and of the processors since began, which other load on the machine
// changes less.
func perSample(b *testing.B, began time.Duration) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSeries, "ns/sample")
	b.ReportMetric(float64((cpuTime()-began).Nanoseconds())/float64(b.N)/benchSeries, "cpu-ns/sample")
}

// cpuTime is what the process has used so far, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func benchRead(b *testing.B, known func() *page, pages ...[]byte) {
	b.ReportAllocs()
	p := known()
	for i := range pages {
		pages[i] = input(pages[i], promText).bytes
	}
	runtime.GC()
	began := cpuTime()
	for i := 0; b.Loop(); i++ {
		if _, err := p.read(body{bytes: pages[i%len(pages)], format: promText}, 0); err != nil {
			b.Fatal(err)
		}
	}
	perSample(b, began)
}

func learned(b *testing.B, text []byte) func() *page {
	return func() *page {
		p := &page{honor: true}
		for range 2 {
			if _, err := p.read(input(text, promText), 0); err != nil {
				b.Fatal(err)
			}
		}
		return p
	}
}

// BenchmarkUnchanged: the same series, other values.
func BenchmarkUnchanged(b *testing.B) {
	one, two := benchPage(1, 0), benchPage(2, 0)
	benchRead(b, learned(b, two), one, two)
}

// BenchmarkChanged1Percent: 1 % of the series get another label value, and back.
func BenchmarkChanged1Percent(b *testing.B) {
	one, two := benchPage(1, 0), benchPage(2, 10)
	benchRead(b, learned(b, two), one, two)
}

// BenchmarkOneAppended: one series more, then one less.
func BenchmarkOneAppended(b *testing.B) {
	one := benchPage(1, 0)
	two := append(benchPage(2, 0), "new_total 1\n"...)
	benchRead(b, learned(b, two), one, two)
}

// BenchmarkNew: a page of which nothing is known.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	in := input(benchPage(1, 0), promText)
	runtime.GC()
	began := cpuTime()
	for b.Loop() {
		p := &page{honor: true}
		if _, err := p.read(in, 0); err != nil {
			b.Fatal(err)
		}
	}
	perSample(b, began)
}

// BenchmarkAllRenamed: every series is another one each time.
func BenchmarkAllRenamed(b *testing.B) {
	one, two := benchPage(1, 1000), benchPage(2, 1000)
	benchRead(b, learned(b, two), one, two)
}

// BenchmarkTextparse is Prometheus' parser alone: values, with and without labels.
func BenchmarkTextparse(b *testing.B) {
	for _, withLabels := range []bool{false, true} {
		b.Run(fmt.Sprintf("labels=%v", withLabels), func(b *testing.B) {
			b.ReportAllocs()
			in := input(benchPage(1, 0), promText).bytes
			var set labels.Labels
			runtime.GC()
			began := cpuTime()
			for b.Loop() {
				parser := textparse.NewPromParser(in, labels.NewSymbolTable(), false)
				for {
					entry, err := parser.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					if entry == textparse.EntrySeries {
						parser.Series()
						if withLabels {
							parser.Labels(&set)
						}
					}
				}
			}
			perSample(b, began)
		})
	}
}

// BenchmarkProtobuf: the same page each time.
func BenchmarkProtobuf(b *testing.B) {
	var text []byte
	for _, e := range exportedPages(b) {
		if e.format == protobuf {
			text = e.text
		}
	}
	p := &page{}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := p.read(body{bytes: text, format: protobuf}, 0)
		if err != nil {
			b.Fatal(err)
		}
		n = len(r.values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/sample")
}

// BenchmarkCollect is a whole scrape over loopback, the server included.
func BenchmarkCollect(b *testing.B) {
	one := benchPage(1, 0)
	server := serve(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentTypes[promText])
		_, _ = w.Write(one)
	})
	s := configured(b, `{"enable_compression":false}`)
	target := source.Target{ID: "t", Address: address(server)}
	b.ReportAllocs()
	began := cpuTime()
	for b.Loop() {
		if _, err := s.Collect(b.Context(), target); err != nil {
			b.Fatal(err)
		}
	}
	perSample(b, began)
}

package history_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/history"
	"github.com/tocsinhq/tocsin/core/history/historytest"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// series is one with a sample every so often from noon on; value is called with its number.
func series(text string, every time.Duration, n int, value func(i int) float64) historytest.Series {
	s := historytest.Series{Labels: labels.FromMap(parse(text))}
	for i := range n {
		s.Samples = append(s.Samples, model.SamplePair{
			Timestamp: model.TimeFromUnixNano(noon.Add(time.Duration(i) * every).UnixNano()), Value: model.SampleValue(value(i)),
		})
	}
	return s
}

// parse reads "name a=b c=d".
func parse(text string) map[string]string {
	fields := strings.Fields(text)
	set := map[string]string{frame.MetricName: fields[0]}
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		set[name] = value
	}
	return set
}

func is(v float64) func(int) float64 { return func(int) float64 { return v } }

// told writes what it is told, a line each.
type told struct{ lines []string }

func (s *told) Answer(at time.Time, from history.Target, f frame.Frame, failure string) error {
	var parts []string
	for i, v := range f.Values {
		parts = append(parts, fmt.Sprintf("%s %g", f.Layout.Series[i].Labels, v))
	}
	s.lines = append(s.lines, fmt.Sprintf("%s %s/%s every %s: %s%s", since(at), from.Source, from.Address, from.Interval, strings.Join(parts, ", "), failure))
	return nil
}

func (s *told) Found(at time.Time, source string, groups []source.Group) error {
	s.lines = append(s.lines, fmt.Sprintf("%s %s found %v", since(at), source, groups[0].Targets))
	return nil
}

func since(at time.Time) time.Duration { return at.Sub(noon).Round(time.Second) }

func read(t *testing.T, p *historytest.Prometheus, o history.Options) ([]string, history.Report) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	o.URL, o.Transport = server.URL, server.Client().Transport
	var s told
	report, err := history.Read(t.Context(), o, &s)
	if err != nil {
		t.Fatal(err)
	}
	return s.lines, report
}

func TestSamplesGoBackToTheirCollections(t *testing.T) {
	const a, b = " job=web instance=a:80", " job=web instance=b:80"
	own := series("clock"+a, time.Minute, 3, func(i int) float64 { return float64(i) })
	for i := range own.Samples {
		own.Samples[i].Timestamp -= 7000 // the page says when it was measured
	}
	p := &historytest.Prometheus{Series: []historytest.Series{
		series("up"+a, time.Minute, 4, func(i int) float64 { return float64(min(1, i%3)) }), // 0 1 1 0
		series("up"+b, 2*time.Minute, 2, is(1)),
		series("load"+a+" core=1 zone=x", time.Minute, 3, func(i int) float64 { return float64(10 * i) }),
		series("load"+a+" core=2 zone=x", time.Minute, 3, is(5)),
		series("load"+b, 2*time.Minute, 1, is(7)),
		series("load job=web instance=stranger:80", time.Minute, 1, is(1)),
		series("load job=web instance=a:80 zone=y", time.Minute, 1, is(1)), // of another source with the same job
		own,
	}}
	lines, report := read(t, p, history.Options{
		From: noon, To: noon.Add(4 * time.Minute), Selectors: []string{"load", "clock", `{__name__="up"}`},
		Sources: []history.Source{{
			Name: "http.web", Job: "web", Labels: map[string]string{"zone": "x"},
			Addresses: map[string]string{"a:80": "http://a", "b:80": "b:80"},
		}},
	})
	want := []string{
		"0s http.web/b:80 every 2m0s: load{} 7",
		`0s http.web/http://a every 1m0s: load{core="1"} 0, load{core="2"} 5up was 0`, // the first clock is of before
		`1m0s http.web/http://a every 1m0s: load{core="1"} 10, load{core="2"} 5, clock{} 1`,
		"2m0s http.web/b:80 every 2m0s: ",
		`2m0s http.web/http://a every 1m0s: load{core="1"} 20, load{core="2"} 5, clock{} 2`,
		"3m0s http.web/http://a every 1m0s: up was 0",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"web/stranger:80": 1, "web/a:80": 1}, report.Strangers); diff != "" {
		t.Errorf("strangers (-want +got):\n%s", diff)
	}
}

// Targets that a source finds are found when there are samples of them, to the hour.
func TestFoundTargets(t *testing.T) {
	p := &historytest.Prometheus{Series: []historytest.Series{
		series("up job=k8s instance=old:80", time.Minute, 30, is(1)),
		series("up job=k8s instance=stays:80", time.Minute, 150, is(1)),
	}}
	lines, _ := read(t, p, history.Options{
		From: noon, To: noon.Add(150 * time.Minute), Selectors: []string{"load"},
		Sources: []history.Source{{Name: "http.k8s", Job: "k8s", Finds: true}},
	})
	var found []string
	for _, line := range lines {
		if strings.Contains(line, "found") {
			found = append(found, line)
		}
	}
	want := []string{"0s http.k8s found [{old:80 map[]} {stays:80 map[]}]", "1h0m0s http.k8s found [{stays:80 map[]}]"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// Every sample comes once and in order, however the history has to be divided.
func TestLongHistories(t *testing.T) {
	const n = 12 * 60 * 4 // of 15 s: 12 hours
	for _, tt := range []struct {
		name    string
		max     int
		step    time.Duration
		answers int
		queries int64
	}{
		{"stored", 0, 0, n, 2 * 13}, // the last hour begins before its first sample
		{"stored, with a limit below an hour's samples", 100, 0, n, 2 * (12*4 + 1)},
		{"steps", 0, 20 * time.Second, 12*60*3 + 1, 2},
		{"steps, more than a range query may have", 0, time.Second, 12*60*60 + 1, 2 * 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &historytest.Prometheus{MaxSamples: tt.max, Series: []historytest.Series{
				series("up job=web instance=a:80", 15*time.Second, n, is(1)),
				series("load job=web instance=a:80", 15*time.Second, n, func(i int) float64 { return float64(i) }),
			}}
			lines, report := read(t, p, history.Options{
				From: noon, To: noon.Add(12 * time.Hour), Step: tt.step, Selectors: []string{"load"},
				Sources: []history.Source{{Name: "http.web", Job: "web", Addresses: map[string]string{"a:80": "a:80"}}},
			})
			if len(lines) != tt.answers || report.Samples != tt.answers || p.Queries.Load() != tt.queries {
				t.Errorf("%d answers with %d samples in %d queries, want %d in %d", len(lines), report.Samples, p.Queries.Load(), tt.answers, tt.queries)
			}
			step := max(tt.step, 0)
			if step == 0 {
				step = 15 * time.Second
			}
			for i, line := range lines {
				if want := fmt.Sprintf("%s http.web/a:80 every %s: load{} %d", time.Duration(i)*step, step, time.Duration(i)*step/(15*time.Second)); line != want && i < tt.answers-1 {
					t.Fatalf("answer %d: %s, want %s", i, line, want)
				}
			}
		})
	}
}

func TestErrorsOfThePrometheus(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"not there", http.NotFound, "404"},
		{"no samples at all may be read", (&historytest.Prometheus{MaxSamples: 1, Series: []historytest.Series{
			series("up job=web instance=a:80", time.Second, 9999, is(1)),
		}}).ServeHTTP, "too many samples"},
		{"something else", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`)
		}, "no matrix but a scalar"},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<html>`) }, "read the history from 2026-03-01T11:59:59Z to 2026-03-01T12:59:59Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			_, err := history.Read(t.Context(), history.Options{
				URL: server.URL, Transport: server.Client().Transport, From: noon, To: noon.Add(2 * time.Hour),
				Sources: []history.Source{{Name: "http.web", Job: "web", Addresses: map[string]string{"a:80": "a:80"}}},
			}, &told{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

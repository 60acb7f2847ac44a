package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
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

var prometheus = flag.String("prometheus", "", "path of a Prometheus to compare a live run with, in TestSameAsPrometheus")

// comparedPage is a page that both scrape.
type comparedPage struct {
	contentType string
	text        []byte

	mu     sync.Mutex
	scrape map[string]int // how often, by the first word of the User-Agent; guarded by mu
}

// openMetricsPage has what exporters at hand do not.
const openMetricsPage = `# TYPE requests counter
# UNIT requests_seconds seconds
requests_total{path="/a b",quoted="say \"hi\"\n"} 17.5 # {trace_id="abc"} 0.5 1.6e9
requests_created{path="/a b",quoted="say \"hi\"\n"} 1.6e9
# TYPE latency_seconds histogram
latency_seconds_bucket{le="1"} 3 # {trace_id="def"} 0.7
latency_seconds_bucket{le="2.5"} 3
latency_seconds_bucket{le="+Inf"} 4
latency_seconds_count 4
latency_seconds_sum 6.25
# TYPE build info
build_info{version="1.2",instance="mine",job="theirs"} 1
# TYPE mode stateset
mode{mode="on"} 1
mode{mode="off"} 0
# TYPE odd unknown
odd{nan="yes"} NaN
odd{inf="minus"} -Inf
odd{empty=""} 1e-300
# EOF
`

// TestSameAsPrometheus scrapes the same pages with Tocsin and with Prometheus, both as they are run, and compares all that
// they know afterwards: every series with its labels and its value. `make same PROMETHEUS=/path/of/prometheus` runs it.
func TestSameAsPrometheus(t *testing.T) {
	if *prometheus == "" {
		t.Skip("no Prometheus to compare with: make same PROMETHEUS=/path/of/prometheus")
	}
	pages := comparedPages(t)
	names := slices.Sorted(maps.Keys(pages))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := pages[strings.TrimPrefix(r.URL.Path, "/")]
		w.Header().Set("Content-Type", page.contentType)
		_, _ = w.Write(page.text)
		who, _, _ := strings.Cut(r.UserAgent(), "/")
		page.mu.Lock()
		defer page.mu.Unlock()
		page.scrape[who]++
	}))
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	scraped := func(who string) func() bool {
		return func() bool {
			for _, page := range pages {
				page.mu.Lock()
				n := page.scrape[who]
				page.mu.Unlock()
				if n < 3 {
					return false
				}
			}
			return true
		}
	}
	theirs := seriesOfPrometheus(t, address, names, scraped("Prometheus"))
	ours := seriesOfTocsin(t, address, names, scraped("Tocsin"))
	for series, value := range theirs {
		got, ok := ours[series]
		switch {
		case !ok:
			t.Errorf("only Prometheus has %s %v", series, value)
		case strings.HasPrefix(series, "scrape_duration_seconds{"):
		case math.Float64bits(got) != math.Float64bits(value) && !(math.IsNaN(got) && math.IsNaN(value)):
			t.Errorf("%s is %v, Prometheus has %v", series, got, value)
		}
	}
	for series, value := range ours {
		if _, ok := theirs[series]; !ok {
			t.Errorf("only Tocsin has %s %v", series, value)
		}
	}
	t.Logf("%d series of %d pages compared", len(theirs), len(pages))
}

// comparedPages are those of real exporters, and one of our own.
func comparedPages(t *testing.T) map[string]*comparedPage {
	t.Helper()
	pages := map[string]*comparedPage{
		"own.om": {contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8", text: []byte(openMetricsPage)},
	}
	files, err := filepath.Glob("../../../plugins/source/http/testdata/pages/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := &comparedPage{contentType: "text/plain; version=0.0.4; charset=utf-8", text: text}
		if filepath.Ext(file) == ".pb" {
			page.contentType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
		}
		pages[filepath.Base(file)] = page
	}
	for _, page := range pages {
		page.scrape = map[string]int{}
	}
	return pages
}

// jobOf is the job that scrapes a page.
func jobOf(page string) string {
	return "page_" + strings.NewReplacer(".", "_", "-", "_").Replace(page)
}

// seriesOfPrometheus are all that it has once enough was scraped.
func seriesOfPrometheus(t *testing.T, address string, pages []string, enough func() bool) map[string]float64 {
	t.Helper()
	dir := t.TempDir()
	var yaml strings.Builder
	yaml.WriteString("global:\n  scrape_interval: 1s\nscrape_configs:\n")
	for _, page := range pages {
		fmt.Fprintf(&yaml, `- job_name: %s
  metrics_path: /%s
  static_configs:
  - targets: [%q]
    labels: {team: core}
  metric_relabel_configs:
  - {source_labels: [__name__], regex: go_gc_.*, action: drop}
  - {source_labels: [device], regex: "(.+)", target_label: nic, replacement: "nic-$1"}
`, jobOf(page), page, address)
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte(yaml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := httptest.NewServer(http.NotFoundHandler()) // finds a free port
	web := listen.Listener.Addr().String()
	listen.Close()
	log := &lockedBuffer{}
	p := &process{log: log, Cmd: exec.CommandContext(t.Context(), *prometheus,
		"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", web)}
	p.Stderr, p.Stdout = log, log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.kill(t)
	eventually(t, "Prometheus scraped all pages", enough)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  [2]any            `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	query := "http://" + web + "/api/v1/query?query=" + url.QueryEscape(`{__name__=~".+"}`)
	response, err := http.Get(query) //nolint:noctx // of the process of this test
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		all[frame.FromMap(r.Metric).String()] = value
	}
	return all
}

// seriesOfTocsin are all that its windows have once enough was scraped.
func seriesOfTocsin(t *testing.T, address string, pages []string, enough func() bool) map[string]float64 {
	t.Helper()
	const keep = time.Minute
	hcl := fmt.Sprintf(`
engine {
  listen   = "127.0.0.1:0"
  keep     = "all"
  keep_for = %q
}
notifier "webhook" "nobody" {
  url = "http://127.0.0.1:9/"
}
route {
  to = [notifier.webhook.nobody]
}
`, keep)
	for _, page := range pages {
		hcl += fmt.Sprintf(`
source "http" %q {
  targets  = [%q]
  path     = "/%s"
  interval = "1s"
  labels   = { team = "core" }
  metric_relabel {
    source_labels = ["__name__"]
    regex         = "go_gc_.*"
    action        = "drop"
  }
  metric_relabel {
    source_labels = ["device"]
    regex         = "(.+)"
    target_label  = "nic"
    replacement   = "nic-$1"
  }
}
`, jobOf(page), address, page)
	}
	dir := writeConfig(t, hcl)
	p := start(t, dir)
	eventually(t, "Tocsin scraped all pages", enough)
	p.stop(t)

	store := window.New(window.Options{Logger: zerolog.Nop()})
	matchers, err := window.ParseSelector(`{__name__=~".+"}`)
	if err != nil {
		t.Fatal(err)
	}
	view := store.Bind([]window.Query{{Matchers: matchers, Window: keep, Reduce: abi.Last}})
	log, err := wal.Open(wal.Options{Dir: filepath.Join(dir, "data", "windows")})
	if err != nil {
		t.Fatal(err)
	}
	restoration := store.Restore()
	log.Replay(restoration.Apply)
	restoration.End(time.Now())
	for _, page := range pages {
		store.Open(frame.FromMap(map[string]string{"job": jobOf(page), "instance": address, "team": "core"}), time.Second)
	}
	var w abi.Window
	dict := view.Read(time.Now(), &w)
	all := map[string]float64{}
	for s, index := range w.Inputs[0].Series {
		for _, v := range samplesOf(&w.Inputs[0], s) {
			all[dict.Series[index].Labels.String()] = v
		}
	}
	return all
}

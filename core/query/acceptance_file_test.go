package query

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/convertnhcb"
)

// acceptanceFile is one of Prometheus' test files, whose language its promql/promqltest/README.md describes.
type acceptanceFile struct {
	name        string
	evaluations []evaluationCase
}

// evaluationCase is one evaluation: at one time, or at several, as a rule is evaluated again and again.
type evaluationCase struct {
	line    int
	text    string
	times   []time.Time
	samples *sampleSet

	fails, ordered bool
	want           [][]element // for each of the times
}

func (e *evaluationCase) isRange() bool { return len(e.times) > 1 }

// acceptanceFiles reads the files of the version of Prometheus that this module uses. They are read here, and not by
// Prometheus' own package for that, because that one brings the libraries of three clouds into the module.
func acceptanceFiles(t *testing.T) (files []acceptanceFile) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-json", "github.com/prometheus/prometheus").Output()
	if err != nil {
		t.Fatalf("find the source of Prometheus: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(module.Dir, "promql/promqltest/testdata/*.test"))
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d acceptance tests in %s: %v", len(paths), module.Dir, err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, readAcceptance(t, filepath.Base(path), string(content)))
	}
	return files
}

var (
	loadCommand  = regexp.MustCompile(`^load(_with_nhcb)?\s+(\S+)$`)
	evalCommand  = regexp.MustCompile(`^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$`)
	rangeCommand = regexp.MustCompile(`^eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$`)
	seriesParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
)

// readAcceptance reads commands. Each is a line, and lines up to an empty one or a comment that belong to it.
func readAcceptance(t *testing.T, name, content string) acceptanceFile {
	file := acceptanceFile{name: name}
	samples := &sampleSet{}
	lines := strings.Split(content, "\n")
	for i := range lines {
		if lines[i] = strings.TrimSpace(lines[i]); strings.HasPrefix(lines[i], "#") {
			lines[i] = ""
		}
	}
	for i := 0; i < len(lines); i++ {
		head, number := lines[i], i+1
		first := i + 1
		for i+1 < len(lines) && lines[i+1] != "" && head != "" && head != "clear" {
			i++
		}
		body := lines[min(first, i+1) : i+1]
		load, eval, ranged := loadCommand.FindStringSubmatch(head), evalCommand.FindStringSubmatch(head), rangeCommand.FindStringSubmatch(head)
		switch {
		case head == "":
		case head == "clear":
			samples = &sampleSet{}
		case load != nil:
			samples = samples.load(t, load[1] != "", durationOf(t, load[2]), body)
		case ranged != nil:
			e := evaluationCase{line: number, text: ranged[5], samples: samples, fails: ranged[1] == "fail"}
			until, step := timeOf(t, ranged[3]), durationOf(t, ranged[4])
			for at := timeOf(t, ranged[2]); !at.After(until); at = at.Add(step) {
				e.times = append(e.times, at)
			}
			e.read(t, body)
			file.evaluations = append(file.evaluations, e)
		case eval != nil:
			e := evaluationCase{line: number, text: eval[3], times: []time.Time{timeOf(t, eval[2])}, samples: samples}
			e.fails, e.ordered = eval[1] == "fail", eval[1] == "ordered"
			e.read(t, body)
			file.evaluations = append(file.evaluations, e)
		default:
			t.Fatalf("%s:%d: what is %q?", name, number, head)
		}
	}
	return file
}

func timeOf(t *testing.T, text string) time.Time { return time.UnixMilli(0).Add(durationOf(t, text)) }

func durationOf(t *testing.T, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := model.ParseDuration(strings.TrimPrefix(text, "-"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(text, "-") {
		return -time.Duration(d)
	}
	return time.Duration(d)
}

// read takes what is expected of an evaluation. What a file says about warnings is left out: they are compared with those
// of Prometheus' engine.
func (e *evaluationCase) read(t *testing.T, body []string) {
	e.want = make([][]element, len(e.times))
	for _, line := range body {
		if what, ok := strings.CutPrefix(line, "expect "); ok {
			if strings.HasPrefix(what, "range vector") {
				return // no rule has such a result
			}
			e.fails = e.fails || strings.HasPrefix(what, "fail")
			e.ordered = e.ordered || strings.HasPrefix(what, "ordered")
			continue
		}
		if v, err := strconv.ParseFloat(line, 64); err == nil {
			e.want[0] = append(e.want[0], element{"{}", v, nil})
			continue
		}
		metric, values, err := seriesParser.ParseSeriesDesc(line)
		switch {
		case err == nil && len(values) > 0 && len(values) <= len(e.times):
			for i, v := range values {
				if !v.Omitted {
					e.want[i] = append(e.want[i], element{metric.String(), v.Value, v.Histogram})
				}
			}
		case !strings.HasPrefix(line, "expected_fail_"):
			t.Fatalf("line %d expects %q: %v", e.line, line, err)
		}
	}
}

// sampleSet is what a file has loaded. It is a [storage.Querier] for Prometheus' engine, and never changed: a load makes
// another one.
type sampleSet struct {
	storage.LabelQuerier
	series []promql.Series
	hinted []labels.Labels // histograms that say whether they were reset, or are gauges only at times
}

func (s *sampleSet) load(t *testing.T, withNative bool, step time.Duration, body []string) *sampleSet {
	next := &sampleSet{series: slices.Clone(s.series), hinted: slices.Clone(s.hinted)}
	var custom conversion
	for _, line := range body {
		if name, _, _ := strings.Cut(line, " "); strings.HasSuffix(name, "@st") {
			continue // start timestamps, which only a feature flag reads
		}
		metric, values, err := seriesParser.ParseSeriesDesc(line)
		if err != nil {
			t.Fatalf("load %q: %v", line, err)
		}
		series := promql.Series{Metric: metric}
		for i, v := range values {
			at := int64(i) * step.Milliseconds()
			switch {
			case v.Histogram != nil:
				series.Histograms = append(series.Histograms, promql.HPoint{T: at, H: v.Histogram})
				hint, first := v.Histogram.CounterResetHint, series.Histograms[0].H.CounterResetHint
				if hint == histogram.CounterReset || hint == histogram.NotCounterReset || hint != first {
					next.hinted = append(next.hinted, metric)
				}
			case !v.Omitted:
				series.Floats = append(series.Floats, promql.FPoint{T: at, F: v.Value})
			}
		}
		next.set(series)
		if withNative {
			custom.add(series)
		}
	}
	for _, series := range custom.series(t) {
		next.set(series)
	}
	return next
}

// conversion makes histograms with custom buckets of classic ones, as load_with_nhcb does.
type conversion struct {
	metrics    []labels.Labels
	histograms []map[int64]*convertnhcb.TempHistogram // of metrics, by time
}

func (c *conversion) add(s promql.Series) {
	kind, base := convertnhcb.GetHistogramMetricBaseName(s.Metric.Get(model.MetricNameLabel))
	bound, err := strconv.ParseFloat(s.Metric.Get(model.BucketLabel), 64)
	if kind == convertnhcb.SuffixNone || kind == convertnhcb.SuffixBucket && (err != nil || math.IsNaN(bound)) {
		return
	}
	metric := convertnhcb.GetHistogramMetricBase(s.Metric, base)
	i := slices.IndexFunc(c.metrics, func(ls labels.Labels) bool { return labels.Equal(ls, metric) })
	if i < 0 {
		i = len(c.metrics)
		c.metrics, c.histograms = append(c.metrics, metric), append(c.histograms, map[int64]*convertnhcb.TempHistogram{})
	}
	for _, p := range s.Floats {
		h := c.histograms[i][p.T]
		if h == nil {
			h = new(convertnhcb.NewTempHistogram())
			c.histograms[i][p.T] = h
		}
		switch kind {
		case convertnhcb.SuffixBucket:
			_ = h.SetBucketCount(bound, p.F)
		case convertnhcb.SuffixCount:
			_ = h.SetCount(p.F)
		case convertnhcb.SuffixSum:
			_ = h.SetSum(p.F)
		}
	}
}

func (c *conversion) series(t *testing.T) (all []promql.Series) {
	for i, metric := range c.metrics {
		s := promql.Series{Metric: metric}
		for _, at := range slices.Sorted(maps.Keys(c.histograms[i])) {
			h, fh, err := c.histograms[i][at].Convert()
			if err != nil {
				t.Fatal(err)
			}
			if h != nil {
				fh = h.ToFloat(nil)
			}
			s.Histograms = append(s.Histograms, promql.HPoint{T: at, H: fh})
		}
		all = append(all, s)
	}
	return all
}

// set adds a series. Of one that a file has twice the last counts, as in Prometheus.
func (s *sampleSet) set(series promql.Series) {
	s.series = slices.DeleteFunc(s.series, func(other promql.Series) bool { return labels.Equal(other.Metric, series.Metric) })
	s.series = append(s.series, series)
}

// hints tells whether an expression reads hinted histograms.
func (s *sampleSet) hints(expr parser.Expr) bool {
	for _, selector := range parser.ExtractSelectors(expr) {
		if slices.ContainsFunc(s.hinted, func(ls labels.Labels) bool { return matches(ls, selector) }) {
			return true
		}
	}
	return false
}

func matches(ls labels.Labels, matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// Select implements [storage.Querier].
func (s *sampleSet) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &listSet{}
	for _, series := range s.series {
		if matches(series.Metric, matchers) {
			set.series = append(set.series, promql.NewStorageSeries(series))
		}
	}
	return set
}

// Close implements [storage.Querier].
func (s *sampleSet) Close() error { return nil }

type listSet struct {
	series []*promql.StorageSeries
	at     int
}

func (s *listSet) Next() bool                        { s.at++; return s.at <= len(s.series) }
func (s *listSet) At() storage.Series                { return s.series[s.at-1] }
func (s *listSet) Err() error                        { return nil }
func (s *listSet) Warnings() annotations.Annotations { return nil }

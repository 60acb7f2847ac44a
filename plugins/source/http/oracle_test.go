package httpsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// sample is one series of a page with its value, in a form that can be compared.
type sample struct {
	Labels string
	Kind   frame.Kind
	Bits   uint64 // of the value
	Stamp  int64
}

var contentTypes = map[format]string{
	promText:    "text/plain; version=0.0.4; charset=utf-8",
	openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
	protobuf:    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
}

// oracle reads a page with Prometheus' parser alone, as its scrape loop does, and keeps what its storage would keep
// as the newest sample of each series. It knows nothing of kinds.
func oracle(text []byte, f format) ([]sample, error) {
	if len(text) == 0 {
		return nil, nil
	}
	parser, err := textparse.New(bytes.Clone(text), contentTypes[f], labels.NewSymbolTable(), textparse.ParserOptions{IgnoreNativeHistograms: true})
	if err != nil {
		return nil, err
	}
	var found []sample
	at := map[string]int{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var set labels.Labels
		parser.Labels(&set)
		set = labels.NewBuilder(set).Labels() // as the scrape loop does: drops empty values
		if _, twice := set.HasDuplicateLabelNames(); twice {
			return nil, errors.New("duplicate label")
		}
		if !set.Has(model.MetricNameLabel) || !set.IsValid(model.UTF8Validation) {
			return nil, errors.New("invalid")
		}
		_, stamp, value := parser.Series()
		s := sample{Labels: set.String(), Bits: math.Float64bits(value), Stamp: noStamp}
		if stamp != nil {
			s.Stamp = *stamp
		}
		if i, ok := at[s.Labels]; !ok {
			at[s.Labels] = len(found)
			found = append(found, s)
		} else if found[i].Stamp != noStamp && s.Stamp > found[i].Stamp {
			found[i] = s
		}
	}
}

// samplesOf lists what a page holds after a read.
func samplesOf(t testing.TB, layout *frame.Layout, r row) []sample {
	t.Helper()
	if len(r.values) != len(layout.Series) || len(r.stamps) != 0 && len(r.stamps) != len(r.values) {
		t.Fatalf("%d values and %d stamps for %d series", len(r.values), len(r.stamps), len(layout.Series))
	}
	var found []sample
	for i, series := range layout.Series {
		s := sample{Labels: promLabels(series.Labels).String(), Kind: series.Kind, Bits: math.Float64bits(r.values[i]), Stamp: noStamp}
		if len(r.stamps) > 0 {
			s.Stamp = r.stamps[i]
		}
		found = append(found, s)
	}
	return found
}

func promLabels(ls frame.Labels) labels.Labels {
	var b labels.ScratchBuilder
	for _, l := range ls {
		b.Add(l.Name, l.Value)
	}
	return b.Labels()
}

// withoutKinds forgets kinds, of which the oracle knows nothing.
func withoutKinds(samples []sample) []sample {
	samples = slices.Clone(samples)
	for i := range samples {
		samples[i].Kind = 0
	}
	return samples
}

// diff tells the first difference, "" if there is none.
func diff(want, got []sample) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Sprintf("sample %d: want %+v, got %+v", i, want[i], got[i])
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("want %d samples, got %d", len(want), len(got))
	}
	return ""
}

// input makes a body as fetch does.
func input(text []byte, f format) body {
	return body{bytes: append(make([]byte, 0, len(text)+1), text...), format: f}
}

// readText reads a page as one scrape of p.
func readText(t testing.TB, p *page, text []byte, f format) ([]sample, error) {
	t.Helper()
	r, err := p.read(input(text, f), 0)
	if err != nil {
		return nil, err
	}
	return samplesOf(t, p.layout, r), nil
}

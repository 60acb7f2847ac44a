package scrape

import (
	"slices"
	"time"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

// synthetic are the series about a collection, with Prometheus' names and meanings, in the order of a health row.
var synthetic = [...]string{
	"up",                                    // 1 if the collection was good, else 0
	"scrape_duration_seconds",               // how long it took
	"scrape_samples_scraped",                // samples that the target exposed
	"scrape_samples_post_metric_relabeling", // samples that remained to be kept
	"scrape_series_added",                   // series that the collection before did not have
}

func isSynthetic(name string) bool { return slices.Contains(synthetic[:], name) }

// health makes the rows about collections from one target.
type health struct {
	layout *frame.Layout
	values [len(synthetic)]float64 // of the row last made
}

func newHealth(target frame.Labels) health {
	layout := &frame.Layout{Series: make([]frame.Series, len(synthetic))}
	for i, name := range synthetic {
		layout.Series[i] = frame.Series{Labels: target.With(frame.Label{Name: frame.MetricName, Value: name}), Kind: frame.Gauge}
	}
	return health{layout: layout}
}

// good is the row of a good collection. It is valid until the next row.
func (h *health) good(at int64, took time.Duration, scraped, kept, added int) frame.Frame {
	h.values = [len(synthetic)]float64{1, took.Seconds(), float64(scraped), float64(kept), float64(added)}
	return frame.Frame{Layout: h.layout, Time: at, Values: h.values[:]}
}

// failed is the row of a failed one.
func (h *health) failed(at int64, took time.Duration) frame.Frame {
	h.values = [len(synthetic)]float64{0, took.Seconds()}
	return frame.Frame{Layout: h.layout, Time: at, Values: h.values[:]}
}

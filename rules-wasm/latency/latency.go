package main

import (
	"math"
	"slices"
	"strconv"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Latency compares a quantile of histograms with a limit.
type Latency struct {
	Quantile    float64    `param:"quantile" default:"0.99" min:"0" max:"1" doc:"which share of the observations shall be within the threshold"`
	Threshold   float64    `param:"threshold" required:"true" doc:"value of the quantile above which an instance is active, in the unit of the histogram, such as seconds"`
	By          []string   `param:"by" doc:"one instance for each combination of these labels; without it, one for all series"`
	MinRequests float64    `param:"min_requests" default:"1" min:"1" doc:"with fewer observations in the window: unknown, not healthy"`
	Buckets     rule.Input `input:"buckets" reduce:"increase" window:"5m" doc:"the series NAME_bucket of a classic histogram, or NAME of a native one"`

	histograms []rule.Histogram // scratch
	message    []byte           // scratch
}

// Describe names the module.
func (*Latency) Describe() rule.Info {
	return rule.Info{Name: "latency", Version: "1.1.0", Description: "a quantile of a histogram beyond a limit"}
}

// Eval gives one verdict a group. Its value is the quantile.
func (l *Latency) Eval(_ rule.Window, out *rule.Verdicts) error {
	groups := l.Buckets.GroupBy(l.By...)
	l.histograms = l.Buckets.Histograms(groups, l.histograms)
	heardAll := l.Buckets.Complete() || slices.Contains(l.By, "instance") // a group of its own for each target
	for i := range l.histograms {
		h := &l.histograms[i]
		value := h.Quantile(l.Quantile)
		switch {
		case !h.Listed: // the engine sees it go
		case h.Mixed:
			out.Unknown(groups.At(i)).Text("the histograms are of different kinds, which cannot be added up: select NAME_bucket or NAME, or name in by what tells them apart")
		case !h.Native && len(h.Buckets) == 1:
			out.Unknown(groups.At(i)).Text("there is but one bucket: a native histogram is selected by NAME, and its source needs scrape_native_histograms")
		case !(h.Count() >= l.MinRequests) || math.IsNaN(value):
			out.Unknown(groups.At(i))
		case value > l.Threshold:
			out.Active(groups.At(i), value).Threshold(l.Threshold).Text(l.text(h))
		case h.Missing || !heardAll:
			out.Unknown(groups.At(i))
		case l.beyond(h):
			out.Unknown(groups.At(i)).Text("the threshold lies above the highest bucket, where the quantile is too: these buckets cannot tell")
		default:
			out.Healthy(groups.At(i), value).Threshold(l.Threshold)
		}
	}
	return nil
}

// beyond tells whether the quantile lies above the highest bound that is not infinite. How far is not known.
func (l *Latency) beyond(h *rule.Histogram) bool {
	n := len(h.Buckets)
	return n > 1 && h.Buckets[n-2].Count < l.Quantile*h.Count()
}

// text says what the value is: "p99 of 412 observations", or "…, at least: it lies above the highest bucket".
func (l *Latency) text(h *rule.Histogram) string {
	t := strconv.AppendFloat(append(l.message[:0], 'p'), math.Round(l.Quantile*1e6)/1e4, 'g', -1, 64)
	t = strconv.AppendFloat(append(t, " of "...), math.Round(h.Count()), 'f', 0, 64)
	t = append(t, " observations"...)
	if l.beyond(h) {
		t = append(t, ", at least: it lies above the highest bucket"...)
	}
	l.message = t
	return string(t)
}

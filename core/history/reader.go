package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// reader puts the collections of one period after the other together.
type reader struct {
	options Options
	api     v1.API
	to      Sink
	report  Report
	targets map[[2]string]*target // by source and address
	found   map[string][]string   // addresses that sources found in the period before, sorted
}

// target is one target with its collections in the present period.
type target struct {
	id      Target
	found   bool
	builder frame.Builder
	slots   map[int64]*slot // by time, Unix milliseconds
	order   []int64         // times of the collections that up tells of; nil: it tells of none
}

// slot is one collection.
type slot struct {
	down    bool
	samples []sample
}

type sample struct {
	labels frame.Labels
	value  float64
}

func newReader(o Options, api v1.API, to Sink) *reader {
	return &reader{
		options: o, api: api, to: to, report: Report{Strangers: map[string]int{}},
		targets: map[[2]string]*target{}, found: map[string][]string{},
	}
}

// clear begins a period.
func (r *reader) clear() {
	for _, t := range r.targets {
		t.slots, t.order = map[int64]*slot{}, nil
	}
}

// up takes the series that tells when a target was collected from, and whether it answered.
func (r *reader) up(s *model.SampleStream, from, to time.Time) {
	t, _ := r.targetOf(s.Metric)
	if t == nil {
		return
	}
	for _, pair := range within(s, from, to) {
		if t.slots[int64(pair.Timestamp)] == nil {
			t.slots[int64(pair.Timestamp)] = &slot{down: pair.Value == 0}
			t.order = append(t.order, int64(pair.Timestamp))
		}
	}
	slices.Sort(t.order)
}

// series takes the samples of a series. A sample with a time of its own belongs to the next collection.
func (r *reader) series(s *model.SampleStream, from, to time.Time) {
	t, labels := r.targetOf(s.Metric)
	if t == nil {
		r.report.Strangers[string(s.Metric["job"]+"/"+s.Metric["instance"])]++
		return
	}
	if synthetic[labels.Get(frame.MetricName)] {
		return // the engine makes it itself
	}
	for _, pair := range within(s, from, to) {
		at := int64(pair.Timestamp)
		if i, exact := slices.BinarySearch(t.order, at); !exact && i < len(t.order) {
			at = t.order[i]
		} else if t.slots[at] == nil {
			t.slots[at] = &slot{} // up does not tell
		}
		t.slots[at].samples = append(t.slots[at].samples, sample{labels, float64(pair.Value)})
		r.report.Samples++
	}
}

// synthetic are the series that an engine makes about a collection.
var synthetic = map[string]bool{
	"up": true, "scrape_duration_seconds": true, "scrape_samples_scraped": true,
	"scrape_samples_post_metric_relabeling": true, "scrape_series_added": true,
}

// within are the samples of a period: later than from, until to.
func within(s *model.SampleStream, from, to time.Time) []model.SamplePair {
	after := func(bound time.Time) int {
		i, _ := slices.BinarySearchFunc(s.Values, bound.UnixMilli()+1, func(p model.SamplePair, ms int64) int { return cmp.Compare(int64(p.Timestamp), ms) })
		return i
	}
	return s.Values[after(from):after(to)]
}

// targetOf finds the target that a series came from, and the labels that it had on its page.
func (r *reader) targetOf(metric model.Metric) (*target, frame.Labels) {
	instance := string(metric["instance"])
	for i := range r.options.Sources {
		s := &r.options.Sources[i]
		if string(metric["job"]) != s.Job || !carries(metric, s.Labels) {
			continue
		}
		address, ok := s.Addresses[instance]
		if !ok {
			if !s.Finds || instance == "" {
				continue
			}
			address = instance
		}
		key := [2]string{s.Name, address}
		t := r.targets[key]
		if t == nil {
			t = &target{id: Target{Source: s.Name, Address: address, Interval: r.options.Step}, found: !ok, slots: map[int64]*slot{}}
			r.targets[key] = t
		}
		return t, pageLabels(metric, s.Labels)
	}
	return nil, nil
}

// carries tells whether a series has the labels of a source, as far as it has labels of those names.
func carries(metric model.Metric, labels map[string]string) bool {
	for name, value := range labels {
		if has, ok := metric[model.LabelName(name)]; ok && string(has) != value {
			return false
		}
	}
	return true
}

// pageLabels are the labels of a series without those that a target gives to all of its series.
func pageLabels(metric model.Metric, target map[string]string) frame.Labels {
	var all []frame.Label
	for name, value := range metric {
		if _, given := target[string(name)]; !given && name != "job" && name != "instance" {
			all = append(all, frame.Label{Name: string(name), Value: string(value)})
		}
	}
	return frame.NewLabels(all...)
}

// flush hands the collections of a period on.
func (r *reader) flush(from time.Time) error {
	if err := r.announce(from); err != nil {
		return err
	}
	type turn struct {
		at int64
		t  *target
	}
	var turns []turn
	for _, t := range r.targets {
		t.pace()
		for at := range t.slots {
			turns = append(turns, turn{at, t})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.t.id.Source, b.t.id.Source), cmp.Compare(a.t.id.Address, b.t.id.Address))
	})
	for _, turn := range turns {
		s, failure := turn.t.slots[turn.at], ""
		if s.down {
			failure = "up was 0"
		}
		f := turn.t.frame(s)
		if err := r.to.Answer(time.UnixMilli(turn.at), turn.t.id, f, failure); err != nil {
			return err
		}
		r.report.Answers++
	}
	r.clear()
	return nil
}

// pace finds out how often the target was collected from: what lies between most of its collections.
func (t *target) pace() {
	if t.id.Interval > 0 || len(t.slots) < 2 {
		return
	}
	times := slices.Sorted(maps.Keys(t.slots))
	var gaps []int64
	for i := range times[1:] {
		gaps = append(gaps, times[i+1]-times[i])
	}
	slices.Sort(gaps)
	t.id.Interval = (time.Duration(gaps[len(gaps)/2]) * time.Millisecond).Round(time.Second)
}

// frame makes the page of a collection.
func (t *target) frame(s *slot) frame.Frame {
	for _, sample := range s.samples {
		t.builder.Add(sample.labels, frame.Untyped, sample.value)
	}
	return t.builder.Build(0)
}

// announce says which targets sources found, if others than in the period before. That is as exact as it is known.
func (r *reader) announce(from time.Time) error {
	now := map[string][]string{}
	for _, t := range r.targets {
		if t.found && len(t.slots) > 0 {
			now[t.id.Source] = append(now[t.id.Source], t.id.Address)
		}
	}
	for i := range r.options.Sources {
		s := &r.options.Sources[i]
		slices.Sort(now[s.Name])
		if !s.Finds || slices.Equal(now[s.Name], r.found[s.Name]) {
			continue
		}
		r.found[s.Name] = now[s.Name]
		var all []source.Found
		for _, address := range now[s.Name] {
			all = append(all, source.Found{Address: address})
		}
		if err := r.to.Found(from, s.Name, []source.Group{{Targets: all}}); err != nil {
			return err
		}
	}
	return nil
}

package window

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// The model is the same store written naively: each series is a list of samples, each reduction a loop over pairs. It
// follows the package comment, not the code.

type history struct {
	samples []sample
	bornAt  []int64 // of each sample: the good collection before it, if that one did not have the series
	ended   bool
}

type model struct {
	interval int64
	series   map[string]*history
	page     []string // codes on the last good page
	rows     int
	last     int64 // time of the last good collection
	answered bool  // the last collection was good
}

func (m *model) append(at int64, codes []string, values []float64) {
	gained := len(codes) - len(m.page)
	mass := gained >= massAppearance && gained > len(m.page)
	for _, code := range m.page {
		m.series[code].ended = true
	}
	for i, code := range codes {
		h := m.series[code]
		if h == nil {
			h = &history{ended: true}
			m.series[code] = h
		}
		bornAt := int64(0)
		if n := len(h.samples); h.ended && m.rows > 0 && !mass && (n == 0 || values[i] < h.samples[n-1].v) {
			bornAt = m.last
		}
		h.ended = false
		h.samples, h.bornAt = append(h.samples, sample{at, values[i]}), append(h.bornAt, bornAt)
	}
	m.page, m.rows, m.last, m.answered = codes, m.rows+1, at, true
}

// view is what one series must look like in a window.
type view struct {
	samples []sample
	value   float64
	ok      bool
	flags   uint8
	listed  bool
}

func (m *model) read(code string, at, window int64, reduce abi.Reduce, arg float64) view {
	h := m.series[code]
	start := at - window
	oldest := start - max(window, 3*m.interval)
	var v view
	var base *sample
	earlier := false
	bornAt := int64(0)
	for i, s := range h.samples {
		switch {
		case s.t <= start:
			earlier = true
			if s.t > oldest {
				base = &sample{s.t, s.v}
			} else {
				base = nil
			}
		case s.t <= at:
			if len(v.samples) == 0 {
				bornAt = h.bornAt[i]
			}
			v.samples = append(v.samples, s)
		}
	}
	fresh := m.answered && at-m.last <= 2*m.interval
	if !fresh {
		v.flags |= abi.FlagMissing | abi.FlagEnded
	}
	if h.ended {
		v.flags |= abi.FlagEnded
	}
	v.listed = len(v.samples) > 0 || !fresh && !h.ended && earlier
	if len(v.samples) == 0 {
		return v
	}
	born := base == nil && bornAt != 0 && bornAt > oldest
	if born {
		v.flags |= abi.FlagBorn
	}
	chain := v.samples
	if base != nil {
		chain = append([]sample{*base}, chain...)
	}
	for i := 1; i < len(chain); i++ {
		if chain[i].v < chain[i-1].v {
			v.flags |= abi.FlagReset
		}
	}
	v.value, v.ok = naive(chain, v.samples, born, bornAt, reduce, arg)
	return v
}

func naive(chain, inside []sample, born bool, bornAt int64, reduce abi.Reduce, arg float64) (float64, bool) {
	n := float64(len(inside))
	var values []float64
	sum := 0.0
	for _, s := range inside {
		values = append(values, s.v)
		sum += s.v
	}
	mean := sum / n
	last := chain[len(chain)-1]
	switch reduce {
	case abi.Increase, abi.Rate:
		if born && len(chain) == len(inside) {
			chain = append([]sample{{bornAt, 0}}, chain...)
		}
		if len(chain) < 2 {
			return 0, false
		}
		grown := 0.0
		for i := 1; i < len(chain); i++ {
			if chain[i].v >= chain[i-1].v {
				grown += chain[i].v - chain[i-1].v
			} else {
				grown += chain[i].v
			}
		}
		if reduce == abi.Rate {
			grown /= float64(last.t-chain[0].t) / 1000
		}
		return grown, true
	case abi.Delta:
		return last.v - chain[0].v, len(chain) > 1
	case abi.Last:
		return last.v, true
	case abi.Avg:
		return mean, true
	case abi.Min:
		return slices.Min(values), true
	case abi.Max:
		return slices.Max(values), true
	case abi.Sum:
		return sum, true
	case abi.Count:
		return n, true
	case abi.Stddev:
		squares := 0.0
		for _, v := range values {
			squares += (v - mean) * (v - mean)
		}
		return math.Sqrt(squares / n), true
	case abi.Quantile:
		slices.Sort(values)
		rank := arg * (n - 1)
		low, high := math.Floor(rank), math.Ceil(rank)
		return values[int(low)] + (values[int(high)]-values[int(low)])*(rank-low), true
	}
	return 0, false
}

var reductions = []abi.Reduce{
	abi.Raw, abi.Last, abi.Increase, abi.Rate, abi.Delta, abi.Avg, abi.Min, abi.Max, abi.Sum, abi.Count, abi.Stddev, abi.Quantile,
}

// TestStoreAgainstModel drives a store and the model with the same random history and compares every window.
func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Second
		s := New(Options{})
		d := driver{store: s, model: &model{interval: interval.Milliseconds(), series: make(map[string]*history)}}
		d.open(interval)
		matchers, err := ParseSelector("requests_total")
		if err != nil {
			t.Fatal(err)
		}
		longest := 1 + rapid.IntRange(0, 20).Draw(t, "longest window")
		// The longest window is read from the first collection on, so that nothing that the model has is missing.
		d.add(Query{Matchers: matchers, Window: time.Duration(longest) * interval})
		steps := rapid.IntRange(1, 80).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				d.miss(t)
			case 1:
				q := Query{Matchers: matchers, Reduce: rapid.SampledFrom(reductions).Draw(t, "reduce"), ReduceArg: rapid.Float64Range(0, 1).Draw(t, "q")}
				q.Window = time.Duration(rapid.IntRange(500, longest*1000).Draw(t, "window")) * time.Millisecond
				d.add(q)
			case 2:
				if len(d.views) > 1 {
					i := rapid.IntRange(1, len(d.views)-1).Draw(t, "close")
					d.views[i].Close()
					d.views = slices.Delete(d.views, i, i+1)
					d.queries = slices.Delete(d.queries, i, i+1)
				}
			case 3:
				d.churn(t)
				d.row(t)
			case 4:
				if rapid.Bool().Draw(t, "reopen") {
					d.target.Close()
					d.open(interval)
				}
			default:
				d.row(t)
			}
			for i := range d.views {
				d.compare(t, i)
			}
		}
	})
}

type driver struct {
	store   *Store
	target  *Target
	labels  frame.Labels
	model   *model
	layout  *frame.Layout
	codes   []string
	values  map[string]float64
	at      int64
	views   []*View
	queries []Query
	windows []abi.Window
	health  *frame.Layout
}

func (d *driver) open(interval time.Duration) {
	d.labels = frame.NewLabels(frame.Label{Name: "job", Value: "gw"})
	d.target = d.store.Open(d.labels, interval)
	d.health = &frame.Layout{Series: []frame.Series{{Labels: d.labels.With(frame.Label{Name: frame.MetricName, Value: "up"})}}}
	if d.values == nil {
		d.values = make(map[string]float64)
		d.at = 1000
		d.layout = &frame.Layout{}
	}
}

func (d *driver) add(q Query) {
	d.views = append(d.views, d.store.Bind([]Query{q}))
	d.queries = append(d.queries, q)
}

func (d *driver) step(t *rapid.T) {
	d.at += 1000
	if rapid.IntRange(0, 5).Draw(t, "jitter") == 0 {
		d.at += int64(rapid.IntRange(-400, 400).Draw(t, "by"))
	}
	if rapid.IntRange(0, 40).Draw(t, "gap") == 0 {
		d.at += int64(rapid.IntRange(0, 60_000).Draw(t, "of"))
	}
}

func (d *driver) healthRow(up float64) frame.Frame {
	return frame.Frame{Layout: d.health, Time: d.at, Values: []float64{up}}
}

func (d *driver) churn(t *rapid.T) {
	d.codes = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"}), 0, 7, rapid.ID[string]).Draw(t, "codes")
	d.layout = &frame.Layout{}
	for _, code := range d.codes {
		labels := d.labels.With(frame.Label{Name: frame.MetricName, Value: "requests_total"}, frame.Label{Name: "code", Value: code})
		d.layout.Series = append(d.layout.Series,
			frame.Series{Labels: labels, Kind: frame.Counter},
			frame.Series{Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "unread_total"})})
	}
}

func (d *driver) row(t *rapid.T) {
	d.step(t)
	var values, all []float64
	for _, code := range d.codes {
		v := d.values[code] + float64(rapid.IntRange(0, 20).Draw(t, "grow"))
		if rapid.IntRange(0, 8).Draw(t, "reset") == 0 {
			v = float64(rapid.IntRange(0, 5).Draw(t, "from"))
		}
		d.values[code] = v
		values, all = append(values, v), append(all, v, -1)
	}
	if err := d.target.Append(frame.Frame{Layout: d.layout, Time: d.at, Values: all}, d.healthRow(1)); err != nil {
		t.Fatal(err)
	}
	d.model.append(d.at, slices.Clone(d.codes), values)
}

func (d *driver) miss(t *rapid.T) {
	d.step(t)
	d.target.Miss(d.healthRow(0))
	d.model.answered = false
}

func (d *driver) compare(t *rapid.T, i int) {
	for len(d.windows) < len(d.views) {
		d.windows = append(d.windows, abi.Window{})
	}
	w, q := &d.windows[i], d.queries[i]
	at := d.at + int64(rapid.SampledFrom([]int{0, 0, 0, 300, 2500}).Draw(t, "late"))
	dict := d.views[i].Read(time.UnixMilli(at), w)
	in := &w.Inputs[0]
	got := make(map[string]int)
	for k, index := range in.Series {
		code := dict.Series[index].Labels.Get("code")
		if _, twice := got[code]; twice {
			t.Fatalf("series %s is listed twice", code)
		}
		got[code] = k
	}
	for code, h := range d.model.series {
		want := d.model.read(code, at, q.window(), q.Reduce, q.ReduceArg)
		k, listed := got[code]
		if listed != want.listed {
			t.Fatalf("at %d, %v over %s: series %s listed: %v, want %v; samples %v", at, q.Reduce, q.Window, code, listed, want.listed, h.samples)
		}
		if !listed {
			continue
		}
		text := fmt.Sprintf("at %d, reduce %v over %s: series %s with %+v", at, q.Reduce, q.Window, code, *h)
		flags := in.Flags[k] &^ (abi.FlagNew | abi.FlagCounter)
		if flags != want.flags {
			t.Fatalf("%s: flags %b, want %b", text, flags, want.flags)
		}
		span := in.Spans[k]
		values := in.Values[span.Start : span.Start+span.Count]
		if q.Reduce == abi.Raw {
			if len(values) != len(want.samples) {
				t.Fatalf("%s: got %v, want %v", text, values, want.samples)
			}
			for n, v := range values {
				if got := (sample{in.Times[in.TimeRef[k]+uint32(n)], v}); got != want.samples[n] {
					t.Fatalf("%s: sample %d is %v, want %v", text, n, got, want.samples[n])
				}
			}
			continue
		}
		if want.ok != (len(values) == 1) {
			t.Fatalf("%s: got %v, want %v %v", text, values, want.value, want.ok)
		}
		if !want.ok {
			continue
		}
		if !near(values[0], want.value) {
			t.Fatalf("%s: got %v, want %v", text, values[0], want.value)
		}
		if last := want.samples[len(want.samples)-1].t; in.Times[in.TimeRef[k]] != last {
			t.Fatalf("%s: of time %d, want %d", text, in.Times[in.TimeRef[k]], last)
		}
	}
}

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1)
}

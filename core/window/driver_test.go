package window

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// driver feeds a store and the model with the same random history.
type driver struct {
	store   *Store
	log     *memoryLog
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

// restart goes on with a new store, which is rebuilt from what the old one recorded.
func (d *driver) restart(t *rapid.T, interval time.Duration) {
	chunk := d.store.chunk
	d.store = New(Options{})
	d.store.chunk = chunk
	d.views = nil
	for _, q := range d.queries {
		d.views = append(d.views, d.store.Bind([]Query{q}))
	}
	r := d.store.Restore()
	for _, record := range d.log.records {
		if err := r.Apply(record); err != nil {
			t.Fatal(err)
		}
	}
	r.End(time.UnixMilli(d.at))
	d.store.RecordTo(d.log)
	d.log.rotate(d.store)
	d.open(interval)
}

// memoryLog keeps the records of a store.
type memoryLog struct{ records [][]byte }

func (l *memoryLog) Append(record []byte) { l.records = append(l.records, slices.Clone(record)) }

// rotate begins anew with whole states.
func (l *memoryLog) rotate(s *Store) {
	l.records = nil
	s.Snapshot(l.Append)
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
	d.codes = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "own", "late"}), 0, 8, rapid.ID[string]).Draw(t, "codes")
	d.layout = &frame.Layout{}
	for _, code := range d.codes {
		labels := d.labels.With(frame.Label{Name: frame.MetricName, Value: "requests_total"}, frame.Label{Name: "code", Value: code})
		d.layout.Series = append(d.layout.Series,
			frame.Series{Labels: labels, Kind: frame.Counter},
			frame.Series{Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "unread_total"})})
	}
	if rapid.IntRange(0, 4).Draw(t, "many others") == 4 {
		for i := range 80 {
			d.layout.Series = append(d.layout.Series, frame.Series{Labels: d.labels.With(
				frame.Label{Name: frame.MetricName, Value: "other"}, frame.Label{Name: "n", Value: strconv.Itoa(i)})})
		}
	}
}

// own tells which series bring their own times. One of them begins to do so at some time.
func (d *driver) own(code string) bool { return code == "own" || code == "late" && d.at > 20_000 }

func (d *driver) row(t *rapid.T) {
	d.step(t)
	f := frame.Frame{Layout: d.layout, Time: d.at, Values: make([]float64, len(d.layout.Series)), Times: make([]int64, len(d.layout.Series))}
	var values []float64
	var times []int64
	for i, code := range d.codes {
		v, at := d.value(t, code), int64(0)
		if d.own(code) {
			if at = d.at - int64(rapid.SampledFrom([]int{0, 300, 1000, 5000}).Draw(t, "behind")); at == d.at {
				at = 0
			}
		}
		values, times = append(values, v), append(times, at)
		f.Values[2*i], f.Times[2*i] = v, at
	}
	if !slices.ContainsFunc(times, func(t int64) bool { return t != 0 }) {
		f.Times = nil
	}
	if err := d.target.Append(f, d.healthRow(1)); err != nil {
		t.Fatal(err)
	}
	d.model.append(d.at, slices.Clone(d.codes), values, times, len(f.Values))
}

// value is what a counter shows next.
func (d *driver) value(t *rapid.T, code string) float64 {
	switch kind := rapid.IntRange(0, 40).Draw(t, "kind of value"); kind {
	case 0, 1, 2:
		if code != "own" && code != "late" { // whoever brings times brings no markers
			return hole
		}
	case 3:
		return math.NaN()
	case 4:
		return math.Inf(rapid.SampledFrom([]int{1, -1}).Draw(t, "sign"))
	case 5, 6, 7, 8:
		d.values[code] = float64(rapid.IntRange(0, 5).Draw(t, "reset to"))
	default:
		d.values[code] += float64(rapid.IntRange(0, 80).Draw(t, "grow")) / 4
	}
	return d.values[code]
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
				if got := (sample{in.Times[in.TimeRef[k]+uint32(n)], v}); got.t != want.samples[n].t || !same(got.v, want.samples[n].v) {
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
		if !same(values[0], want.value) {
			t.Fatalf("%s: got %v, want %v", text, values[0], want.value)
		}
		if last := want.samples[len(want.samples)-1].t; in.Times[in.TimeRef[k]] != last {
			t.Fatalf("%s: of time %d, want %d", text, in.Times[in.TimeRef[k]], last)
		}
	}
}

// same tells whether two results are the same but for rounding.
func same(a, b float64) bool { return near(a, b) || math.IsNaN(a) && math.IsNaN(b) }

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1)
}

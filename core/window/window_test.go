package window

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

const second = 1000 // milliseconds

// page is a target in a test: rows of series written as name{code="x"}=value.
type page struct {
	t      *testing.T
	target *Target
	labels frame.Labels
	layout *frame.Layout
	health *frame.Layout
}

func open(t *testing.T, s *Store, job string, interval time.Duration) *page {
	t.Helper()
	labels := frame.NewLabels(frame.Label{Name: "job", Value: job}, frame.Label{Name: "instance", Value: job + ":80"})
	up := frame.Series{Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "up"}), Kind: frame.Gauge}
	return &page{t: t, target: s.Open(labels, interval), labels: labels, health: &frame.Layout{Series: []frame.Series{up}}}
}

func (p *page) series(code string) frame.Series {
	name := frame.Label{Name: frame.MetricName, Value: "requests_total"}
	return frame.Series{Labels: p.labels.With(name, frame.Label{Name: "code", Value: code}), Kind: frame.Counter}
}

// up appends a row; codes and values alternate.
func (p *page) up(at int64, codesAndValues ...any) {
	p.t.Helper()
	var series []frame.Series
	var values []float64
	for i := 0; i < len(codesAndValues); i += 2 {
		series = append(series, p.series(codesAndValues[i].(string)))
		values = append(values, toFloat(codesAndValues[i+1]))
	}
	if !p.same(series) {
		p.layout = &frame.Layout{Series: series}
	}
	err := p.target.Append(frame.Frame{Layout: p.layout, Time: at, Values: values}, p.healthRow(at, 1))
	if err != nil {
		p.t.Fatal(err)
	}
}

func toFloat(v any) float64 {
	if i, ok := v.(int); ok {
		return float64(i)
	}
	return v.(float64)
}

func (p *page) same(series []frame.Series) bool {
	return p.layout != nil && cmp.Equal(p.layout.Series, series)
}

func (p *page) down(at int64) { p.target.Miss(p.healthRow(at, 0)) }

func (p *page) healthRow(at int64, up float64) frame.Frame {
	return frame.Frame{Layout: p.health, Time: at, Values: []float64{up}}
}

func query(t *testing.T, selector string, window time.Duration, reduce abi.Reduce) Query {
	t.Helper()
	matchers, err := ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return Query{Matchers: matchers, Window: window, Reduce: reduce}
}

// read returns the values of the first input by code (or metric name), "none" where there is no value.
func read(v *View, at int64) (map[string]string, *abi.Window) {
	var w abi.Window
	d := v.Read(time.UnixMilli(at), &w)
	got := make(map[string]string)
	in := &w.Inputs[0]
	for i, index := range in.Series {
		labels := d.Series[index].Labels
		key := labels.Get("code")
		if key == "" {
			key = labels.Get(frame.MetricName)
		}
		span := in.Spans[i]
		text := fmt.Sprint(in.Values[span.Start : span.Start+span.Count])
		for _, f := range []struct {
			bit  uint8
			name string
		}{{abi.FlagEnded, "ended"}, {abi.FlagReset, "reset"}, {abi.FlagMissing, "missing"}, {abi.FlagBorn, "born"}, {abi.FlagTruncated, "truncated"}} {
			if in.Flags[i]&f.bit != 0 {
				text += " " + f.name
			}
		}
		got[key] = text
	}
	return got, &w
}

func check(t *testing.T, v *View, at int64, want map[string]string) *abi.Window {
	t.Helper()
	got, w := read(v, at)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("window at %d (-want +got):\n%s", at, diff)
	}
	return w
}

func TestIncrease(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 3*time.Second, abi.Increase)})
	defer v.Close()

	p.up(1*second, "200", 100, "404", 7)
	check(t, v, 1*second, map[string]string{"200": "[]", "404": "[]"}) // one sample: nothing is known
	p.up(2*second, "200", 110, "404", 7, "500", 3)
	check(t, v, 2*second, map[string]string{"200": "[10]", "404": "[0]", "500": "[3] born"})
	p.up(3*second, "200", 120, "404", 2, "500", 4)
	check(t, v, 3*second, map[string]string{"200": "[20]", "404": "[2] reset", "500": "[4] born"})
	p.up(4*second, "200", 130, "404", 3, "500", 5)
	p.up(5*second, "200", 150, "404", 3)
	check(t, v, 5*second, map[string]string{"200": "[40]", "404": "[3] reset", "500": "[2] ended"})
	p.up(6*second, "200", 150, "404", 3)
	p.up(7*second, "200", 150, "404", 3, "500", 6)
	check(t, v, 7*second, map[string]string{"200": "[20]", "404": "[0]", "500": "[1]"}) // goes on after the hole
}

func TestWindowsTile(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Increase)})
	defer v.Close()
	total := 0.0
	for i := int64(0); i <= 50; i++ {
		p.up((1+i)*second, "200", int(i*i))
		if i > 0 && i%5 == 0 {
			var w abi.Window
			v.Read(time.UnixMilli((1+i)*second), &w)
			total += w.Inputs[0].Values[0]
		}
	}
	if total != 2500 {
		t.Errorf("windows add up to %v, want 2500", total)
	}
}

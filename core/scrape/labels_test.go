package scrape

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestInstance(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.11:9113":          "10.0.0.11:9113",
		"https://gw2:9113/m?x=1":  "gw2:9113",
		"https://gw2/metrics":     "gw2:443",
		"http://gw2":              "gw2:80",
		"http://user:pw@gw2/":     "gw2:80",
		"http://[::1]/metrics":    "[::1]:80",
		"gw2":                     "gw2",
		"unix:/run/exporter.sock": "unix:/run/exporter.sock",
		"://":                     "://",
	} {
		if got := Instance(address); got != want {
			t.Errorf("Instance(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestAttach(t *testing.T) {
	target := frame.FromMap(map[string]string{"job": "gw", "instance": "a:1"})
	for _, c := range []struct{ page, want map[string]string }{
		{
			map[string]string{"__name__": "x", "code": "200"},
			map[string]string{"__name__": "x", "code": "200", "job": "gw", "instance": "a:1"},
		},
		{
			map[string]string{"__name__": "x", "job": "theirs"},
			map[string]string{"__name__": "x", "job": "gw", "instance": "a:1", "exported_job": "theirs"},
		},
		{
			map[string]string{"__name__": "x", "job": "theirs", "exported_job": "older"},
			map[string]string{"__name__": "x", "job": "gw", "instance": "a:1", "exported_job": "older", "exported_exported_job": "theirs"},
		},
		{nil, map[string]string{"job": "gw", "instance": "a:1"}},
	} {
		got := frame.Labels(attach(nil, frame.FromMap(c.page), target, false))
		if diff := cmp.Diff(frame.FromMap(c.want), got); diff != "" {
			t.Errorf("attach(%v) (-want +got):\n%s", c.page, diff)
		}
	}
}

func named(name string, labels ...frame.Label) frame.Series {
	return frame.Series{Labels: frame.NewLabels(append(labels, frame.Label{Name: "__name__", Value: name})...)}
}

// TestRelabelKeepsParts: columns of a native histogram are told apart by a label that no rule can take away.
func TestRelabelKeepsParts(t *testing.T) {
	rule := relabel.DefaultRelabelConfig
	rule.Action, rule.Regex = relabel.LabelKeep, relabel.MustNewRegexp("__name__|job")
	part := frame.Label{Name: frame.PartLabel, Value: "3/0 count"}
	other := frame.Label{Name: frame.PartLabel, Value: "3/0 sum"}
	c := columns{target: frame.FromMap(map[string]string{"job": "gw"}), relabel: newRelabeller([]*relabel.Config{&rule})}
	page := &frame.Layout{Series: []frame.Series{named("a", part, frame.Label{Name: "code", Value: "1"}), named("a", other)}}
	got, _ := c.row(frame.Frame{Layout: page, Time: 1, Values: []float64{1, 2}})
	for i, want := range []string{`a{__histogram__="3/0 count",job="gw"}`, `a{__histogram__="3/0 sum",job="gw"}`} {
		if s := got.Layout.Series[i].Labels.String(); s != want {
			t.Errorf("column %d is %s, want %s", i, s, want)
		}
	}
}

func TestColumns(t *testing.T) {
	target := frame.FromMap(map[string]string{"job": "gw"})
	long := frame.Label{Name: "path", Value: strings.Repeat("x", 100)}
	page := &frame.Layout{Series: []frame.Series{named("a"), named("b", long), named("up"), named("c"), named("d"), named("e")}}
	c := columns{target: target, limits: Limits{Series: 3, LabelValues: 99}}

	got, added := c.row(frame.Frame{Layout: page, Time: 1, Values: []float64{1, 2, 3, 4, 5, 6}, Times: []int64{10, 20, 30, 40, 50, 60}})
	if diff := cmp.Diff([]float64{1, 4, 5}, got.Values); diff != "" || added != 3 {
		t.Errorf("added %d, values (-want +got):\n%s", added, diff)
	}
	if diff := cmp.Diff([]int64{10, 40, 50}, got.Times); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	if s := got.Layout.Series[1].Labels.String(); s != `c{job="gw"}` {
		t.Errorf("second series is %s", s)
	}
	want := "1 series left out: a label value longer than 99 bytes; 1 series left out: named like a series that the engine makes itself; 1 series left out: more than 3 series"
	if c.left != want {
		t.Errorf("left out: %s\nwant:     %s", c.left, want)
	}

	layout := got.Layout
	got, added = c.row(frame.Frame{Layout: page, Time: 2, Values: []float64{1, 2, 3, 4, 5, 6}})
	if got.Layout != layout || added != 0 || got.Times != nil {
		t.Errorf("the same page gave layout %p after %p, %d added", got.Layout, layout, added)
	}
	got, added = c.row(frame.Frame{Layout: &frame.Layout{Series: []frame.Series{named("a"), named("z")}}, Time: 3, Values: []float64{1, 2}})
	if added != 1 || len(got.Values) != 2 || c.left != "" {
		t.Errorf("changed page: %d added, values %v, left out %q", added, got.Values, c.left)
	}
}

func TestSlots(t *testing.T) {
	s := newSlots(15_000_000_000, "http.gw", "a:1")
	seen := make(map[int64]int)
	for address := range strings.SplitSeq("a b c d e f g h i j k l m n o p", " ") {
		seen[int64(newSlots(16, "http.gw", address).offset)]++
	}
	if len(seen) < 8 {
		t.Errorf("16 targets share %d of 16 offsets", len(seen))
	}
	for k := int64(-3); k < 4; k++ {
		at := s.time(k)
		if got := s.next(at); got != k {
			t.Errorf("next(time(%d)) = %d", k, got)
		}
		if got := s.next(at.Add(1)); got != k+1 {
			t.Errorf("next(time(%d)+1ns) = %d", k, got)
		}
	}
}

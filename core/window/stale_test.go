package window

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// timelines reads the first input as time:value by code, with "stale" for a marker.
func timelines(v *View, at int64) map[string]string {
	var w abi.Window
	d := v.Read(time.UnixMilli(at), &w)
	got := make(map[string]string)
	in := &w.Inputs[0]
	for i, index := range in.Series {
		var points []string
		for k := range in.Spans[i].Count {
			points = append(points, point(in.Times[in.TimeRef[i]+k], in.Values[in.Spans[i].Start+k]))
		}
		if len(points) > 0 {
			got[d.Series[index].Labels.Get("code")] = strings.Join(points, " ")
		}
	}
	return got
}

func point(t int64, v float64) string {
	if isHole(v) {
		return fmt.Sprintf("%d:stale", t)
	}
	return fmt.Sprintf("%d:%g", t, v)
}

func TestStaleMarkers(t *testing.T) {
	s := New(Options{})
	q := query(t, "requests_total", 6*time.Second, abi.Raw)
	q.Stale = true
	v := s.Bind([]Query{q})
	p := open(t, s, "gw", time.Second)
	for i, step := range []struct {
		name string
		do   func(at int64)
		want map[string]string
	}{
		{"not reached yet", func(at int64) { p.down(at) }, map[string]string{}},
		{"two series", func(at int64) { p.up(at, "200", 1, "500", 1) }, map[string]string{"200": "2000:1", "500": "2000:1"}},
		{"one leaves the page", func(at int64) { p.up(at, "200", 2) }, map[string]string{"200": "2000:1 3000:2", "500": "2000:1 3000:stale"}},
		{"the target is down", func(at int64) { p.down(at) }, map[string]string{"200": "2000:1 3000:2 4000:stale", "500": "2000:1 3000:stale"}},
		{"and stays down", func(at int64) { p.down(at) }, map[string]string{"200": "2000:1 3000:2 4000:stale", "500": "2000:1 3000:stale"}},
		{"both are back", func(at int64) { p.up(at, "200", 3, "500", 3) }, map[string]string{"200": "2000:1 3000:2 4000:stale 6000:3", "500": "2000:1 3000:stale 6000:3"}},
		{"the source forwards a marker", func(at int64) { p.up(at, "200", 4, "500", hole) }, map[string]string{"200": "2000:1 3000:2 4000:stale 6000:3 7000:4", "500": "2000:1 3000:stale 6000:3 7000:stale"}},
		{"what is old leaves the window", func(at int64) { p.up(at, "200", 5) }, map[string]string{"200": "3000:2 4000:stale 6000:3 7000:4 8000:5", "500": "6000:3 7000:stale"}},
	} {
		at := int64(i+1) * second
		step.do(at)
		if diff := cmp.Diff(step.want, timelines(v, at)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestStaleMarkersAgainstModel compares windows, also those that end before the evaluation, with what was fed.
func TestStaleMarkersAgainstModel(t *testing.T) {
	codes := []string{"200", "404", "500"}
	rapid.Check(t, func(rt *rapid.T) {
		s := New(Options{})
		s.chunk = rapid.SampledFrom([]int{1, 2, defaultChunk}).Draw(rt, "chunk")
		longest := rapid.Int64Range(1, 20).Draw(rt, "longest") * second
		q := query(t, "requests_total", time.Duration(longest)*time.Millisecond, abi.Raw)
		q.Stale = true
		window := rapid.Int64Range(1, longest).Draw(rt, "window")
		until := rapid.Int64Range(0, window-1).Draw(rt, "until")
		part := q
		part.Window, part.Until = time.Duration(window)*time.Millisecond, time.Duration(until)*time.Millisecond
		whole, before := s.Bind([]Query{q}), s.Bind([]Query{part})
		p := open(t, s, "gw", time.Second)
		fed := make(map[string][]sample)
		at := int64(0)
		for range rapid.IntRange(1, 60).Draw(rt, "collections") {
			at += second + rapid.Int64Range(-300, 300).Draw(rt, "jitter")
			present := rapid.SliceOfNDistinct(rapid.SampledFrom(codes), 0, 3, rapid.ID[string]).Draw(rt, "present")
			if rapid.IntRange(0, 4).Draw(rt, "fails") == 0 {
				p.down(at)
				present = nil
			} else {
				var row []any
				for _, code := range present {
					row = append(row, code, float64(at))
				}
				p.up(at, row...)
			}
			for _, code := range codes {
				value := hole
				if strings.Contains(strings.Join(present, " "), code) {
					value = float64(at)
				}
				fed[code] = append(fed[code], sample{at, value})
			}
			if diff := cmp.Diff(inside(fed, at-longest, at), timelines(whole, at)); diff != "" {
				rt.Fatalf("window of %d at %d (-want +got):\n%s", longest, at, diff)
			}
			if diff := cmp.Diff(inside(fed, at-window, at-until), timelines(before, at)); diff != "" {
				rt.Fatalf("window of %d until %d before %d (-want +got):\n%s", window, until, at, diff)
			}
		}
	})
}

// inside is what a window (start, end] shows of what was fed.
func inside(fed map[string][]sample, start, end int64) map[string]string {
	want := make(map[string]string)
	for code, samples := range fed {
		var points []string
		gone := true
		for _, s := range samples {
			if s.t <= start || s.t > end || isHole(s.v) && gone {
				continue
			}
			gone = isHole(s.v)
			points = append(points, point(s.t, s.v))
		}
		if len(points) > 0 {
			want[code] = strings.Join(points, " ")
		}
	}
	return want
}

func TestWindowThatEndsEarlier(t *testing.T) {
	s := New(Options{})
	q := query(t, "requests_total", 5*time.Second, abi.Increase)
	q.Until = 2 * time.Second
	v := s.Bind([]Query{q})
	p := open(t, s, "gw", time.Second)
	for at := int64(1); at <= 8; at++ {
		p.up(at*second, "200", int(at*at))
	}
	w := check(t, v, 8*second, map[string]string{"200": "[27]"}) // 6² - 3²
	if in := w.Inputs[0]; in.Start != 3*second || in.End != 6*second || in.TargetsAnswered != 1 {
		t.Errorf("window (%d, %d], %d targets answered", in.Start, in.End, in.TargetsAnswered)
	}
}

// A row that came after the end of a window is no evidence for it: neither that the target answered in time nor, as long as
// one in the window is young enough, that it did not.
func TestLaterRowMakesNothingFresh(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw)})
	p.up(1*second, "200", 1)
	p.up(10*second, "200", 2)
	for at, want := range map[int64]int{1 * second: 1, 3 * second: 1, 3*second + 1: 0, 9 * second: 0, 10 * second: 1} {
		var w abi.Window
		v.Read(time.UnixMilli(at), &w)
		if got := int(w.Inputs[0].TargetsAnswered); got != want {
			t.Errorf("at %d ms %d targets answered, want %d", at, got, want)
		}
	}
}

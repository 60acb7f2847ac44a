package window

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// TestNativeHistograms: the columns of a native histogram are kept as any others. A bucket that has its first observation
// began at 0, one of another grid did not, and both is so after a restart.
func TestNativeHistograms(t *testing.T) {
	s, log := New(Options{}), &memoryLog{}
	s.RecordTo(log)
	p := open(t, s, "gw", 10*time.Second)
	at := int64(0)
	row := func(partsAndValues ...any) {
		t.Helper()
		at += 10 * second
		f := frame.Frame{Layout: &frame.Layout{}, Time: at}
		for i := 0; i < len(partsAndValues); i += 2 {
			labels := p.labels.With(frame.Label{Name: frame.MetricName, Value: "h"}, frame.Label{Name: frame.PartLabel, Value: partsAndValues[i].(string)})
			f.Layout.Series = append(f.Layout.Series, frame.Series{Labels: labels, Kind: frame.Histogram})
			f.Values = append(f.Values, toFloat(partsAndValues[i+1]))
		}
		if err := p.target.Append(f, p.healthRow(at, 1)); err != nil {
			t.Fatal(err)
		}
	}
	q := query(t, "h", 40*time.Second, abi.Increase)
	read := func(v *View) map[string]string {
		var w abi.Window
		dictionary := v.Read(time.UnixMilli(at), &w)
		got := map[string]string{}
		in := &w.Inputs[0]
		for i, index := range in.Series {
			value := "nothing"
			if span := in.Spans[i]; span.Count > 0 {
				value = fmt.Sprint(in.Values[span.Start])
			}
			if in.Flags[i]&abi.FlagCounter == 0 {
				value += ", no counter"
			}
			got[dictionary.Series[index].Labels.Get(frame.PartLabel)] = value
		}
		return got
	}
	check := func(v *View, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, read(v)); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", at, diff)
		}
	}
	v := s.Bind([]Query{q})
	row("3/0 count", 100, "3/0 sum", 100, "3/0 p1", 100)
	row("3/0 count", 101, "3/0 sum", 101, "3/0 p1", 101)
	row("3/0 count", 108, "3/0 sum", 110, "3/0 p1", 103, "3/0 p2", 5)
	check(v, map[string]string{"3/0 count": "8", "3/0 sum": "10", "3/0 p1": "3", "3/0 p2": "5"})

	row("2/0 count", 110, "2/0 sum", 112, "2/0 p1", 110) // wider buckets: all that was ever counted is in it
	row("2/0 count", 120, "2/0 sum", 120, "2/0 p1", 113, "2/0 p2", 7)
	check(v, map[string]string{
		"3/0 count": "8", "3/0 sum": "10", "3/0 p1": "3", "3/0 p2": "5",
		"2/0 count": "10", "2/0 sum": "8", "2/0 p1": "3", "2/0 p2": "7",
	})

	s = New(Options{})
	v = s.Bind([]Query{q})
	r := s.Restore()
	for _, record := range log.records {
		if err := r.Apply(record); err != nil {
			t.Fatal(err)
		}
	}
	r.End(time.UnixMilli(at))
	p = open(t, s, "gw", 10*time.Second)
	check(v, map[string]string{
		"3/0 count": "8", "3/0 sum": "10", "3/0 p1": "3", "3/0 p2": "5",
		"2/0 count": "10", "2/0 sum": "8", "2/0 p1": "3", "2/0 p2": "7",
	})

	row("3/0 count", 2, "3/0 sum", 2, "3/0 p3", 2) // it was started again
	row("3/0 count", 6, "3/0 sum", 6, "3/0 p3", 5, "3/0 p9", 1)
	got := read(v)
	for part, want := range map[string]string{"3/0 p3": "3", "3/0 p9": "1", "2/0 p1": "3", "2/0 p2": "7"} {
		if got[part] != want {
			t.Errorf("after a restart of the target: %s is %s, want %s", part, got[part], want)
		}
	}
}

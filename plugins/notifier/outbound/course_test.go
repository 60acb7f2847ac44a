package outbound

import (
	"math"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

func TestCourse(t *testing.T) {
	for _, c := range []struct {
		alert notifier.Alert
		want  string
	}{
		{notifier.Alert{}, ""},
		{notifier.Alert{Value: 0.07, FireValue: 0.07, Peak: 0.07, Recent: []float64{0.07}}, "0.07"},
		{notifier.Alert{Value: 0.31, FireValue: 0.08, Peak: 0.42, Recent: []float64{0.08, 0.2, 0.42, 0.31}}, "0.31 (0.08 when it fired, peak 0.42) ▁▃█▅"},
		{notifier.Alert{Value: 0, FireValue: 0.08, Peak: 0.08, Recent: []float64{0.08, 0}}, "0 (0.08 when it fired) █▁"},
		{notifier.Alert{Value: 5, FireValue: 2, Peak: 5, Recent: []float64{5, 5}}, "5 (2 when it fired) ▁▁"},
	} {
		if got := Course(&c.alert); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.alert, got, c.want)
		}
	}
}

func TestSparklineOfOddValues(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, ""},
		{[]float64{1}, ""},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, "▁▂▃▄▅▆▇█"},
		{[]float64{-math.MaxFloat64, 0, math.MaxFloat64}, "▁▄█"},
		{[]float64{-1, -1}, "▁▁"},
	} {
		if got := Sparkline(c.values); got != c.want {
			t.Errorf("%v: got %q, want %q", c.values, got, c.want)
		}
	}
}

func TestDuration(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		alert notifier.Alert
		want  string
	}{
		{notifier.Alert{StartsAt: start}, ""},
		{notifier.Alert{EndsAt: start}, ""},
		{notifier.Alert{StartsAt: start, EndsAt: start.Add(90*time.Second + 400*time.Millisecond)}, "1m30s"},
	} {
		if got := Duration(&c.alert); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.alert, got, c.want)
		}
	}
}

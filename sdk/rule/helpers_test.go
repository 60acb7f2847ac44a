package rule

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// clock makes windows, one after the other.
type clock struct{ w abi.Window }

// next is the window of the next evaluation, in which all targets have answered or one has not.
func (c *clock) next(complete bool) Window {
	w := c.w
	c.w.Sequence++
	c.w.Time += 15_000
	w.Inputs = []abi.Input{{TargetsExpected: 1, TargetsAnswered: 1}}
	if c.w.Sequence == 1 {
		w.Flags = abi.WindowFirst
	}
	if !complete {
		w.Inputs[0].TargetsAnswered = 0
	}
	return Window{&w}
}

func instance(name string) Instance { return Of(frame.Label{Name: "instance", Value: name}) }

// saved returns what a helper saves.
func saved(t testing.TB, save func(*StateWriter)) []byte {
	t.Helper()
	var w StateWriter
	save(&w)
	if w.full {
		t.Fatal("the state is too large")
	}
	return w.bytes
}

func TestHysteresis(t *testing.T) {
	var h Hysteresis
	var c clock
	a, b := instance("a"), instance("b")
	steps := []struct {
		instance     Instance
		raise, clear bool
		complete     bool
		want         Status
		why          string
	}{
		{a, false, false, true, Unknown, "afresh: it may have been active"},
		{a, false, false, true, Unknown, "and still"},
		{a, true, false, true, Active, "raised"},
		{a, false, false, true, Active, "between"},
		{a, false, true, true, Healthy, "cleared"},
		{a, false, false, true, Healthy, "between, from below"},
		{a, true, true, false, Active, "both: raise wins"},
		{b, false, false, true, Unknown, "new after a target was silent"},
		{instance("c"), false, false, true, Healthy, "new"},
	}
	for i, s := range steps {
		if got := h.Judge(c.next(s.complete), s.instance, s.raise, s.clear); got != s.want {
			t.Errorf("step %d, %s: got %s, want %s", i, s.why, got, s.want)
		}
	}
	state := saved(t, h.Save)
	var restored Hysteresis
	if err := restored.Load(NewStateReader(state)); err != nil {
		t.Fatal(err)
	}
	w := c.next(true)
	for name, want := range map[string]Status{"a": Active, "b": Unknown, "c": Healthy, "new": Healthy} {
		if got := restored.Hold(w, instance(name)); got != want {
			t.Errorf("%s after a restart: got %s, want %s", name, got, want)
		}
	}
}

// In an evaluation that asked for nothing, anything may have been missing.
func TestSureAfterAGap(t *testing.T) {
	var h Hysteresis
	var c clock
	h.Hold(c.next(true), instance("a"))
	c.next(false)
	if got := h.Hold(c.next(true), instance("b")); got != Unknown {
		t.Errorf("got %s, want unknown", got)
	}
	if got := h.Hold(c.next(true), instance("c")); got != Healthy {
		t.Errorf("got %s, want healthy", got)
	}
}

// What a rule leaves out while every target answers is healthy for the engine: it is so here when it comes back.
func TestWhatWasGoneComesBackHealthy(t *testing.T) {
	for name, tt := range map[string]struct {
		complete, restart bool
		want              Status
	}{
		"it was gone":                        {complete: true, want: Healthy},
		"its target was silent":              {want: Active},
		"it was gone before a restart":       {complete: true, restart: true, want: Active}, // kept, like what was not seen last
		"its target was silent, and restart": {restart: true, want: Active},
	} {
		var h Hysteresis
		m := MofN{M: 1, N: 5}
		var c clock
		w := c.next(true)
		h.Judge(w, instance("a"), true, false)
		m.Judge(w, instance("a"), true)
		w = c.next(tt.complete)
		h.Hold(w, instance("other"))
		m.Hold(w, instance("other"))
		if tt.restart {
			states := [2][]byte{saved(t, h.Save), saved(t, m.Save)}
			h, m = Hysteresis{}, MofN{M: 1, N: 5}
			if err := errors.Join(h.Load(NewStateReader(states[0])), m.Load(NewStateReader(states[1]))); err != nil {
				t.Fatal(err)
			}
		}
		w = c.next(true)
		if got := [2]Status{h.Hold(w, instance("a")), m.Hold(w, instance("a"))}; got != [2]Status{tt.want, tt.want} {
			t.Errorf("%s: got %v, want %s", name, got, tt.want)
		}
	}
}

func TestMofN(t *testing.T) {
	m := MofN{M: 2, N: 3}
	var c clock
	i := instance("a")
	for k, s := range []struct {
		hit  bool
		want Status
	}{{false, Unknown}, {false, Healthy}, {true, Healthy}, {true, Active}, {false, Active}, {false, Healthy}, {true, Healthy}} {
		if got := m.Judge(c.next(true), i, s.hit); got != s.want {
			t.Errorf("step %d: got %s, want %s", k, got, s.want)
		}
	}
	if got := m.Judge(c.next(true), instance("new"), false); got != Healthy {
		t.Errorf("new: got %s", got)
	}
	for _, bad := range []MofN{{}, {M: 3, N: 2}, {M: 1, N: 65}, {M: -1, N: 4}} {
		if bad.Check() == nil {
			t.Errorf("%d of %d is allowed", bad.M, bad.N)
		}
	}
}

// Against a list of all evaluations, with restarts.
func TestMofNIsACount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 64).Draw(t, "n")
		m := MofN{M: rapid.IntRange(1, n).Draw(t, "m"), N: n}
		var c clock
		hits := []bool{}
		for range rapid.IntRange(1, 100).Draw(t, "evaluations") {
			hit := rapid.Bool().Draw(t, "hit")
			hits = append(hits, hit)
			got := m.Judge(c.next(true), Whole(), hit)
			last := hits[max(0, len(hits)-n):]
			count := 0
			for _, h := range last {
				if h {
					count++
				}
			}
			want := Unknown
			if count >= m.M {
				want = Active
			} else if count+n-len(last) < m.M {
				want = Healthy
			}
			if got != want {
				t.Fatalf("%d of %d after %v: got %s, want %s", m.M, n, hits, got, want)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				var w StateWriter
				m.Save(&w)
				m = MofN{M: m.M, N: n}
				if err := m.Load(NewStateReader(w.bytes)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// With equal steps the averages are those of the weights (1-a)^k, computed the long way.
func TestEWMAIsAWeightedMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := EWMA{HalfLife: time.Duration(rapid.IntRange(1, 3600).Draw(t, "half-life")) * time.Second}
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 50).Draw(t, "values")
		var c clock
		var got Average
		for _, v := range values {
			w := c.next(true)
			if got != e.At(w, Whole()) {
				t.Fatal("At differs from what Add said")
			}
			got = e.Add(w, Whole(), v)
		}
		decay := math.Exp2(-15 / e.HalfLife.Seconds())
		var mean, variance float64
		weight := func(i int) float64 {
			w := math.Pow(decay, float64(len(values)-1-i))
			if i > 0 {
				w *= 1 - decay
			}
			return w
		}
		for i, v := range values {
			mean += weight(i) * v
		}
		for i, v := range values {
			variance += weight(i) * (v - mean) * (v - mean)
		}
		if diff := cmp.Diff([]float64{mean, variance}, []float64{got.Mean, got.Variance}, cmpopts.EquateApprox(1e-6, 1e-3)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Half as many values twice as far apart weigh the same: what counts is time.
func TestEWMAIsTimeAware(t *testing.T) {
	dense, sparse := EWMA{HalfLife: time.Minute}, EWMA{HalfLife: time.Minute}
	var c clock
	w := c.next(true)
	dense.Add(w, Whole(), 0)
	sparse.Add(w, Whole(), 0)
	var a, b Average
	for k := range 8 {
		w := c.next(true)
		a = dense.Add(w, Whole(), 100)
		if k%2 == 1 {
			b = sparse.Add(w, Whole(), 100)
		}
	}
	if math.Abs(a.Mean-b.Mean) > 1e-9 || math.Abs(a.Mean-75) > 1e-9 {
		t.Errorf("after two half-lives: got %v and %v, want 75", a.Mean, b.Mean)
	}
	if got := dense.Add(c.next(true), Whole(), math.NaN()); got != a {
		t.Errorf("NaN counts: %v", got)
	}
	if got := a.Score(a.Mean + 2*a.Deviation()); math.Abs(got-2) > 1e-9 {
		t.Errorf("score: got %v, want 2", got)
	}
	if got := (Average{Mean: 5, Count: 3}).Score(5); got != 0 {
		t.Errorf("score of what never varied: got %v", got)
	}
}

func TestSpread(t *testing.T) {
	var s Spread
	hole := math.NaN()
	for _, tt := range []struct {
		values      []float64
		median, mad float64
	}{
		{nil, hole, hole},
		{[]float64{hole, math.Inf(1)}, hole, hole},
		{[]float64{7}, 7, 0},
		{[]float64{1, 4}, 2.5, 1.5},
		{[]float64{1, 1, 2, 2, 4, 6, 9}, 2, 1}, // the example of the literature
		{[]float64{9, hole, 1, 2, math.Inf(-1), 6, 4, 1, 2}, 2, 1},
	} {
		median, mad := s.MAD(tt.values)
		if diff := cmp.Diff([]float64{tt.median, tt.mad}, []float64{median, mad}, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%v: %s", tt.values, diff)
		}
	}
	if got := s.Quantile(0.9, []float64{0, 10}); got != 9 {
		t.Errorf("quantile: got %v, want 9", got)
	}
}

// Any minority of outliers leaves the median among the others.
func TestMedianIsRobust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		good := rapid.SliceOfN(rapid.Float64Range(10, 20), 3, 20).Draw(t, "good")
		bad := rapid.SliceOfN(rapid.Float64(), 0, len(good)-1).Draw(t, "bad")
		all := slices.Concat(bad, good)
		before := slices.Clone(all)
		median, mad := new(Spread).MAD(all)
		if median < 10 || median > 20 || mad < 0 || mad > 10 {
			t.Errorf("got %v, %v", median, mad)
		}
		if diff := cmp.Diff(before, all, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("the values were changed: %s", diff)
		}
	})
}

func TestRegression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slope := rapid.Float64Range(-1000, 1000).Draw(t, "slope")
		start := rapid.Float64Range(-1e6, 1e6).Draw(t, "start")
		n := rapid.IntRange(2, 50).Draw(t, "n")
		var times []int64
		var values []float64
		for k := range n {
			at := 1_767_225_600_000 + int64(k)*15_000 + rapid.Int64Range(0, 14_999).Draw(t, "jitter")
			times = append(times, at)
			values = append(values, start+slope*float64(at-1_767_225_600_000)/1000)
		}
		times, values = append(times, 1), append(values, math.NaN())
		line, ok := Regression(times, values)
		if !ok || math.Abs(line.Slope-slope) > 1e-6*(1+math.Abs(slope)+math.Abs(start)) {
			t.Fatalf("got slope %v, %v, want %v", line.Slope, ok, slope)
		}
		later := time.UnixMilli(1_767_225_600_000).Add(time.Hour)
		want := start + slope*3600
		if got := line.At(later); math.Abs(got-want) > 1e-3*(1+math.Abs(want)+math.Abs(start)) {
			t.Fatalf("in an hour: got %v, want %v", got, want)
		}
	})
	for _, values := range [][]float64{nil, {1}, {1, math.NaN()}} {
		if _, ok := Regression(make([]int64, len(values)), values); ok {
			t.Errorf("a line through %v", values)
		}
	}
	if _, ok := Regression([]int64{5, 5}, []float64{1, 2}); ok {
		t.Error("a line through one point in time")
	}
	line, _ := Regression([]int64{0, 60_000}, []float64{90, 80})
	if got, ok := line.Reaches(0, time.UnixMilli(60_000)); !ok || got != 8*time.Minute {
		t.Errorf("reaches 0 in %v, %v, want 8m", got, ok)
	}
	if got, ok := line.Reaches(100, time.UnixMilli(60_000)); ok {
		t.Errorf("a falling line reaches what is above in %v", got)
	}
	if got, ok := (Line{}).Reaches(1, time.Now()); ok {
		t.Errorf("a level line reaches another value in %v", got)
	}
}

func TestIncrease(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		born   bool
		want   float64
		ok     bool
	}{
		{nil, false, 0, false},
		{nil, true, 0, false},
		{[]float64{7}, false, 0, false},
		{[]float64{7}, true, 7, true},
		{[]float64{10, 12, 15}, false, 5, true},
		{[]float64{10, 12, 3, 4}, false, 2 + 3 + 1, true},
		{[]float64{10, 12, 3, 4}, true, 10 + 2 + 3 + 1, true},
	} {
		if got, ok := Increase(tt.values, tt.born); got != tt.want || ok != tt.ok {
			t.Errorf("%v, born %v: got %v, %v, want %v, %v", tt.values, tt.born, got, ok, tt.want, tt.ok)
		}
	}
}

// Cut anywhere, the parts' increases add up to the whole's.
func TestIncreaseAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ints := rapid.SliceOfN(rapid.IntRange(0, 1000), 2, 30).Draw(t, "values")
		values := make([]float64, len(ints))
		for i, v := range ints {
			values[i] = float64(v)
		}
		at := rapid.IntRange(0, len(values)-1).Draw(t, "cut")
		whole, _ := Increase(values, false)
		left, _ := Increase(values[:at+1], false)
		right, _ := Increase(values[at:], false)
		if whole != left+right || whole < 0 {
			t.Errorf("%v: %v + %v is not %v", values, left, right, whole)
		}
	})
}

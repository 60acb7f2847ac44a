package window

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func TestOnlyWhatIsReadIsKept(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	p.up(1*second, "200", 1, "404", 1, "500", 1)
	if got := s.Stats(); got.Series != 0 || got.Samples != 0 {
		t.Errorf("without a view: %+v", got)
	}
	v := s.Bind([]Query{query(t, `requests_total{code="500"}`, 5*time.Second, abi.Raw)})
	p.up(2*second, "200", 1, "404", 1, "500", 2)
	p.up(3*second, "200", 1, "404", 1, "500", 3)
	check(t, v, 3*second, map[string]string{"500": "[2 3]"}) // begins with the demand, and is not born
	long := s.Bind([]Query{query(t, `requests_total{code=~"500|404"}`, time.Minute, abi.Raw)})
	for i := range 20 {
		p.up(int64(4+i)*second, "200", 1, "404", 1, "500", 4+i)
	}
	if got, _ := read(long, 23*second); len(got["500"]) < len("[2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22]") {
		t.Errorf("a longer window lost what there was: %v", got)
	}
	if got := s.Stats(); got.Series != 2 {
		t.Errorf("with two views: %+v", got)
	}
	long.Close()
	p.up(24*second, "200", 1, "404", 1, "500", 24)
	check(t, v, 24*second, map[string]string{"500": "[20 21 22 23 24]"})
	if got := s.Stats(); got.Series != 1 || got.Samples != rowsFor(5000, 1000) {
		t.Errorf("after the longer view: %+v", got)
	}
	v.Close()
	v.Close()
	p.up(25*second, "200", 1, "404", 1, "500", 25)
	if got := s.Stats(); got.Series != 0 || got.Samples != 0 {
		t.Errorf("after all views: %+v", got)
	}
}

func TestTargetsExpectedAndAnswered(t *testing.T) {
	s := New(Options{})
	gw, odoo := open(t, s, "gw", time.Second), open(t, s, "odoo", time.Second)
	pages := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw), query(t, `requests_total{job="gw"}`, 5*time.Second, abi.Raw)})
	health := s.Bind([]Query{query(t, "up", 5*time.Second, abi.Last), query(t, "absent_total", 5*time.Second, abi.Last)})
	steps := []struct {
		name string
		do   func()
		at   int64
		want string
	}{
		{"nothing yet", func() {}, 0, "2/0 1/0 2/0 2/0"},
		{"one is down", func() { gw.up(1*second, "200", 1); odoo.down(1 * second) }, 1 * second, "2/1 1/1 2/2 1/0"},
		{"both up", func() { gw.up(2*second, "200", 1); odoo.up(2*second, "200", 1) }, 2 * second, "2/2 1/1 2/2 0/0"},
		{"gw silent", func() { odoo.up(3*second, "200", 1); odoo.up(4*second, "200", 1) }, 4*second + 1, "2/1 1/0 2/1 0/0"},
		{"gw has other series", func() { gw.up(5 * second); odoo.up(5*second, "200", 1) }, 5 * second, "2/2 1/1 2/2 0/0"},
		{"odoo is removed", func() { odoo.target.Close() }, 5 * second, "1/1 1/1 1/1 0/0"},
	}
	for _, step := range steps {
		step.do()
		got := ""
		missing := false
		for _, v := range []*View{pages, health} {
			var w abi.Window
			v.Read(time.UnixMilli(step.at), &w)
			for _, in := range w.Inputs {
				got += fmt.Sprintf(" %d/%d", in.TargetsExpected, in.TargetsAnswered)
				missing = missing || in.TargetsExpected != in.TargetsAnswered
			}
			if v == health && missing != (w.Flags&abi.WindowMissing != 0) && step.name == "both up" {
				t.Errorf("%s: flags %b", step.name, w.Flags)
			}
		}
		if got[1:] != step.want {
			t.Errorf("%s: %s, want %s", step.name, got[1:], step.want)
		}
	}
}

func TestMissingTarget(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 3*time.Second, abi.Increase)})
	p.up(1*second, "200", 10)
	p.up(2*second, "200", 20)
	p.down(3 * second)
	w := check(t, v, 3*second, map[string]string{"200": "[10] ended missing"})
	if w.Flags&abi.WindowMissing == 0 {
		t.Error("the window does not say that a target is missing")
	}
	for at := int64(4); at < 10; at++ {
		p.down(at * second)
	}
	check(t, v, 9*second, map[string]string{"200": "[] ended missing"}) // still listed: nobody knows
	p.up(10*second, "200", 500)
	check(t, v, 10*second, map[string]string{"200": "[]"}) // growth of unknown age
	p.up(11*second, "200", 501)
	check(t, v, 11*second, map[string]string{"200": "[1]"})
}

func TestReopenedTargetGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		p := open(t, s, "gw", time.Second)
		v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw)})
		p.up(1*second, "200", 1)
		p.up(2*second, "200", 2)
		p.target.Close()
		check(t, v, 2*second, map[string]string{}) // removed is not missing
		if err := p.target.Append(frame.Frame{Layout: p.layout, Time: 3000, Values: []float64{1}}, p.healthRow(3000, 1)); !errors.Is(err, ErrClosed) {
			t.Errorf("append to a closed target: %v", err)
		}
		again := open(t, s, "gw", 2*time.Second)
		again.up(3*second, "200", 3)
		check(t, v, 3*second, map[string]string{"200": "[1 2 3]"})
		again.target.Close()
		time.Sleep(6 * time.Second)
		third := open(t, s, "gw", time.Second)
		third.up(4*second, "200", 4)
		check(t, v, 4*second, map[string]string{"200": "[4]"}) // closed for longer than any window
	})
}

// An input whose last series left with their targets is told from one that sees nothing for another reason.
func TestTargetsTakenAway(t *testing.T) {
	s := New(Options{})
	gw, odoo, other := open(t, s, "gw", time.Second), open(t, s, "odoo", time.Second), open(t, s, "other", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw)})
	at := int64(0)
	left := func(when string, want bool) {
		t.Helper()
		var w abi.Window
		v.Read(time.UnixMilli(at), &w)
		if got := len(w.Inputs[0].Series) == 0 && v.Left(0); got != want {
			t.Errorf("%s: left %v, want %v", when, got, want)
		}
	}
	left("before anything was seen", false)
	at = second
	gw.up(at, "200", 1)
	odoo.up(at, "200", 1)
	other.up(at)
	left("while there are series", false)
	gw.target.Close()
	left("while the other target has some", false)
	at = 20 * second
	odoo.up(at)
	other.up(at)
	left("when the series of a target end", false)
	odoo.target.Close()
	left("when it is taken away later", true)
	at = 21 * second
	other.up(at)
	left("and from then on", true)
	again := open(t, s, "odoo", time.Second)
	again.up(at, "200", 1)
	left("until there are series again", false)
}

func TestTimesOfTheirOwn(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw)})
	layout := &frame.Layout{Series: []frame.Series{p.series("own"), p.series("shared")}}
	add := func(at, own int64, value float64) {
		t.Helper()
		err := p.target.Append(frame.Frame{Layout: layout, Time: at, Values: []float64{value, value}, Times: []int64{own, 0}}, p.healthRow(at, 1))
		if err != nil {
			t.Fatal(err)
		}
	}
	add(1000, 0, 1)
	add(2000, 1900, 2) // from here on it has times of its own
	add(3000, 1900, 2) // the same again
	add(4000, 1800, 9) // out of order
	add(5000, math.MaxInt64, 9)
	add(6000, 5950, 3)
	_, w := read(v, 6*second)
	in := &w.Inputs[0]
	got := make(map[string]string)
	for i, index := range in.Series {
		span := in.Spans[i]
		got[strconv.Itoa(int(index))] = fmt.Sprint(in.Times[in.TimeRef[i]:in.TimeRef[i]+span.Count], in.Values[span.Start:span.Start+span.Count])
	}
	want := map[string]string{"0": "[1900 5950] [2 3]", "1": "[2000 3000 4000 5000 6000] [2 2 9 9 3]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := s.Stats().OutOfOrder; n != 2 {
		t.Errorf("%d samples out of order, want 2", n)
	}
}

func TestRowsOutOfOrder(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 5*time.Second, abi.Raw)})
	p.up(2*second, "200", 1)
	for _, at := range []int64{1000, 2000} {
		err := p.target.Append(frame.Frame{Layout: &frame.Layout{}, Time: at}, p.healthRow(at, 1))
		if !errors.Is(err, ErrOutOfOrder) {
			t.Errorf("row of %d after 2000: %v", at, err)
		}
	}
	p.layout = nil
	p.up(3*second, "200", 3)
	check(t, v, 3*second, map[string]string{"200": "[1 3]"}) // the row without it was dropped
	err := p.target.Append(frame.Frame{Layout: p.layout, Time: 4000}, p.healthRow(4000, 1))
	if err == nil || errors.Is(err, ErrOutOfOrder) {
		t.Errorf("a row that does not fit its layout: %v", err)
	}
}

func TestHostileLayouts(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 9*time.Second, abi.Raw)})
	p.up(1*second, "200", 1, "200", 2, "404", 3)
	check(t, v, 1*second, map[string]string{"200": "[1]", "404": "[3]"})
	p.up(2*second, "404", 4, "404", 5, "200", math.Float64frombits(holeBits))
	check(t, v, 2*second, map[string]string{"200": "[1] ended", "404": "[3 4]"})
	p.up(3*second, "200", 6, "404", math.NaN())
	check(t, v, 3*second, map[string]string{"200": "[1 6]", "404": "[3 4 NaN]"})
	p.up(4 * second)
	check(t, v, 4*second, map[string]string{"200": "[1 6] ended", "404": "[3 4 NaN] ended"})
	if n := s.Stats().Duplicates; n != 2 {
		t.Errorf("%d duplicates, want 2", n)
	}
}

func TestMassAppearanceIsNoBirth(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "db", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 9*time.Second, abi.Increase)})
	p.up(1*second, "first", 1)
	var all []any
	for i := range massAppearance + 1 {
		all = append(all, "c"+strconv.Itoa(i), 1e9)
	}
	p.up(2*second, all...)
	got, _ := read(v, 2*second)
	if got["c0"] != "[]" {
		t.Errorf("an exporter that found its database again: %s", got["c0"])
	}
}

func TestRowsFasterThanTheInterval(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", 10*time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 20*time.Second, abi.Count)})
	for i := range int64(200) {
		p.up((i+1)*second, "200", int(i))
	}
	check(t, v, 200*second, map[string]string{"200": "[20]"})
	for i := range int64(4000) {
		p.up(200*second+i*50+1, "200", int(i))
	}
	got, _ := read(v, 200*second+4000*50)
	if want := fmt.Sprintf("[%d] truncated", maxGrowth*rowsFor(20_000, 10_000)); got["200"] != want {
		t.Errorf("rows much faster: %s, want %s", got["200"], want)
	}
}

func TestSameSeriesFromTwoTargets(t *testing.T) {
	s := New(Options{})
	a, b := open(t, s, "gw", time.Second), open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 9*time.Second, abi.Raw)})
	a.up(1*second, "200", 1)
	b.up(1*second, "200", 2, "404", 3)
	check(t, v, 1*second, map[string]string{"200": "[1]", "404": "[3]"})
	for at := int64(2); at < 20; at++ { // the series moves from one to the other
		a.up(at*second, "500", 9)
		b.up(at*second, "200", int(at), "404", 3)
	}
	read(v, 19*second)
	if got, _ := read(v, 19*second); got["200"] != "[11 12 13 14 15 16 17 18 19]" {
		t.Errorf("after the series moved: %v", got)
	}
	a.up(20*second, "200", 1)
	b.target.Close() // with 1 it left a, and with 1 it is back: not born
	check(t, v, 20*second, map[string]string{"200": "[1]", "500": "[9 9 9 9 9 9 9 9] ended"})
	g := v.dict.Generation
	read(v, 20*second)
	if v.dict.Generation != g {
		t.Error("the dictionary changed although no series did")
	}
}

func TestDictionary(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	v := s.Bind([]Query{query(t, "requests_total", 3*time.Second, abi.Last), query(t, `requests_total{code="200"}`, 3*time.Second, abi.Last)})
	p.up(1*second, "200", 1, "404", 2)
	var w abi.Window
	first := v.Read(time.UnixMilli(1000), &w)
	if w.Flags != abi.WindowFirst|abi.WindowSeriesChanged || len(first.Series) != 2 || w.Generation != first.Generation || w.IntervalMS != 1000 {
		t.Errorf("first window: flags %b, generation %d, interval %d, dictionary %+v", w.Flags, w.Generation, w.IntervalMS, first)
	}
	if w.Inputs[0].Series[0] != w.Inputs[1].Series[0] || w.Inputs[0].Flags[0] != abi.FlagNew|abi.FlagCounter {
		t.Errorf("first window: %+v", w.Inputs)
	}
	p.up(2*second, "200", 1, "404", 2)
	if again := v.Read(time.UnixMilli(2000), &w); again != first || w.Flags != 0 || w.Inputs[0].Flags[0] != abi.FlagCounter {
		t.Errorf("second window: flags %b, %+v", w.Flags, w.Inputs)
	}
	before := cmp.Diff(first, nil)
	for i := range 300 {
		p.up(int64(3+i)*second, "200", 1, "c"+strconv.Itoa(i), 2)
		d := v.Read(time.UnixMilli(int64(3+i)*second), &w)
		in := &w.Inputs[0]
		for k, index := range in.Series {
			code := d.Series[index].Labels.Get("code")
			if value := in.Values[in.Spans[k].Start]; value != map[bool]float64{true: 1, false: 2}[code == "200"] {
				t.Fatalf("round %d: series %s has value %v", i, code, value)
			}
		}
		if len(d.Series) > 100 {
			t.Fatalf("round %d: the dictionary has grown to %d series, the window to %d", i, len(d.Series), len(in.Series))
		}
	}
	if cmp.Diff(first, nil) != before {
		t.Error("a dictionary changed after it was handed out")
	}
}

// TestManyAtOnce is for the race detector: targets append, views come, read and go, targets come and go.
func TestManyAtOnce(t *testing.T) {
	s := New(Options{})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for round := range 5 {
				p := open(t, s, "gw"+strconv.Itoa(n), time.Second)
				for i := range int64(30) {
					at := (int64(round)*30 + i + 1) * second
					switch {
					case i%7 == 3:
						p.down(at)
					case i%5 == 4:
						p.up(at, "200", int(i), "x"+strconv.Itoa(int(i)), int(i))
					default:
						p.up(at, "200", int(i), "404", int(i))
					}
				}
				p.target.Close()
			}
		})
	}
	for n := range 3 {
		wg.Go(func() {
			for round := range 20 {
				v := s.Bind([]Query{query(t, "requests_total", time.Duration(3+n)*time.Second, abi.Increase), query(t, "up", 3*time.Second, abi.Last)})
				var w abi.Window
				for i := range int64(20) {
					d := v.Read(time.UnixMilli((int64(round)+i)*second), &w)
					for _, in := range w.Inputs {
						for _, index := range in.Series {
							_ = d.Series[index]
						}
					}
					s.Stats()
				}
				v.Close()
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Targets != 0 {
		t.Errorf("targets are left: %+v", got)
	}
}

func TestLongerWindowLater(t *testing.T) {
	s := New(Options{})
	p := open(t, s, "gw", time.Second)
	s.Bind([]Query{query(t, "requests_total", 2*time.Second, abi.Raw)})
	s.Bind([]Query{query(t, `requests_total{code="404"}`, time.Minute, abi.Raw)}) // its rows' times are known
	for i := 1; i <= 20; i++ {
		p.up(int64(i)*second, "200", i, "404", i)
	}
	v := s.Bind([]Query{query(t, "requests_total{code=\"200\"}", time.Minute, abi.Raw)})
	check(t, v, 20*second, map[string]string{"200": "[16 17 18 19 20]"}) // what the shorter window had kept
	p.up(21*second, "200", 21, "404", 21)
	check(t, v, 21*second, map[string]string{"200": "[16 17 18 19 20 21]"})
}

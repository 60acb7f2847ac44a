package frame_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

func series(name string) frame.Labels {
	return frame.NewLabels(frame.Label{Name: frame.MetricName, Value: name})
}

func TestBuilderKeepsTheLayout(t *testing.T) {
	var b frame.Builder
	b.Add(series("a"), frame.Gauge, 1)
	b.Add(series("b"), frame.Counter, 2)
	first := b.Build(10)

	b.Add(series("b"), frame.Counter, 4) // another order
	b.Add(series("a"), frame.Gauge, 3)
	second := b.Build(20)

	if first.Layout != second.Layout {
		t.Fatal("the columns are the same, the layout is another")
	}
	if diff := cmp.Diff([][]float64{{1, 2}, {3, 4}}, [][]float64{first.Values, second.Values}); diff != "" {
		t.Fatal(diff)
	}
	if second.Time != 20 {
		t.Fatalf("time is %d", second.Time)
	}
}

func TestBuilderChangesTheLayout(t *testing.T) {
	for name, second := range map[string]func(b *frame.Builder){
		"a series more": func(b *frame.Builder) {
			b.Add(series("a"), frame.Gauge, 1)
			b.Add(series("b"), frame.Gauge, 1)
			b.Add(series("c"), frame.Gauge, 1)
		},
		"a series less": func(b *frame.Builder) { b.Add(series("b"), frame.Gauge, 1) },
		"another series": func(b *frame.Builder) {
			b.Add(series("a"), frame.Gauge, 1)
			b.Add(series("c"), frame.Gauge, 1)
		},
		"another kind": func(b *frame.Builder) {
			b.Add(series("a"), frame.Counter, 1)
			b.Add(series("b"), frame.Gauge, 1)
		},
		"nothing": func(*frame.Builder) {},
	} {
		t.Run(name, func(t *testing.T) {
			var b frame.Builder
			b.Add(series("a"), frame.Gauge, 1)
			b.Add(series("b"), frame.Gauge, 2)
			first := b.Build(0)
			was := len(first.Layout.Series)
			second(&b)
			if got := b.Build(1); got.Layout == first.Layout {
				t.Fatal("the layout is the same")
			}
			if len(first.Layout.Series) != was || first.Values[0] != 1 {
				t.Fatal("a frame changed after it was handed out")
			}
		})
	}
}

func TestBuilderTwiceTheSameSeries(t *testing.T) {
	var b frame.Builder
	for range 2 { // once as a new column, once as a known one
		b.Add(series("a"), frame.Gauge, 1)
		b.Add(series("a"), frame.Gauge, 2)
		if diff := cmp.Diff([]float64{2}, b.Build(0).Values); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestBuilderEmpty(t *testing.T) {
	var b frame.Builder
	first := b.Build(0)
	if err := first.Check(); err != nil {
		t.Fatal(err)
	}
	if b.Build(1).Layout != first.Layout {
		t.Fatal("the layout of nothing changed")
	}
}

// Whatever is added, a frame says exactly that, and the layout changes exactly when the columns do.
func TestBuilderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b frame.Builder
		type column struct {
			kind  frame.Kind
			value float64
		}
		var last map[string]frame.Kind
		var layout *frame.Layout
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			want := map[string]column{}
			for range rapid.IntRange(0, 8).Draw(t, "samples") {
				name := fmt.Sprint("s", rapid.IntRange(0, 4).Draw(t, "series"))
				c := column{frame.Kind(rapid.IntRange(1, 2).Draw(t, "kind")), rapid.Float64().Draw(t, "value")}
				want[name] = c
				b.Add(series(name), c.kind, c.value)
			}
			f := b.Build(0)
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
			got, kinds := map[string]column{}, map[string]frame.Kind{}
			for i, s := range f.Layout.Series {
				got[s.Labels.Get(frame.MetricName)] = column{s.Kind, f.Values[i]}
				kinds[s.Labels.Get(frame.MetricName)] = s.Kind
			}
			if len(f.Values) != len(got) {
				t.Fatal("a series occurs twice")
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(column{})); diff != "" {
				t.Fatal(diff)
			}
			if layout != nil && cmp.Equal(last, kinds) != (layout == f.Layout) {
				t.Fatalf("columns %v then %v, same layout: %v", last, kinds, layout == f.Layout)
			}
			last, layout = kinds, f.Layout
		}
	})
}

func BenchmarkBuilder(b *testing.B) {
	var all []frame.Labels
	for i := range 1000 {
		all = append(all, frame.FromMap(map[string]string{frame.MetricName: "m", "i": fmt.Sprint(i), "code": "200"}))
	}
	var builder frame.Builder
	b.ReportAllocs()
	for b.Loop() {
		for i, labels := range all {
			builder.Add(labels, frame.Counter, float64(i))
		}
		builder.Build(0)
	}
}

func TestLayoutEqual(t *testing.T) {
	var none *frame.Layout
	a := &frame.Layout{Series: []frame.Series{{Labels: series("a"), Kind: frame.Gauge}, {Labels: series("b")}}}
	same := &frame.Layout{Series: []frame.Series{{Labels: series("a"), Kind: frame.Gauge}, {Labels: series("b")}}}
	order := &frame.Layout{Series: []frame.Series{{Labels: series("b")}, {Labels: series("a"), Kind: frame.Gauge}}}
	kind := &frame.Layout{Series: []frame.Series{{Labels: series("a")}, {Labels: series("b")}}}
	if !a.Equal(same) || !none.Equal(nil) {
		t.Error("the same columns are not equal")
	}
	if a.Equal(order) || a.Equal(kind) || a.Equal(nil) || none.Equal(a) || a.Equal(&frame.Layout{}) {
		t.Error("other columns are equal")
	}
}

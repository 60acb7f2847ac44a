package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var gateway = capture.Target{Source: "http.gateway", Address: "10.0.0.1:9113", Interval: 15 * time.Second}

// sameRecord compares records to the last bit of their values.
var sameRecord = cmp.Options{
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

func create(t testing.TB, path string) *capture.Writer {
	t.Helper()
	w, cut, err := capture.Create(path)
	if err != nil || cut != nil {
		t.Fatal(err, cut)
	}
	return w
}

func put(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// all reads records, with their values copied, until the end, or until something is wrong.
func all(from io.Reader) (records []capture.Record, err error) {
	r, err := capture.NewReader(from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		if record.Answer != nil {
			record.Answer.Frame.Values = slices.Clone(record.Answer.Frame.Values)
		}
		records = append(records, record)
	}
}

func allOf(t testing.TB, path string) []capture.Record {
	t.Helper()
	content, err := os.ReadFile(path)
	put(t, err)
	records, err := all(bytes.NewReader(content))
	put(t, err)
	return records
}

func layout(names ...string) *frame.Layout {
	l := &frame.Layout{}
	for _, name := range names {
		l.Series = append(l.Series, frame.Series{
			Labels: frame.NewLabels(frame.Label{Name: frame.MetricName, Value: name}, frame.Label{Name: "code", Value: "200"}), Kind: frame.Counter,
		})
	}
	return l
}

func row(l *frame.Layout, values ...float64) frame.Frame {
	return frame.Frame{Layout: l, Values: values}
}

// story has one of everything.
func story() []capture.Record {
	one, two := layout("a", "b", "c"), layout("b", "x", "a", "c")
	other := capture.Target{Source: "snmp.switch", Address: "unix:/run/x"}
	times := row(one, 4, -1.5, math.Inf(1))
	times.Time, times.Times = noon.UnixMilli()-77, []int64{noon.UnixMilli() - 1, noon.UnixMilli() + 5, 0}
	at := func(s int, a capture.Answer) capture.Record {
		return capture.Record{Time: noon.Add(time.Duration(s) * time.Second), Answer: &a}
	}
	return []capture.Record{
		{Time: noon, Found: &capture.Found{Source: "http.gateway", Discovery: 1, Groups: []source.Group{
			{Targets: []source.Found{{Address: "10.0.0.1:9113"}}, Labels: map[string]string{"zone": "a"}},
		}}},
		at(0, capture.Answer{Target: gateway, Took: 12345 * time.Microsecond, Frame: row(one, 1, 2, math.NaN())}),
		at(1, capture.Answer{Target: other, Took: time.Second, Frame: row(&frame.Layout{})}),
		at(15, capture.Answer{Target: gateway, Frame: row(one, 1, 1e300, math.Copysign(0, -1)), Truncated: true}),
		at(14, capture.Answer{Target: gateway, Took: 10 * time.Second, Failure: "no answer within 10s"}),
		{Time: noon.Add(16 * time.Second), Lost: 3},
		at(30, capture.Answer{Target: gateway, Frame: row(two, 1, 2, 3, 4)}),
		at(45, capture.Answer{Target: gateway, Frame: times}),
		{Time: noon.Add(50 * time.Second), End: true},
	}
}

func write(t testing.TB, w *capture.Writer, records []capture.Record) {
	t.Helper()
	for _, r := range records {
		switch {
		case r.Answer != nil:
			put(t, w.Answer(r.Time, *r.Answer))
		case r.Found != nil:
			put(t, w.Found(r.Time, *r.Found))
		case r.Lost > 0:
			put(t, w.Lost(r.Time, r.Lost))
		case r.End:
			put(t, w.End(r.Time))
		}
	}
}

// begun is what a reader makes of records that were written together.
func begun(records []capture.Record) []capture.Record {
	return append([]capture.Record{{Time: records[0].Time}}, records...)
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	write(t, w, story())
	put(t, w.Close())
	if diff := cmp.Diff(begun(story()), allOf(t, path), sameRecord); diff != "" {
		t.Errorf("read (-written +read):\n%s", diff)
	}

	// A second run adds to it.
	w = create(t, path)
	write(t, w, story())
	put(t, w.Close())
	want := append(begun(story()), begun(story())...)
	if diff := cmp.Diff(want, allOf(t, path), sameRecord); diff != "" {
		t.Errorf("read after a second run (-written +read):\n%s", diff)
	}
}

// Layouts stay the same for as long as the columns do: that is what the engine goes by.
func TestLayoutsAreShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	for i := range 3 {
		put(t, w.Answer(noon, capture.Answer{Target: gateway, Frame: row(layout("a"), float64(i))})) // equal, not the same
	}
	put(t, w.Close())
	records := allOf(t, path)[1:]
	for _, r := range records {
		if r.Answer.Frame.Layout != records[0].Answer.Frame.Layout {
			t.Errorf("another layout at %v", r.Answer.Frame.Values)
		}
	}
}

func TestAnyRowsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	rapid.Check(t, func(t *rapid.T) {
		_ = os.Remove(path)
		w, _, err := capture.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []capture.Record
		var last *frame.Layout
		for range rapid.IntRange(1, 30).Draw(t, "answers") {
			if last == nil || rapid.IntRange(0, 3).Draw(t, "changed") == 0 {
				last = layout(rapid.SliceOfNDistinct(rapid.StringMatching(`[a-f]{1,2}`), 0, 12, rapid.ID).Draw(t, "names")...)
			}
			f := frame.Frame{Layout: last}
			for range last.Series {
				f.Values = append(f.Values, rapid.OneOf(rapid.Float64(), rapid.Map(rapid.IntRange(-9, 9), func(i int) float64 { return float64(i) }),
					rapid.Just(math.NaN()), rapid.Just(math.Copysign(0, -1)), rapid.Just(1<<53+2.0)).Draw(t, "value"))
			}
			a := capture.Answer{Target: gateway, Frame: f, Took: time.Duration(rapid.IntRange(0, 1e7).Draw(t, "took")) * time.Microsecond}
			a.Target.Address = rapid.SampledFrom([]string{"a:1", "b:1"}).Draw(t, "target")
			at := time.UnixMilli(rapid.Int64Range(0, 1e13).Draw(t, "at"))
			want = append(want, capture.Record{Time: at, Answer: &a})
			if err := w.Answer(at, a); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "flush") {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := all(bytes.NewReader(content))
		for i := range got { // no values and no rows are one to a reader
			if a := got[i].Answer; a != nil && len(a.Frame.Values) == 0 {
				a.Frame.Values, a.Frame.Layout = nil, &frame.Layout{}
			}
		}
		if diff := cmp.Diff(begun(want), got, sameRecord); diff != "" || err != nil {
			t.Fatalf("%v, read (-written +read):\n%s", err, diff)
		}
	})
}

// A crash may tear off the end anywhere: what was written before is read, the tear is said, and another run goes on.
func TestTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	var sizes []int64
	for _, r := range story() {
		write(t, w, []capture.Record{r})
		put(t, w.Flush())
		sizes = append(sizes, w.Size())
	}
	put(t, w.Close())
	whole, err := os.ReadFile(path)
	put(t, err)
	for length := range len(whole) {
		blocks := 0
		for blocks < len(sizes) && sizes[blocks] <= int64(length) {
			blocks++
		}
		torn := length != 0 && length != 8 && (blocks == 0 || sizes[blocks-1] != int64(length))
		want := begun(story())[:blocks+1]
		if blocks == 0 {
			want = nil
		}

		if length >= 8 {
			got, err := all(bytes.NewReader(whole[:length]))
			if _, damaged := errors.AsType[*capture.DamageError](err); damaged != torn || err != nil && !damaged {
				t.Fatalf("%d of %d bytes: %v, torn %t", length, len(whole), err, torn)
			}
			if diff := cmp.Diff(want, got, sameRecord); diff != "" {
				t.Fatalf("%d of %d bytes (-want +got):\n%s", length, len(whole), diff)
			}
		}

		put(t, os.WriteFile(path, whole[:length], 0o600))
		w, cut, err := capture.Create(path)
		put(t, err)
		if (cut != nil) != torn {
			t.Fatalf("%d of %d bytes, torn %t: %v was cut off", length, len(whole), torn, cut)
		}
		write(t, w, story()[:2])
		put(t, w.Close())
		if diff := cmp.Diff(append(want, begun(story()[:2])...), allOf(t, path), sameRecord); diff != "" {
			t.Fatalf("%d of %d bytes, written to again (-want +got):\n%s", length, len(whole), diff)
		}
	}
}

// A bit that flipped is never taken for a value.
func TestFlippedBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	write(t, w, story())
	put(t, w.Close())
	whole, err := os.ReadFile(path)
	put(t, err)
	for i := range whole {
		if i == 6 || i == 7 {
			continue // of the header, for later
		}
		flipped := slices.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		if got, err := all(bytes.NewReader(flipped)); err == nil || len(got) > 0 {
			t.Errorf("byte %d: %d records, error %v", i, len(got), err)
		}
	}
}

func TestOthersFilesAreNotTouched(t *testing.T) {
	for text, want := range map[string]string{
		"TSC":                          "",
		"TSCP\x02\x00\x00\x00":         "format 2",
		"# my notes, 20 years of them": "not a capture",
	} {
		path := filepath.Join(t.TempDir(), "x")
		put(t, os.WriteFile(path, []byte(text), 0o600))
		w, _, err := capture.Create(path)
		if want == "" {
			put(t, err)
			put(t, w.Close())
			continue
		}
		after, _ := os.ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), want) || string(after) != text {
			t.Errorf("%q: error %v, want %q; now %q", text, err, want, after)
		}
		if _, err := all(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("read %q: %v, want %q", text, err, want)
		}
	}
}

// busyPages are pages of which a tenth moves each time, by chance: counters, and a few gauges with fractions.
func busyPages() (next func() frame.Frame) {
	chance := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, len(busyLayout.Series))
	return func() frame.Frame {
		for n := 0; n < len(values); n += 10 {
			if n%100 == 0 {
				values[n] = chance.Float64()
			} else {
				values[n] += float64(chance.IntN(1000))
			}
		}
		return row(busyLayout, values...)
	}
}

var busyLayout = func() *frame.Layout {
	var names []string
	for n := range 1000 {
		names = append(names, fmt.Sprintf("http_requests_of_endpoint_%d_total", n))
	}
	return layout(names...)
}()

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.capture")
	w := create(t, path)
	const rows = 5760 // a day at 15 s
	next := busyPages()
	for i := range rows {
		put(t, w.Answer(noon.Add(time.Duration(i)*15*time.Second), capture.Answer{Target: gateway, Frame: next(), Took: time.Duration(i%977) * time.Microsecond}))
	}
	put(t, w.Close())
	perSample := float64(w.Size()) / rows / float64(len(busyLayout.Series))
	if perSample > 0.3 {
		t.Errorf("%.3f bytes a sample", perSample)
	}
	t.Logf("%d bytes for a day of 1,000 series: %.4f bytes a sample", w.Size(), perSample)
}

func BenchmarkWrite(b *testing.B) {
	w := create(b, filepath.Join(b.TempDir(), "x.capture"))
	next := busyPages()
	pages := []frame.Frame{next(), next(), next()}
	i := 0
	for b.Loop() {
		i++
		put(b, w.Answer(noon.Add(time.Duration(i)*time.Second), capture.Answer{Target: gateway, Frame: pages[i%3]}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
	put(b, w.Close())
}

package window

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// restored is a new store after a restart, with a view for each query, and how it was rebuilt.
func restored(t interface{ Fatal(...any) }, chunk int, records [][]byte, now int64, queries ...Query) (*Store, []*View, Restored) {
	s := New(Options{})
	s.chunk = chunk
	var views []*View
	for _, q := range queries {
		views = append(views, s.Bind([]Query{q}))
	}
	r := s.Restore()
	for _, record := range records {
		if err := r.Apply(record); err != nil {
			t.Fatal(err)
		}
	}
	return s, views, r.End(time.UnixMilli(now))
}

// Wherever a log ends, the store that is rebuilt from it reads as the one that wrote it did after the last collection
// that the log has, also while the log begins anew with whole states.
func TestRestoreFromAnyPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, log := New(Options{}), new(memoryLog)
		s.chunk = rapid.SampledFrom([]int{1, 2, 3, defaultChunk}).Draw(t, "chunk")
		d := driver{store: s, log: log, model: &model{interval: 1000, series: make(map[string]*history)}}
		matchers, err := ParseSelector("requests_total")
		if err != nil {
			t.Fatal(err)
		}
		for _, reduce := range []abi.Reduce{abi.Raw, abi.Increase} {
			d.add(Query{Matchers: matchers, Reduce: reduce, Window: time.Duration(rapid.IntRange(1, 20).Draw(t, "window")) * time.Second})
		}
		d.add(Query{Matchers: matchers, Stale: true, Window: 10 * time.Second})
		s.RecordTo(log)
		d.open(time.Second)

		type mark struct {
			records int
			at      int64
			reads   []map[string]string
		}
		reads := func(views []*View, at int64) (all []map[string]string) {
			for i, v := range views {
				got, w := read(v, at)
				if i == 2 { // compared as timelines: resets are not flagged in all of these
					clear(got)
				}
				got["targets"] = strconv.Itoa(int(w.Inputs[0].TargetsExpected)) + "/" + strconv.Itoa(int(w.Inputs[0].TargetsAnswered))
				all = append(all, got)
			}
			return append(all, timelines(views[2], at))
		}
		var marks []mark
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 7).Draw(t, "what") {
			case 0:
				d.miss(t)
			case 1:
				d.churn(t)
				d.row(t)
			case 2:
				began := len(log.records)
				s.Snapshot(log.Append)
				if rapid.Bool().Draw(t, "old segment removed") {
					log.records, marks = slices.Clone(log.records[began:]), nil
				}
			default:
				d.row(t)
			}
			marks = append(marks, mark{len(log.records), d.at, reads(d.views, d.at)})
		}
		end := rapid.IntRange(marks[0].records, len(log.records)).Draw(t, "end")
		n := len(marks) - 1
		for marks[n].records > end {
			n--
		}
		chunk := rapid.SampledFrom([]int{s.chunk, s.chunk, s.chunk, 2, defaultChunk}).Draw(t, "chunk after the restart")
		again, views, _ := restored(t, chunk, log.records[:end], marks[n].at, d.queries...)
		again.Open(d.labels, time.Second)
		got := reads(views, marks[n].at)
		if chunk != s.chunk { // series that ended are forgotten sooner or later
			for _, all := range [][]map[string]string{got, marks[n].reads} {
				for _, read := range all {
					delete(read, "targets")
				}
			}
		}
		if diff := cmp.Diff(marks[n].reads, got); diff != "" {
			t.Fatalf("after %d of %d records, at %d (-want +got):\n%s", end, len(log.records), marks[n].at, diff)
		}
	})
}

// While an engine was down its collections failed, so to say.
func TestRestartIsAGap(t *testing.T) {
	for _, c := range []struct {
		name           string
		restart, again int64 // seconds; the last collection was at 10
		before, after  map[string]string
		answered       uint32 // before the next collection
		timeline       string
	}{
		{
			name: "between two collections", restart: 10, again: 11,
			before: map[string]string{"200": "[90]"}, after: map[string]string{"200": "[100]", "500": "[7] born"}, answered: 1,
			timeline: "9000:90 10000:100 11000:110",
		},
		{
			name: "five collections", restart: 15, again: 16,
			before: map[string]string{"200": "[90] ended missing"}, after: map[string]string{"200": "[100]", "500": "[7] born"},
			timeline: "9000:90 10000:100 11000:stale 16000:110",
		},
		{
			name: "longer than the window", restart: 200, again: 201,
			before: map[string]string{"200": "[] ended missing"}, after: map[string]string{"200": "[]", "500": "[]"},
			timeline: "201000:110",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			increase := query(t, "requests_total", 20*time.Second, abi.Increase)
			stale := query(t, "requests_total", 8*time.Second, abi.Raw)
			stale.Stale = true
			log := new(memoryLog)
			s := New(Options{})
			s.Bind([]Query{increase})
			s.RecordTo(log)
			p := open(t, s, "gw", time.Second)
			for i := int64(1); i <= 10; i++ {
				p.up(i*second, "200", int(10*i))
			}

			s, views, got := restored(t, s.chunk, log.records, c.restart*second, increase, stale)
			want := Restored{Targets: 1, Series: 1, Since: time.UnixMilli(1000), Until: time.UnixMilli(10000)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("restored (-want +got):\n%s", diff)
			}
			p = open(t, s, "gw", time.Second)
			w := check(t, views[0], c.restart*second, c.before)
			if in := w.Inputs[0]; in.TargetsExpected != 1 || in.TargetsAnswered != c.answered {
				t.Errorf("%d of %d targets answered", in.TargetsAnswered, in.TargetsExpected)
			}
			p.up(c.again*second, "200", 110, "500", 7)
			check(t, views[0], c.again*second, c.after)
			if got := timelines(views[1], c.again*second)["200"]; got[max(0, len(got)-len(c.timeline)):] != c.timeline {
				t.Errorf("timeline %s, want it to end in %s", got, c.timeline)
			}
			if got, want := views[0].Since(), time.UnixMilli(1000); !got.Equal(want) {
				t.Errorf("the windows are whole since %d, want %d", got.UnixMilli(), want.UnixMilli())
			}
		})
	}
}

// A rule that comes with the restart reads series of which the log says nothing: they need not be new.
func TestWhatNobodyReadBeforeARestartIsNotBorn(t *testing.T) {
	log := new(memoryLog)
	s := New(Options{})
	ok := query(t, `requests_total{code="200"}`, 20*time.Second, abi.Increase)
	s.Bind([]Query{ok})
	s.RecordTo(log)
	p := open(t, s, "gw", time.Second)
	p.up(1*second, "200", 1, "500", 1000)
	p.up(2*second, "200", 2, "500", 1000)

	s, views, _ := restored(t, s.chunk, log.records, 2*second, ok, query(t, `requests_total{code=~"4..|5.."}`, 20*time.Second, abi.Increase))
	p = open(t, s, "gw", time.Second)
	p.up(3*second, "200", 3, "500", 1000, "404", 1)
	check(t, views[0], 3*second, map[string]string{"200": "[2]"})
	check(t, views[1], 3*second, map[string]string{"500": "[]", "404": "[]"})
	if got := views[1].Since(); !got.Equal(time.UnixMilli(3000)) {
		t.Errorf("the windows of the new rule are whole since %v", got)
	}
	p.up(4*second, "200", 3, "500", 1001, "404", 1, "503", 2)
	check(t, views[1], 4*second, map[string]string{"500": "[1]", "404": "[0]", "503": "[2] born"})
}

func TestWhatNobodyReadsAfterARestartIsNotRestored(t *testing.T) {
	log := new(memoryLog)
	s := New(Options{})
	all := query(t, "requests_total", 5*time.Second, abi.Raw)
	s.Bind([]Query{all})
	s.RecordTo(log)
	p := open(t, s, "gw", time.Second)
	for i := int64(1); i <= 10; i++ {
		p.up(i*second, "200", int(i), "404", int(i), "500", int(i))
	}
	few := query(t, `requests_total{code="500"}`, 3*time.Second, abi.Raw)
	s, views, got := restored(t, s.chunk, log.records, 10*second, few)
	if got.Series != 1 {
		t.Errorf("%d series are restored", got.Series)
	}
	p = open(t, s, "gw", time.Second)
	check(t, views[0], 10*second, map[string]string{"500": "[8 9 10]"})
	p.up(11*second, "200", 11, "404", 11, "500", 11)
	check(t, views[0], 11*second, map[string]string{"500": "[9 10 11]"})
}

func TestRestoreOfTheFuture(t *testing.T) {
	log := new(memoryLog)
	s := New(Options{})
	q := query(t, "requests_total", 5*time.Second, abi.Raw)
	s.Bind([]Query{q})
	s.RecordTo(log)
	open(t, s, "gw", time.Second).up(1000*second, "200", 1)
	s, views, got := restored(t, s.chunk, log.records, 10*second, q)
	if got.Targets != 0 {
		t.Errorf("restored %+v", got)
	}
	p := open(t, s, "gw", time.Second)
	p.up(11*second, "200", 2)
	check(t, views[0], 11*second, map[string]string{"200": "[2]"})
}

// Records that are missing are not passed over: the windows stay as they were before, until the next whole state.
func TestRestoreWithARecordMissing(t *testing.T) {
	log := new(memoryLog)
	s := New(Options{})
	q := query(t, "requests_total", 5*time.Second, abi.Raw)
	s.Bind([]Query{q})
	s.RecordTo(log)
	p := open(t, s, "gw", time.Second)
	for i := int64(1); i <= 5; i++ {
		p.up(i*second, "200", int(i))
	}
	records := slices.Delete(slices.Clone(log.records), 2, 3)
	apply := func(records [][]byte, want string, refused int) {
		t.Helper()
		s := New(Options{})
		v := s.Bind([]Query{q})
		r := s.Restore()
		for _, record := range records {
			if r.Apply(record) != nil {
				refused--
			}
		}
		if refused != 0 {
			t.Errorf("%d records too few were refused", refused)
		}
		r.End(time.UnixMilli(5 * second))
		open(t, s, "gw", time.Second)
		got, _ := read(v, 5*second)
		if got["200"] != want {
			t.Errorf("got %s, want %s", got["200"], want)
		}
	}
	apply(records, "[1 2] ended missing", 1)
	s.Snapshot(func(record []byte) { records = append(records, slices.Clone(record)) })
	apply(records, "[1 2 3 4 5]", 1)
}

// FuzzRestore applies records of any bytes, after good ones.
func FuzzRestore(f *testing.F) {
	s, log := New(Options{}), new(memoryLog)
	matchers, err := ParseSelector("requests_total")
	if err != nil {
		f.Fatal(err)
	}
	q := Query{Matchers: matchers, Window: 6 * time.Second}
	s.chunk = 2
	s.Bind([]Query{q})
	s.RecordTo(log)
	labels := frame.NewLabels(frame.Label{Name: "job", Value: "gw"})
	target := s.Open(labels, time.Second)
	layout := &frame.Layout{}
	for i := range int64(12) {
		if i%4 == 0 {
			layout = &frame.Layout{}
			for n := range 3 + i/4 {
				code := frame.Label{Name: "code", Value: strconv.Itoa(int(200 + n*(1+i/8)))}
				layout.Series = append(layout.Series, frame.Series{Kind: frame.Counter, Labels: labels.With(frame.Label{Name: frame.MetricName, Value: "requests_total"}, code)})
			}
		}
		row := frame.Frame{Layout: layout, Time: i * 1000, Values: make([]float64, len(layout.Series))}
		for n := range row.Values {
			row.Values[n] = float64(n) * 1.5 * float64(i)
		}
		if i%5 == 3 {
			row.Values[0], row.Times = hole, make([]int64, len(row.Values))
			row.Times[1] = row.Time - 10
		}
		health := frame.Frame{Layout: &frame.Layout{}, Time: i * 1000}
		if i%6 == 5 {
			target.Miss(health)
		} else if err := target.Append(row, health); err != nil {
			f.Fatal(err)
		}
	}
	s.Snapshot(log.Append)
	for _, record := range log.records {
		f.Add(record)
	}
	good := log.records[:1]
	f.Fuzz(func(t *testing.T, record []byte) {
		s := New(Options{})
		s.chunk = 2
		v := s.Bind([]Query{q})
		r := s.Restore()
		for _, record := range slices.Concat(good, [][]byte{record, record}) {
			_ = r.Apply(record) // only the good one has to be taken
		}
		for _, st := range r.streams {
			if st.target.interval < 10 {
				return // no source is collected so often: the rings would be long
			}
		}
		r.End(time.UnixMilli(12_000))
		p := s.Open(labels, time.Second)
		var w abi.Window
		v.Read(time.UnixMilli(12_000), &w)
		if err := p.Append(frame.Frame{Layout: layout, Time: 1 << 50, Values: make([]float64, len(layout.Series))}, frame.Frame{Layout: &frame.Layout{}, Time: 1 << 50}); err != nil {
			t.Fatal(err)
		}
		v.Read(time.UnixMilli(1<<50), &w)
		s.Snapshot(func([]byte) {})
	})
}

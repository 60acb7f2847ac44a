package journal_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/journal"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string, maxBytes int64) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Options{Path: path, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func read(t *testing.T, j *journal.Journal, f journal.Filter) []alert.Decision {
	t.Helper()
	found, err := j.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var begin = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func decision(n int) alert.Decision {
	labels := frame.NewLabels(frame.Label{Name: "endpoint", Value: "/pay"})
	return alert.Decision{
		Time: begin.Add(time.Duration(n) * time.Second), Kind: alert.KindTransition, Rule: "HighErrors",
		Fingerprint: alert.NewFingerprint("HighErrors", labels), Labels: labels,
		From: "pending", To: "firing", Value: float64(n), Reason: fmt.Sprintf("reason %d", n),
	}
}

func TestWhatIsRecordedCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path, 0)
	want := []alert.Decision{decision(1), decision(2), {Time: begin, Kind: alert.KindBlind, Rule: "Slow", Reason: "gw2 did not answer"}}
	for _, d := range want {
		j.Record(d)
	}
	if diff := cmp.Diff(want, read(t, j, journal.Filter{})); diff != "" {
		t.Errorf("read (-recorded +read):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if fp := decision(1).Fingerprint.String(); !strings.Contains(string(text), `"fingerprint":"`+fp+`"`) || !strings.Contains(string(text), `"labels":{"endpoint":"/pay"}`) {
		t.Errorf("the file is not made for people:\n%s", text)
	}
}

func TestFilter(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"), 0)
	one, two := decision(1), decision(2)
	blind := alert.Decision{Time: begin.Add(3 * time.Second), Kind: alert.KindBlind, Rule: "HighErrors"}
	sent := alert.Decision{Time: begin.Add(4 * time.Second), Kind: alert.KindAccepted, Receiver: "pagerduty.oncall", Group: "{}"}
	for _, d := range []alert.Decision{one, two, blind, sent} {
		j.Record(d)
	}
	for _, tt := range []struct {
		name   string
		filter journal.Filter
		want   []alert.Decision
	}{
		{"rule", journal.Filter{Rule: "HighErrors"}, []alert.Decision{one, two, blind}},
		{"instance", journal.Filter{Fingerprint: one.Fingerprint}, []alert.Decision{one, two}},
		{"instance with what befell its rule", journal.Filter{Rule: "HighErrors", Fingerprint: one.Fingerprint}, []alert.Decision{one, two, blind}},
		{"another instance", journal.Filter{Fingerprint: 7}, nil},
		{"receiver", journal.Filter{Receiver: "pagerduty.oncall"}, []alert.Decision{sent}},
		{"group", journal.Filter{Group: "{}"}, []alert.Decision{sent}},
		{"kinds", journal.Filter{Kinds: []alert.Kind{alert.KindBlind, alert.KindAccepted}}, []alert.Decision{blind, sent}},
		{"from", journal.Filter{From: blind.Time}, []alert.Decision{blind, sent}},
		{"until", journal.Filter{Until: two.Time}, []alert.Decision{one}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(t, j, tt.filter)); diff != "" {
				t.Errorf("read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestATornLastLineCostsOnlyItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path, 0)
	j.Record(decision(1))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(text); cut += 7 {
		if err := os.WriteFile(path, append(text, text[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path, 0)
		j.Record(decision(2))
		if diff := cmp.Diff([]alert.Decision{decision(1), decision(2)}, read(t, j, journal.Filter{})); diff != "" {
			t.Fatalf("torn after %d bytes (-want +got):\n%s", cut, diff)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForeignLinesAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	text := "not json\n\n[]\n{}\n\x00\xff\n" + strings.Repeat("x", 3<<20) + "\n" + `{"time":"2026-11-24T10:00:00Z","kind":"blind"}` + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := read(t, open(t, path, 0), journal.Filter{})
	if len(got) != 1 || got[0].Kind != alert.KindBlind {
		t.Errorf("read %v, want the one decision", got)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	const limit = 20_000
	j := open(t, path, limit)
	const n = 1000
	for i := range n {
		j.Record(decision(i))
		if i%10 == 0 {
			j.Sync()
		}
	}
	got := read(t, j, journal.Filter{})
	var size int64
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > limit {
		t.Errorf("%d bytes, the limit is %d", size, limit)
	}
	if len(got) < 20 || got[len(got)-1].Value != n-1 {
		t.Fatalf("%d decisions left", len(got))
	}
	for i := 1; i < len(got); i++ {
		if got[i].Value != got[i-1].Value+1 {
			t.Fatalf("decision %v follows %v: the rotation lost some", got[i].Value, got[i-1].Value)
		}
	}
}

func TestRotationSurvivesAReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	for i := range 100 {
		j := open(t, path, 20_000)
		j.Record(decision(i))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, open(t, path, 20_000), journal.Filter{})
	if n := len(got); n < 20 || got[n-1].Value != 99 {
		t.Errorf("%d decisions after 100 starts", n)
	}
}

func TestRecordNeverWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path, 0)
	release := make(chan struct{})
	entered := make(chan struct{})
	var once sync.Once
	cancel := j.Subscribe(func(alert.Decision) { once.Do(func() { close(entered) }); <-release })
	j.Record(decision(0))
	<-entered // the writer is stuck, as on a disk that does not answer
	const n = 20_000
	for i := range n {
		j.Record(decision(i + 1))
	}
	cancel()
	close(release)
	j.Sync() // makes room
	j.Record(decision(n + 1))

	got := read(t, j, journal.Filter{})
	var dropped int
	for _, d := range got {
		if d.Kind == alert.KindDropped {
			if _, err := fmt.Sscanf(d.Reason, "%d decisions", &dropped); err != nil {
				t.Errorf("reason %q: %v", d.Reason, err)
			}
		}
	}
	if kept := len(got) - 1; dropped == 0 || kept+dropped != n+2 {
		t.Errorf("%d kept and %d told to be lost, of %d", kept, dropped, n+2)
	}
}

func TestSubscribe(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"), 0)
	var mu sync.Mutex
	var heard []float64
	cancel := j.Subscribe(func(d alert.Decision) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, d.Value)
	})
	j.Record(decision(1))
	j.Record(decision(2))
	j.Sync()
	cancel()
	j.Record(decision(3))
	j.Sync()
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]float64{1, 2}, heard); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

func TestAJournalThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "journal.jsonl")
	j := open(t, path, 600) // each file has room for one or two lines
	heard := 0
	j.Subscribe(func(d alert.Decision) {
		if d.Kind == alert.KindTransition {
			heard++
		}
	})
	j.Record(decision(1))
	j.Sync()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		j.Record(decision(i + 2)) // a new file is due, and cannot be made
		j.Sync()
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	j.Record(decision(7))
	j.Sync()
	if heard != 7 {
		t.Errorf("subscribers heard of %d decisions, want all 7", heard)
	}
	got := read(t, j, journal.Filter{})
	if len(got) != 2 || got[0].Kind != alert.KindDropped || got[1].Value != 7 {
		t.Errorf("read %v, want a line about the lost ones and the newest", got)
	}
}

func TestWhatJSONLacksCostsOnlyItself(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"), 0)
	d := decision(1)
	d.Value = math.NaN()
	j.Record(d)
	d = decision(2)
	d.Time = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	j.Record(d)
	got := read(t, j, journal.Filter{})
	if len(got) != 2 || got[0].Reason != "reason 1" || got[0].Value != 0 || got[1].Reason != "reason 2" || !got[1].Time.IsZero() {
		t.Errorf("read %v, want both, without the number and the time", got)
	}
}

func TestAfterClose(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"), 0)
	j.Record(decision(1))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Record(decision(2))
	j.Sync()
	if got := read(t, j, journal.Filter{}); len(got) != 1 {
		t.Errorf("%d decisions, want the one before Close", len(got))
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	_, err := journal.Open(journal.Options{Path: filepath.Join(t.TempDir(), "no", "journal.jsonl")})
	if err == nil || !strings.Contains(err.Error(), "open journal") {
		t.Errorf("Open = %v", err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-24T10:00:00Z","kind":"blind"}` + "\n{\"kind\":"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for d, err := range journal.Lines(path) {
			if err != nil || d.Kind == "" {
				t.Fatalf("line %v, %v", d, err)
			}
		}
	})
}

func TestWithoutAFileSubscribersHear(t *testing.T) {
	j := open(t, "", 0)
	heard := make(chan alert.Decision, 1)
	defer j.Subscribe(func(d alert.Decision) { heard <- d })()
	j.Record(decision(7))
	if got := (<-heard).Value; got != decision(7).Value {
		t.Errorf("heard of %v, want %v", got, decision(7).Value)
	}
	if got := read(t, j, journal.Filter{}); got != nil {
		t.Errorf("read %v, want nothing", got)
	}
}

package alert_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// disk is durable state that can be told to refuse.
type disk struct {
	mu      sync.Mutex
	values  map[string][]byte
	commits int
	refuse  error
	during  func() // called within Commit
}

func newDisk() *disk { return &disk{values: map[string][]byte{}} }

func (d *disk) Commit(writes map[string][]byte) error {
	if d.during != nil {
		d.during()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	if d.refuse != nil {
		return d.refuse
	}
	maps.Copy(d.values, writes)
	maps.DeleteFunc(d.values, func(_ string, v []byte) bool { return v == nil })
	return nil
}

func (d *disk) Load(prefix string, visit func(string, []byte) error) error {
	for k, v := range d.values {
		if strings.HasPrefix(k, prefix) {
			if err := visit(k, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func open(t *testing.T, d *disk) *alert.Store {
	t.Helper()
	s, err := alert.OpenStore(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample(rule, endpoint string, state alert.State) alert.Alert {
	identity := frame.NewLabels(frame.Label{Name: "endpoint", Value: endpoint})
	return alert.Alert{
		Fingerprint: alert.NewFingerprint(rule, identity),
		Rule:        rule,
		Identity:    identity,
		Labels:      identity.With(frame.Label{Name: "alertname", Value: rule}),
		Annotations: map[string]string{"summary": "8% of requests fail"},
		State:       state,
		Value:       0.08,
		ActiveAt:    time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC),
		Revision:    1,
	}
}

func TestAlertsSurviveARestart(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	firing, pending, gone := sample("HighErrors", "/a", alert.Firing), sample("HighErrors", "/b", alert.Pending), sample("Slow", "/a", alert.Pending)
	pending.Held = 90 * time.Second
	if err := s.Put(firing, pending, gone); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(gone.Fingerprint); err != nil {
		t.Fatal(err)
	}

	again := open(t, d)
	if diff := cmp.Diff(s.All(), again.All()); diff != "" {
		t.Errorf("alerts after the restart (-before +after):\n%s", diff)
	}
	if got := again.Rules(); !cmp.Equal(got, []string{"HighErrors"}) {
		t.Errorf("Rules() = %v, want HighErrors only", got)
	}
	if got := len(again.OfRule("HighErrors")); got != 2 {
		t.Errorf("OfRule has %d alerts, want 2", got)
	}
}

func TestAChangeIsDurableBeforeItIsSeen(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	a := sample("HighErrors", "/a", alert.Firing)
	seen := false
	d.during = func() { _, seen = s.Get(a.Fingerprint) }
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	if seen {
		t.Error("the alert was visible before its commit ended")
	}
	if _, known := s.Get(a.Fingerprint); !known {
		t.Error("the alert is not visible after its commit")
	}
}

func TestStorageThatRefusesDoesNotStopAlerting(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	old := sample("HighErrors", "/old", alert.Pending)
	if err := s.Put(old); err != nil {
		t.Fatal(err)
	}

	full := errors.New("no space left on device")
	d.refuse = full
	first, second := sample("HighErrors", "/a", alert.Firing), sample("HighErrors", "/b", alert.Firing)
	for _, err := range []error{s.Put(first), s.Drop(old.Fingerprint)} {
		if !errors.Is(err, alert.ErrNotDurable) || !errors.Is(err, full) {
			t.Errorf("change while storage refuses: %v, want ErrNotDurable and the cause", err)
		}
	}
	if _, known := s.Get(first.Fingerprint); !known {
		t.Error("a refused change is not visible: alerting stopped")
	}
	if since, err := s.Refused(); err == nil || since.IsZero() {
		t.Errorf("Refused() = %v, %v; want since when and why", since, err)
	}
	if n := len(open(t, d).All()); n != 1 {
		t.Errorf("storage has %d alerts, want the old one only", n)
	}

	d.refuse = nil
	if err := s.Put(second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refused(); err != nil {
		t.Errorf("Refused() = %v after storage accepted again", err)
	}
	if diff := cmp.Diff(s.All(), open(t, d).All()); diff != "" {
		t.Errorf("the next change did not bring storage up to date (-memory +storage):\n%s", diff)
	}
}

func TestFlushBringsStorageUpToDate(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	a := sample("HighErrors", "/a", alert.Pending)
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	commits := d.commits
	a.Held = time.Minute
	s.Observe(a)
	if d.commits != commits {
		t.Error("Observe committed")
	}
	if got, _ := s.Get(a.Fingerprint); got.Held != time.Minute {
		t.Errorf("Held = %v after Observe, want 1m", got.Held)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, _ := open(t, d).Get(a.Fingerprint); got.Held != time.Minute {
		t.Errorf("Held = %v in storage after Flush, want 1m", got.Held)
	}
	commits = d.commits
	if err := s.Flush(); err != nil || d.commits != commits {
		t.Errorf("a second Flush committed (%v), though nothing was left to write", err)
	}
}

func TestObserveNeitherRevivesNorReverts(t *testing.T) {
	s := open(t, newDisk())
	a := sample("HighErrors", "/a", alert.Resolved)
	s.Observe(a)
	if len(s.All()) != 0 {
		t.Error("Observe made an alert")
	}
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	stale := a
	stale.Value = 99
	a.State, a.Revision = alert.Firing, 2
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	s.Observe(stale)
	if got, _ := s.Get(a.Fingerprint); got.State != alert.Firing || got.Value == 99 {
		t.Errorf("a stale Observe changed the alert to %v, %v", got.State, got.Value)
	}
}

func TestForget(t *testing.T) {
	resolved := sample("HighErrors", "/resolved", alert.Resolved)
	again := sample("HighErrors", "/again", alert.Resolved)
	again.AgainAt, again.Held = again.ActiveAt.Add(time.Hour), 2*time.Minute
	again.FiredAt, again.ResolvedAt, again.FireValue = again.ActiveAt, again.ActiveAt, 3
	firing := sample("HighErrors", "/firing", alert.Firing)
	s := open(t, newDisk())
	if err := s.Put(resolved, again, firing); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(resolved.Fingerprint, again.Fingerprint, firing.Fingerprint, 42); err != nil {
		t.Fatal(err)
	}
	if _, known := s.Get(resolved.Fingerprint); known {
		t.Error("a resolved alert is still there")
	}
	if got, _ := s.Get(firing.Fingerprint); got.State != alert.Firing {
		t.Error("Forget touched a firing alert: a page would be lost")
	}
	got, _ := s.Get(again.Fingerprint)
	if got.State != alert.Pending || got.Held != 2*time.Minute || !got.ActiveAt.Equal(again.AgainAt) || !got.FiredAt.IsZero() || got.FireValue != 0 {
		t.Errorf("the alert that holds again became %+v, want pending with its progress and nothing of the old incident", got)
	}
	if got.Revision <= again.Revision {
		t.Errorf("revision %d did not rise", got.Revision)
	}
}

func TestDamagedRecordsAreSetAside(t *testing.T) {
	good := sample("HighErrors", "/a", alert.Firing)
	for name, value := range map[string]string{
		"torn":           `{"fingerprint":"00`,
		"empty":          ``,
		"another alert":  `{"fingerprint":"00000000000000ff","rule":"X","state":"firing"}`,
		"no rule":        `{"fingerprint":"0000000000000001","state":"firing"}`,
		"unknown state":  `{"fingerprint":"0000000000000001","rule":"X","state":"exploded"}`,
		"inactive":       `{"fingerprint":"0000000000000001","rule":"X","state":"inactive"}`,
		"not an object":  `[1,2,3]`,
		"labels a list":  `{"fingerprint":"0000000000000001","rule":"X","state":"firing","labels":["a"]}`,
		"a binary thing": "\x00\xff\xfe",
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			if err := open(t, d).Put(good); err != nil {
				t.Fatal(err)
			}
			const bad = "alert/0000000000000001"
			d.values[bad] = []byte(value)

			s := open(t, d)
			if len(s.Damaged()) != 1 || !strings.Contains(s.Damaged()[0].Error(), bad) {
				t.Errorf("Damaged() = %v, want one that names %s", s.Damaged(), bad)
			}
			if all := s.All(); len(all) != 1 || all[0].Fingerprint != good.Fingerprint {
				t.Errorf("All() = %v, want the good one", all)
			}
			if _, there := d.values[bad]; there {
				t.Error("the damaged record is still in its place")
			}
			kept := false
			for k, v := range d.values {
				kept = kept || strings.HasPrefix(k, "alert-damaged/") && string(v) == value
			}
			if !kept {
				t.Error("the damaged record was not kept")
			}
			if again := open(t, d); len(again.Damaged()) != 0 {
				t.Errorf("the next start says again %v", again.Damaged())
			}
		})
	}
}

// Alerts that come together stand together, whatever their fingerprints are, and each stays where it is; those of earlier
// releases stay at their fingerprints.
func TestPlaces(t *testing.T) {
	d := newDisk()
	old := sample("Old", "/old", alert.Firing)
	value, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	d.values["alert/"+old.Fingerprint.String()] = value
	s := open(t, d)
	put := func(s *alert.Store, from, to int) {
		t.Helper()
		var alerts []alert.Alert
		for i := from; i < to; i++ {
			alerts = append(alerts, sample("HighErrors", fmt.Sprint(i), alert.Firing))
		}
		if err := s.Put(alerts...); err != nil {
			t.Fatal(err)
		}
	}
	places := func() []string { return slices.Sorted(maps.Keys(d.values)) }
	put(s, 0, 50)
	first := places()
	s = open(t, d)
	put(s, 50, 100)
	all := places()
	if len(all) != 101 || !slices.Equal(all[:50], first[:50]) {
		t.Errorf("those that came later are not behind the others: %v", all)
	}
	s = open(t, d)
	put(s, 0, 100)
	if err := s.Put(old); err != nil || !slices.Equal(places(), all) {
		t.Errorf("they moved (%v): %v", err, places())
	}

	d.values["alert/ffffffffffffffff-"+old.Fingerprint.String()] = value // which no release leaves
	s = open(t, d)
	if err := s.Drop(old.Fingerprint); err != nil {
		t.Fatal(err)
	}
	put(s, 100, 101)
	if got := len(places()); got != 101 || len(open(t, d).All()) != 101 {
		t.Errorf("%d records of 101 alerts: %v", got, places())
	}
}

func TestUnwritableTimesAreRefusedWhole(t *testing.T) {
	s := open(t, newDisk())
	good, bad := sample("HighErrors", "/a", alert.Firing), sample("HighErrors", "/b", alert.Firing)
	bad.ActiveAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := s.Put(good, bad); err == nil || errors.Is(err, alert.ErrNotDurable) {
		t.Errorf("Put = %v, want an error about the alert", err)
	}
	if len(s.All()) != 0 {
		t.Error("half of a Put is visible")
	}
}

func TestNumbersThatJSONLacks(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	a := sample("HighErrors", "/a", alert.Firing)
	a.Value, a.Peak = math.NaN(), math.Inf(1)
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	if got, known := open(t, d).Get(a.Fingerprint); !known || got.Value != 0 {
		t.Errorf("stored %v, %v; want the alert with value 0", got.Value, known)
	}
}

func TestWhatIsHeldDoesNotChange(t *testing.T) {
	s := open(t, newDisk())
	watch, a := s.Watch(), sample("HighErrors", "/a", alert.Firing)
	if err := s.Put(a); err != nil {
		t.Fatal(err)
	}
	held, _ := watch.Take()
	again := a
	again.Annotations, again.Value = map[string]string{"summary": "other"}, 0.5
	s.Observe(again)
	if err := s.Put(again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*alert.Alert{&a}, held); diff != "" {
		t.Errorf("what was taken before the change (-want +got):\n%s", diff)
	}
}

// Changes that come during a commit go together into the next one.
func TestConcurrentChangesShareCommits(t *testing.T) {
	d := newDisk()
	s := open(t, d)
	const n = 50
	release := make(chan struct{})
	var once sync.Once
	entered := make(chan struct{})
	d.during = func() { once.Do(func() { close(entered) }); <-release }
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := s.Put(sample("HighErrors", fmt.Sprintf("/%d", i), alert.Firing)); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	close(release)
	wg.Wait()
	if len(s.All()) != n || len(open(t, d).All()) != n {
		t.Errorf("%d alerts in memory, %d in storage, want %d", len(s.All()), len(open(t, d).All()), n)
	}
	if d.commits > n {
		t.Errorf("%d commits for %d changes", d.commits, n)
	}
}

func TestFingerprintText(t *testing.T) {
	fp := alert.NewFingerprint("HighErrors", nil)
	text, err := json.Marshal(map[alert.Fingerprint]alert.Fingerprint{fp: fp})
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"%016x":"%016x"}`, uint64(fp), uint64(fp)); string(text) != want {
		t.Errorf("as JSON %s, want %s", text, want)
	}
	var back map[alert.Fingerprint]alert.Fingerprint
	if err := json.Unmarshal(text, &back); err != nil || back[fp] != fp {
		t.Errorf("read back %v, %v", back, err)
	}
	for _, bad := range []string{"", "12", "zz00000000000000", "00000000000000000"} {
		if _, err := alert.ParseFingerprint(bad); err == nil {
			t.Errorf("ParseFingerprint(%q) accepted", bad)
		}
	}
	if got := alert.State(9).String(); got != "state(9)" {
		t.Errorf("State(9) = %q", got)
	}
}

// FuzzOpenStore feeds records as a damaged disk might hold them.
func FuzzOpenStore(f *testing.F) {
	good, _ := json.Marshal(sample("HighErrors", "/a", alert.Firing))
	f.Add(good)
	f.Add([]byte(`{"fingerprint":"0000000000000001","rule":"X","state":"firing","identity":null}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		d := newDisk()
		d.values["alert/0000000000000001"] = value
		s, err := alert.OpenStore(d)
		if err != nil {
			t.Fatalf("OpenStore: %v", err)
		}
		if len(s.All())+len(s.Damaged()) != 1 {
			t.Fatalf("%d alerts, %d damaged: the record was lost", len(s.All()), len(s.Damaged()))
		}
		if err := s.Put(s.All()...); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}

func TestWatchNamesWhatChanged(t *testing.T) {
	s := open(t, newDisk())
	a, b, c := sample("HighErrors", "/a", alert.Firing), sample("HighErrors", "/b", alert.Pending), sample("HighErrors", "/c", alert.Firing)
	if err := s.Put(a, b); err != nil {
		t.Fatal(err)
	}
	watch := s.Watch()
	look := func(when string, want []alert.Alert, wantGone ...alert.Fingerprint) {
		t.Helper()
		changed, gone := watch.Take()
		wantChanged := []*alert.Alert{}
		for _, a := range want {
			wantChanged = append(wantChanged, &a)
		}
		byFingerprint := cmpopts.SortSlices(func(a, b *alert.Alert) bool { return a.Fingerprint < b.Fingerprint })
		if diff := cmp.Diff(wantChanged, changed, byFingerprint, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s, changed (-want +got):\n%s", when, diff)
		}
		if diff := cmp.Diff(wantGone, gone); diff != "" {
			t.Errorf("%s, gone (-want +got):\n%s", when, diff)
		}
	}
	look("at first", []alert.Alert{a, b})
	look("without a change", nil)
	a.Value = 0.5
	s.Observe(a)
	look("after a new value", []alert.Alert{a})
	a.Revision++
	if err := errors.Join(s.Put(c), s.Put(a), s.Drop(c.Fingerprint, b.Fingerprint), s.Put(b)); err != nil {
		t.Fatal(err)
	}
	look("after several changes", []alert.Alert{a, b}, c.Fingerprint)
	a.State = alert.Resolved
	if err := errors.Join(s.Put(a), s.Forget(a.Fingerprint)); err != nil {
		t.Fatal(err)
	}
	look("after the end", nil, a.Fingerprint)
}

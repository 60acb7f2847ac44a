package vitals

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// bench is a watch over storage that survives it, whose looks the test makes.
type bench struct {
	*Watch
	*testing.T
	alerts *alert.Store
	told   []string
}

func newBench(t *testing.T, disk *state.MemoryStore) *bench {
	t.Helper()
	b := &bench{T: t}
	var err error
	if b.alerts, err = alert.OpenStore(disk); err != nil {
		t.Fatal(err)
	}
	b.Watch = New(Options{Alerts: b.alerts, Record: func(d alert.Decision) {
		if !d.Known() {
			t.Errorf("a decision does not say why: %+v", d)
		}
		b.told = append(b.told, fmt.Sprintf("%s %s: %s->%s %s", d.Time.UTC().Format("04:05"), d.Rule, d.From, d.To, d.Reason))
	}})
	return b
}

// looks finds the same from one time after noon to another, every five seconds.
func (b *bench) looks(from, to time.Duration, found ...Finding) {
	for at := from; at <= to; at += lookEvery {
		b.observe(found, noon.Add(at))
	}
}

// expect checks what was told since this was last asked.
func (b *bench) expect(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.told); diff != "" {
		b.Errorf("told (-want +got):\n%s", diff)
	}
	b.told = nil
}

func blind(cause string) Finding {
	return Finding{
		Name: "TocsinBlind", About: map[string]string{"cause": cause}, Severity: "warning", Summary: cause + " does not answer", After: time.Minute,
	}
}

func unsure(f Finding) Finding {
	f.Unsure, f.Summary = true, "?"
	return f
}

func TestWhatIsWrongForLongEnoughFires(t *testing.T) {
	b := newBench(t, state.Memory())
	b.looks(0, 55*time.Second, blind("http.web"), blind("http.odoo"))
	b.looks(60*time.Second, 60*time.Second, blind("http.web")) // the other one is well in time
	b.expect("01:00 TocsinBlind: inactive->firing http.web does not answer")
	b.looks(65*time.Second, 110*time.Second, blind("http.web"), blind("http.odoo"))
	b.expect()

	all := b.alerts.All()
	if len(all) != 1 {
		t.Fatalf("%d alerts", len(all))
	}
	want := map[string]string{"alertname": "TocsinBlind", "cause": "http.web", "severity": "warning", "source": "tocsin"}
	if diff := cmp.Diff(want, all[0].Labels.Map()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if a := all[0]; !a.ActiveAt.Equal(noon) || !a.FiredAt.Equal(noon.Add(time.Minute)) || a.Annotations["summary"] != "http.web does not answer" {
		t.Errorf("alert %+v", a)
	}
}

func TestWhatIsWellForAWhileResolves(t *testing.T) {
	b := newBench(t, state.Memory())
	b.looks(0, time.Minute, blind("http.web"))
	b.looks(time.Minute+lookEvery, time.Minute+55*time.Second) // not found for 50 s
	b.looks(2*time.Minute, 2*time.Minute, blind("http.web"))   // and then it was
	b.looks(2*time.Minute+lookEvery, 3*time.Minute)
	b.expect("01:00 TocsinBlind: inactive->firing http.web does not answer")
	b.looks(3*time.Minute+lookEvery, 3*time.Minute+lookEvery)
	b.expect("03:05 TocsinBlind: firing->resolved it was not found any more for 1m0s")

	b.looks(4*time.Minute, 5*time.Minute, blind("http.web")) // before everybody was told
	b.expect("05:00 TocsinBlind: inactive->firing http.web does not answer")
	if a := b.alerts.All()[0]; a.State != alert.Firing || a.Revision != 3 || !a.ResolvedAt.IsZero() {
		t.Errorf("alert %+v", a)
	}
}

// A process that has just begun does not know how things are: what its predecessor found goes on until it does.
func TestWhatNobodyCanTellStays(t *testing.T) {
	disk := state.Memory()
	b := newBench(t, disk)
	b.looks(0, time.Minute, blind("http.web"))
	b.expect("01:00 TocsinBlind: inactive->firing http.web does not answer")

	b = newBench(t, disk.Crash())
	b.looks(2*time.Minute, 10*time.Minute, unsure(blind("http.web")), unsure(blind("http.odoo")))
	b.expect()
	if got := b.alerts.All()[0].Text; got != "http.web does not answer" {
		t.Errorf("text %q", got)
	}
	b.looks(11*time.Minute, 12*time.Minute)
	b.expect("12:00 TocsinBlind: firing->resolved it was not found any more for 1m0s")

	b.looks(13*time.Minute, 13*time.Minute+30*time.Second, blind("http.web"))
	b.looks(13*time.Minute+30*time.Second, 14*time.Minute, unsure(blind("http.web"))) // which neither counts nor breaks the count
	b.looks(14*time.Minute, 14*time.Minute, unsure(blind("http.web")), blind("http.web"))
	b.expect("14:00 TocsinBlind: inactive->firing http.web does not answer")
}

func TestWhatIsSaidIsTheNewest(t *testing.T) {
	b := newBench(t, state.Memory())
	f := blind("http.web")
	b.looks(0, time.Minute, f)
	f.Summary, f.Severity = "nothing answers", "critical"
	b.looks(2*time.Minute, 3*time.Minute, f)
	a := b.alerts.All()[0]
	if a.Annotations["summary"] != "nothing answers" || a.Labels.Get("severity") != "critical" || a.Revision != 2 {
		t.Errorf("alert %+v", a)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alerts, err := alert.OpenStore(state.Memory())
		if err != nil {
			t.Fatal(err)
		}
		changes := 0
		w := New(Options{
			Alerts: alerts, OnChange: func() { changes++ },
			Look: func(time.Time) []Finding { return []Finding{{Name: "TocsinDegraded"}} },
		})
		w.Start()
		time.Sleep(time.Minute)
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(alerts.OfRule(alert.Self)); n != 1 || changes != 1 {
			t.Errorf("%d alerts, %d changes", n, changes)
		}
	})
}

package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an intake over storage that survives it.
type bench struct {
	*Intake
	alerts *alert.Store
	disk   *state.MemoryStore
	told   []string
	now    time.Time
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newBench(t *testing.T, disk *state.MemoryStore, now time.Time, o Options) *bench {
	t.Helper()
	b := &bench{disk: disk, now: now}
	var err error
	if b.alerts, err = alert.OpenStore(disk); err != nil {
		t.Fatal(err)
	}
	o.Alerts = b.alerts
	o.Record = func(d alert.Decision) {
		b.told = append(b.told, fmt.Sprintf("%s %s %s->%s %s", stamp(d.Time), d.Rule, d.From, d.To, d.Reason))
	}
	b.Intake = New(o, now)
	return b
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05") }

// posted is an alert that only has a name.
func posted(name string, change ...func(*Posted)) Posted {
	p := Posted{Labels: frame.FromMap(map[string]string{"alertname": name}), Annotations: map[string]string{"summary": "down"}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func ends(at time.Time) func(*Posted)   { return func(p *Posted) { p.EndsAt = at } }
func starts(at time.Time) func(*Posted) { return func(p *Posted) { p.StartsAt = at } }

// state is what is known of the alert with this name.
func (b *bench) state(name string) string {
	a, known := b.alerts.Get(alert.NewExternalFingerprint(posted(name).Labels))
	switch {
	case !known:
		return "none"
	case a.State == alert.Resolved:
		return fmt.Sprintf("resolved %s-%s: %s", stamp(a.FiredAt), stamp(a.ResolvedAt), a.Reason)
	case a.Unknown:
		return "unknown: " + a.Reason
	}
	return fmt.Sprintf("firing since %s until %s", stamp(a.FiredAt), stamp(a.ExpiresAt))
}

func TestStories(t *testing.T) {
	at := func(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }
	type event struct {
		minute float64
		post   *Posted // nil: time passes
		want   string
	}
	post := func(change ...func(*Posted)) *Posted { p := posted("Down", change...); return &p }
	for _, tt := range []struct {
		name   string
		hold   bool
		events []event
	}{
		{"without times it lasts for the resolve timeout from each post", false, []event{
			{0, post(), "firing since 12:00:00 until 12:05:00"},
			{3, post(), "firing since 12:00:00 until 12:08:00"},
			{7.9, nil, "firing since 12:00:00 until 12:08:00"},
			{8, nil, "resolved 12:00:00-12:08:00: expired: its sender went silent"},
		}},
		{"Prometheus names start and end, and resolves by an end in the past", false, []event{
			{0, post(starts(at(-2)), ends(at(4))), "firing since 11:58:00 until 12:04:00"},
			{1, post(starts(at(-2)), ends(at(5))), "firing since 11:58:00 until 12:05:00"},
			{2, post(starts(at(-2)), ends(at(1.5))), "resolved 11:58:00-12:01:30: its sender says that it is over"},
			{3, post(starts(at(-2)), ends(at(1.5))), "resolved 11:58:00-12:01:30: its sender says that it is over"},
			{4, post(starts(at(4)), ends(at(9))), "firing since 12:04:00 until 12:09:00"},
		}},
		{"the end of an alert that nobody knows is no news", false, []event{
			{0, post(starts(at(-2)), ends(at(-1))), "none"},
		}},
		{"only an end: it began then, or now", false, []event{
			{0, post(ends(at(3))), "firing since 12:00:00 until 12:03:00"},
		}},
		{"a clock that is ahead", false, []event{
			{0, post(starts(at(10)), ends(at(20))), "firing since 12:00:00 until 12:20:00"},
		}},
		{"one sender names an end, another does not", false, []event{
			{0, post(ends(at(30))), "firing since 12:00:00 until 12:30:00"},
			{1, post(), "firing since 12:00:00 until 12:30:00"},
			{2, post(ends(at(10))), "firing since 12:00:00 until 12:10:00"},
		}},
		{"silence of the sender is no evidence where it is held", true, []event{
			{0, post(), "firing since 12:00:00 until 12:05:00"},
			{6, nil, "unknown: expired: its sender went silent"},
			{60, nil, "unknown: expired: its sender went silent"},
			{61, post(), "firing since 12:00:00 until 13:06:00"},
			{70, nil, "unknown: expired: its sender went silent"},
			{71, post(ends(at(70.5))), "resolved 12:00:00-13:10:30: its sender says that it is over"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, state.Memory(), noon, Options{Hold: tt.hold})
			for _, e := range tt.events {
				now := at(e.minute)
				if err := b.expire(now); err != nil {
					t.Fatal(err)
				}
				if e.post != nil {
					if err := b.Post([]Posted{*e.post}, now); err != nil {
						t.Fatal(err)
					}
				}
				if got := b.state("Down"); got != e.want {
					t.Errorf("at %s: %s, want %s", stamp(now), got, e.want)
				}
			}
		})
	}
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	b := newBench(t, state.Memory(), noon, Options{})
	if err := b.Post([]Posted{posted("Down")}, noon); err != nil {
		t.Fatal(err)
	}
	// Nobody listened for an hour: that is no silence of the sender.
	later := noon.Add(time.Hour)
	b = newBench(t, b.disk.Crash(), later, Options{})
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{4 * time.Minute, "firing since 12:00:00 until 12:05:00"},
		{5 * time.Minute, "resolved 12:00:00-13:05:00: expired: its sender went silent"},
	} {
		if err := b.expire(later.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		if got := b.state("Down"); got != step.want {
			t.Errorf("%s after the start: %s, want %s", step.after, got, step.want)
		}
	}
}

func TestRefreshesCostNoCommit(t *testing.T) {
	b := newBench(t, state.Memory(), noon, Options{})
	for i := range 10 {
		if err := b.Post([]Posted{posted("Down"), posted("Slow")}, noon.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.disk.Commits(); n != 1 {
		t.Errorf("%d commits, want one for what is new", n)
	}
	if diff := cmp.Diff([]string{"12:00:00 Down inactive->firing posted", "12:00:00 Slow inactive->firing posted"}, b.told); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	changed := posted("Down")
	changed.Annotations = map[string]string{"summary": "still down"}
	if err := b.Post([]Posted{changed}, noon.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if a, _ := b.alerts.Get(alert.NewExternalFingerprint(changed.Labels)); a.Annotations["summary"] != "still down" || a.Revision != 2 {
		t.Errorf("annotations %v, revision %d", a.Annotations, a.Revision)
	}
}

func TestValidAlertsAreTakenBesideInvalidOnes(t *testing.T) {
	b := newBench(t, state.Memory(), noon, Options{Most: 2})
	err := b.Post([]Posted{
		{},
		posted("Down"),
		{Labels: frame.Labels{{Name: "a\xff", Value: "x"}}},
		{Labels: frame.FromMap(map[string]string{"a": "\xff"})},
		{Labels: frame.FromMap(map[string]string{"a": strings.Repeat("x", maxLabelValue+1)})},
		posted("Twisted", starts(noon), ends(noon.Add(-time.Minute))),
		posted("Slow"), posted("Third"),
	}, noon)
	for _, want := range []string{
		"at least one label", `label name "a\xff"`, "no UTF-8", "the limit is 8192", "ends at 2026-01-01T11:59:00Z before it starts", "too many alerts",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("the error does not wrap ErrFull: %v", err)
	}
	for name, want := range map[string]string{
		"Down": "firing since 12:00:00 until 12:05:00", "Slow": "firing since 12:00:00 until 12:05:00", "Third": "none", "Twisted": "none",
	} {
		if got := b.state(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	_ = b.Post([]Posted{posted("Down", ends(noon.Add(-time.Second)))}, noon)
	if got, want := b.Stats(), (Stats{Firing: 2, Resolved: 1, Invalid: 6}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestStorageThatRefuses(t *testing.T) {
	b := newBench(t, state.Memory(), noon, Options{})
	b.disk.Fail(1)
	if err := b.Post([]Posted{posted("Down")}, noon); !errors.Is(err, alert.ErrNotDurable) {
		t.Errorf("post = %v, want it to say that the alert is not durable", err)
	}
	if got := b.state("Down"); !strings.HasPrefix(got, "firing") {
		t.Errorf("the alert is %s: it must be told although storage refuses", got)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, state.Memory(), time.Now(), Options{})
		b.Start()
		if err := b.Post([]Posted{posted("Down")}, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultResolveTimeout - time.Second)
		synctest.Wait()
		if got := b.state("Down"); !strings.HasPrefix(got, "firing") {
			t.Errorf("before its time: %s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := b.state("Down"); !strings.HasPrefix(got, "resolved") {
			t.Errorf("after its time: %s", got)
		}
		if err := b.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNeverAnInstanceOfARule(t *testing.T) {
	labels := frame.FromMap(map[string]string{"alertname": "Down", "job": "odoo"})
	if alert.NewExternalFingerprint(labels) == alert.NewFingerprint("Down", frame.FromMap(map[string]string{"job": "odoo"})) {
		t.Error("an alert of others and an instance of a rule have the same fingerprint: one would end the other")
	}
}

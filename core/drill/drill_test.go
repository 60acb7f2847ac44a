package drill

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a manager whose route leads to two receivers, in the group g.
type bench struct {
	*Manager
	*testing.T
	alerts *alert.Store

	mu   sync.Mutex
	told []string // guarded by mu
}

func inBubble(t *testing.T, ways []Way, story func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		alerts, err := alert.OpenStore(state.Memory())
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t, alerts: alerts}
		b.Manager = New(Options{Alerts: alerts, Ways: func(*alert.Alert) []Way { return ways }, Record: b.record})
		b.Start()
		story(b)
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for _, a := range alerts.OfRule(alert.Drill) {
			if a.State != alert.Resolved {
				t.Errorf("an alert is left: %+v", a)
			}
		}
	})
}

func (b *bench) record(d alert.Decision) {
	if !d.Known() {
		b.Errorf("a decision without a cause: %+v", d)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, d.From+"->"+d.To+" "+d.Reason)
}

func (b *bench) begin(r Request) Drill {
	b.Helper()
	d, err := b.Begin(r)
	if err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
	return d
}

// hears has the manager hear what delivery decided about a drill, and returns how that stands then.
func (b *bench) hears(d Drill, receiver string, kind alert.Kind, to string) Drill {
	b.Helper()
	b.Observe(&alert.Decision{Time: time.Now(), Kind: kind, Receiver: receiver, Group: "g", Fingerprint: d.Fingerprint, To: to, Reason: string(kind)})
	synctest.Wait()
	now, err := b.Get(d.ID)
	if err != nil {
		b.Fatal(err)
	}
	return now
}

var two = []Way{{Receiver: "a", Group: "g"}, {Receiver: "b", Group: "g"}}

func TestSteps(t *testing.T) {
	inBubble(t, two, func(b *bench) {
		start := time.Now()
		d := b.begin(Request{Labels: map[string]string{"severity": "critical", "none": ""}, By: "ann"})
		if d.State != Opening || d.Labels["alertname"] != Name || d.Labels["severity"] != "critical" || len(d.Labels) != 3 {
			t.Errorf("%+v", d)
		}
		time.Sleep(time.Second)
		b.hears(d, "a", alert.KindIntent, "")
		b.hears(d, "a", alert.KindAccepted, "firing")
		b.hears(d, "b", alert.KindIntent, "")
		b.hears(d, "b", alert.KindRetry, "")
		time.Sleep(time.Second)
		b.hears(d, "b", alert.KindIntent, "")
		if d = b.hears(d, "b", alert.KindAccepted, "firing"); d.State != Closing || !d.EndedAt.Equal(start.Add(2*time.Second)) {
			t.Errorf("%+v", d)
		}
		time.Sleep(3 * time.Second)
		for _, receiver := range []string{"b", "a"} {
			b.hears(d, receiver, alert.KindIntent, "")
			d = b.hears(d, receiver, alert.KindAccepted, "resolved")
		}
		ended := start.Add(5 * time.Second)
		want := []Receiver{
			{Receiver: "a", Group: "g", Opened: Step{start.Add(time.Second), 1, 1}, Closed: Step{ended, 3, 1}},
			{Receiver: "b", Group: "g", Opened: Step{start.Add(2 * time.Second), 2, 2}, Closed: Step{ended, 3, 1}},
		}
		if diff := cmp.Diff(want, d.Receivers); diff != "" || d.State != Done || !d.OK() {
			t.Errorf("%+v\n%s", d, diff)
		}
		if diff := cmp.Diff([]string{
			"inactive->firing TEST: a drill by ann, nothing is wrong and nobody has to do anything",
			"firing->resolved the drill is over: every receiver has answered",
		}, b.told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhoIsNotTold(t *testing.T) {
	ways := []Way{{Receiver: "a", Group: "g", Withheld: "silenced by x"}, {Receiver: "b", Group: "g"}, {Receiver: "c", Group: "g", OpenOnly: true}}
	inBubble(t, ways, func(b *bench) {
		d := b.begin(Request{})
		b.hears(d, "c", alert.KindAccepted, "firing")
		if d = b.hears(d, "b", alert.KindDeadLetter, ""); d.State != Done || d.OK() || !d.Receivers[1].Rejected || d.Receivers[1].Error != "dead letter" || d.Reason != "" {
			t.Errorf("%+v", d)
		}
	})
	inBubble(t, ways[:1], func(b *bench) { // the silence ends meanwhile
		d := b.begin(Request{})
		if d, _ = b.Get(d.ID); d.State != Done || d.OK() {
			t.Errorf("%+v", d)
		}
	})
	inBubble(t, ways[2:], func(b *bench) {
		d := b.begin(Request{})
		if d = b.hears(d, "c", alert.KindAccepted, "firing"); !d.OK() {
			t.Errorf("%+v, want it to be well: it is not told of ends", d)
		}
	})
}

func TestNoAnswer(t *testing.T) {
	inBubble(t, two, func(b *bench) {
		d := b.begin(Request{Timeout: 20 * time.Second})
		b.hears(d, "a", alert.KindIntent, "")
		b.hears(d, "a", alert.KindAccepted, "firing")
		b.hears(d, "b", alert.KindIntent, "")
		b.hears(d, "b", alert.KindRetry, "")
		time.Sleep(20 * time.Second)
		if d = b.hears(d, "a", alert.KindAccepted, "resolved"); d.State != Closing {
			t.Errorf("%+v, want it to wait for b, which may believe that it fires", d)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if d, _ = b.Get(d.ID); d.State != Done || d.OK() || d.Reason != "not every receiver accepted it within 20s" || d.Receivers[1].Error != "retry" {
			t.Errorf("%+v", d)
		}
	})
	inBubble(t, two[:1], func(b *bench) { // a receiver that hears of both late
		d := b.begin(Request{})
		b.hears(d, "a", alert.KindIntent, "")
		time.Sleep(70 * time.Second)
		if d = b.hears(d, "a", alert.KindAccepted, "resolved"); d.Receivers[0].Opened.Seconds != 70 || d.Receivers[0].Closed.Seconds != 10 {
			t.Errorf("%+v", d)
		}
	})
}

func TestRestart(t *testing.T) {
	inBubble(t, two, func(b *bench) {
		d := b.begin(Request{})
		next := New(Options{Alerts: b.alerts, Record: b.record})
		next.Start()
		if _, err := next.Get(d.ID); err == nil || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("got %v", err)
		}
		if left := b.alerts.OfRule(alert.Drill); left[0].State != alert.Resolved || left[0].Reason != "the drill is over: the engine was restarted" {
			t.Errorf("%+v", left)
		}
	})
}

func TestRefused(t *testing.T) {
	inBubble(t, two, func(b *bench) {
		for name, r := range map[string]Request{
			"own label":   {Labels: map[string]string{alert.DrillLabel: "x"}},
			"no name":     {Labels: map[string]string{"": "x"}},
			"long value":  {Labels: map[string]string{"a": strings.Repeat("x", mostText+1)}},
			"bad UTF-8":   {Labels: map[string]string{"a": "\xff"}},
			"many labels": {Labels: many(mostLabels + 1)},
			"too long":    {Timeout: MostTimeout + 1},
			"negative":    {Timeout: -1},
			"long by":     {By: strings.Repeat("x", mostText+1)},
		} {
			if d, err := b.Begin(r); err == nil {
				t.Errorf("%s: began %+v", name, d)
			}
		}
		for range mostRunning {
			b.begin(Request{})
		}
		if _, err := b.Begin(Request{}); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many: %v", err)
		}
		if len(b.All()) != mostRunning {
			t.Errorf("%d drills", len(b.All()))
		}
		if err := b.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if d := b.All()[0]; d.State != Done || d.Reason != ErrStopped.Error() {
			t.Errorf("%+v", d)
		}
		if _, err := b.Begin(Request{}); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
	inBubble(t, nil, func(b *bench) {
		if _, err := b.Begin(Request{}); !errors.Is(err, ErrNobody) {
			t.Errorf("got %v", err)
		}
	})
}

func many(n int) map[string]string {
	labels := map[string]string{}
	for i := range n {
		labels[fmt.Sprint("l", i)] = "x"
	}
	return labels
}

func TestOldOnesAreForgotten(t *testing.T) {
	inBubble(t, []Way{{Receiver: "a", Group: "g", Withheld: "muted"}}, func(b *bench) {
		first := b.begin(Request{})
		for range mostKept {
			b.begin(Request{})
		}
		if _, err := b.Get(first.ID); err == nil || len(b.All()) != mostKept {
			t.Errorf("%v, %d drills", err, len(b.All()))
		}
	})
}

package rule

import (
	"context"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// disk is durable state in memory, which survives the managers that use it and can refuse.
type disk struct {
	mu      sync.Mutex
	values  map[string][]byte
	commits int
	refuse  error
}

func newDisk() *disk { return &disk{values: map[string][]byte{}} }

func (d *disk) Commit(writes map[string][]byte) error {
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

// script is a program that says what the test tells it to.
type script struct {
	mu     sync.Mutex
	next   func(at time.Time) (Evaluation, error)
	at     []time.Time // of each evaluation
	active int
	most   int // evaluations at once
	closed int
}

func says(ev Evaluation) *script {
	return &script{next: func(time.Time) (Evaluation, error) { return ev, nil }}
}

func (s *script) set(next func(time.Time) (Evaluation, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = next
}

func (s *script) say(ev Evaluation) {
	s.set(func(time.Time) (Evaluation, error) { return ev, nil })
}

func (s *script) fail(err error) {
	s.set(func(time.Time) (Evaluation, error) { return Evaluation{}, err })
}

func (s *script) Eval(_ context.Context, at time.Time) (Evaluation, error) {
	s.mu.Lock()
	s.at = append(s.at, at)
	s.active++
	s.most = max(s.most, s.active)
	next := s.next
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.active--
		s.mu.Unlock()
	}()
	return next(at)
}

func (s *script) Close(context.Context) error {
	s.closed++
	return nil
}

func (s *script) evaluations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

// bench is a manager under test with what it tells others.
type bench struct {
	*Manager
	t      *testing.T
	store  *alert.Store
	mu     sync.Mutex
	lines  []alert.Decision
	change int
}

// start starts a manager on a disk. Within a synctest bubble.
func start(t *testing.T, d *disk, workers int, definitions ...Definition) *bench {
	t.Helper()
	store, err := alert.OpenStore(d)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: store}
	b.Manager = New(Options{
		Alerts:  store,
		Workers: workers,
		Record: func(d alert.Decision) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if !d.Known() {
				b.t.Errorf("a decision without a cause: %+v", d)
			}
			b.lines = append(b.lines, d)
		},
		OnChange: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.change++
		},
	})
	if err := b.Start(definitions); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) stop() {
	b.t.Helper()
	if err := b.Stop(b.t.Context()); err != nil {
		b.t.Error(err)
	}
}

// rounds lets n rounds of a source come, one each interval.
func (b *bench) rounds(n int, interval time.Duration, sources ...string) {
	for range n {
		time.Sleep(interval)
		for _, s := range sources {
			b.Round(s, time.Now())
		}
		synctest.Wait()
	}
}

func (b *bench) states(rule string) map[string]string {
	states := map[string]string{}
	for _, a := range b.store.OfRule(rule) {
		state := a.State.String()
		if a.Unknown {
			state += "?"
		}
		states[a.Identity.Get("endpoint")] = state
	}
	return states
}

func (b *bench) wantStates(rule string, want map[string]string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.states(rule)); diff != "" {
		b.t.Errorf("states of %s (-want +got):\n%s", rule, diff)
	}
}

// told returns the recorded decisions as "kind from>to".
func (b *bench) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var told []string
	for _, d := range b.lines {
		line := string(d.Kind)
		if d.From != "" {
			line += " " + d.From + ">" + d.To
		}
		told = append(told, line)
	}
	return told
}

func (b *bench) wantTold(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.told()); diff != "" {
		b.t.Errorf("decisions (-want +got):\n%s", diff)
	}
}

func (b *bench) changes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change
}

func verdict(status abi.Status, endpoint string, value float64) abi.Verdict {
	v := abi.Verdict{Status: status, Value: value, Threshold: math.NaN()}
	if endpoint != "" {
		v.Labels = frame.NewLabels(frame.Label{Name: "endpoint", Value: endpoint})
	}
	return v
}

func complete(verdicts ...abi.Verdict) Evaluation {
	return Evaluation{Complete: true, Verdicts: verdicts}
}

const interval = 15 * time.Second

func define(name string, p Program) Definition {
	return Definition{Name: name, Program: p, Sources: []string{"http.gateway"}, Interval: interval}
}

func TestAnIncidentFromDataToResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := says(complete())
		d := define("HighErrors", p)
		d.For = time.Minute
		d.Labels = map[string]string{"severity": "critical"}
		d.Annotations = map[string]string{"summary": "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail"}
		b := start(t, newDisk(), 1, d)
		defer b.stop()

		b.rounds(2, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{})
		p.say(complete(verdict(abi.Active, "/pay", 0.08)))
		b.rounds(4, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "pending"})
		p.say(complete(verdict(abi.Active, "/pay", 0.1)))
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "firing"})

		a := b.store.OfRule("HighErrors")[0]
		wantLabels := frame.FromMap(map[string]string{"alertname": "HighErrors", "endpoint": "/pay", "severity": "critical"})
		if !a.Labels.Equal(wantLabels) {
			t.Errorf("labels %s, want %s", a.Labels, wantLabels)
		}
		if got := a.Annotations["summary"]; got != "/pay: 10% of requests fail" {
			t.Errorf("summary %q was not rendered when it fired", got)
		}
		if a.FiredAt.Sub(a.ActiveAt) != time.Minute || a.FireValue != 0.1 {
			t.Errorf("fired %v after it began with value %v, want 1m and 0.1", a.FiredAt.Sub(a.ActiveAt), a.FireValue)
		}

		p.say(complete(verdict(abi.Active, "/pay", 0.3)))
		b.rounds(1, interval, "http.gateway")
		p.say(complete())
		b.rounds(1, interval, "http.gateway")
		b.wantStates("HighErrors", map[string]string{"/pay": "resolved"})
		if a := b.store.OfRule("HighErrors")[0]; a.Peak != 0.3 || a.FireValue != 0.1 || a.ResolvedAt.IsZero() {
			t.Errorf("peak %v, fire value %v, resolved at %v", a.Peak, a.FireValue, a.ResolvedAt)
		}
		b.wantTold("transition inactive>pending", "transition pending>firing", "transition firing>resolved")
		if got := b.changes(); got != 3 {
			t.Errorf("OnChange was called %d times, want once for each transition", got)
		}
	})
}

package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// answer is how a fake service behaves for one attempt.
type answer func(ctx context.Context, n notifier.Notification) (notifier.Result, error)

func ok(_ context.Context, n notifier.Notification) (notifier.Result, error) {
	return notifier.Result{Outcome: notifier.Delivered, Reference: "ref-" + n.ID[:4]}, nil
}

func busy(context.Context, notifier.Notification) (notifier.Result, error) {
	return notifier.Result{Outcome: notifier.Retry, Detail: "500 busy"}, nil
}

func reject(context.Context, notifier.Notification) (notifier.Result, error) {
	return notifier.Result{Outcome: notifier.Rejected, Detail: "400 bad key"}, nil
}

// hang never answers.
func hang(ctx context.Context, _ notifier.Notification) (notifier.Result, error) {
	<-ctx.Done()
	return notifier.Result{}, ctx.Err()
}

// lose takes the notification, and the answer is lost.
func lose(context.Context, notifier.Notification) (notifier.Result, error) {
	return notifier.Result{}, errors.New("connection reset")
}

func tooMany(after time.Duration) answer {
	return func(context.Context, notifier.Notification) (notifier.Result, error) {
		return notifier.Result{Outcome: notifier.Retry, RetryAfter: after, Detail: "429"}, nil
	}
}

// service is a fake receiver that keeps what it was sent.
type service struct {
	start time.Time

	mu      sync.Mutex
	answers []answer // of the next attempts; then ok
	got     []notifier.Notification
	lines   []string
}

// Send implements [delivery.Sender].
func (s *service) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	s.mu.Lock()
	answer := answer(ok)
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
	}
	s.got = append(s.got, n)
	s.lines = append(s.lines, s.line(n))
	s.mu.Unlock()
	return answer(ctx, n)
}

// line writes a notification as "10s #1 first notification: A firing, B resolved [note]".
func (s *service) line(n notifier.Notification) string {
	var alerts []string
	for _, a := range n.Alerts {
		alerts = append(alerts, a.Labels["alertname"]+" "+string(a.Status))
	}
	line := fmt.Sprintf("%s #%d %s: %s", time.Since(s.start), n.Attempt, n.Reason, strings.Join(alerts, ", "))
	if n.PossibleRepeat {
		line += " (possible repeat)"
	}
	if n.Note != "" {
		line += " [" + n.Note + "]"
	}
	return line
}

// answer sets the answers to the next attempts.
func (s *service) answer(answers ...answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

// take returns the lines since it was last called.
func (s *service) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// bench is a ledger under test with its surroundings; it lives in a synctest bubble.
type bench struct {
	*testing.T
	*delivery.Ledger
	store   *state.MemoryStore
	start   time.Time
	service *service
	options delivery.Options

	mu        sync.Mutex
	settled   []alert.Fingerprint
	decisions []string
}

// newBench makes a ledger with one receiver "fake.r", changed by edit.
func newBench(t *testing.T, edit ...func(*delivery.Options)) *bench {
	b := &bench{T: t, store: state.Memory(), start: time.Now()}
	b.service = &service{start: b.start}
	b.options = delivery.Options{
		Receivers: []delivery.Receiver{{Name: "r", Ref: "fake.r", Sender: b.service, SendResolved: true}},
		Record: func(d alert.Decision) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if !d.Known() {
				b.Errorf("a decision without a cause: %+v", d)
			}
			b.decisions = append(b.decisions, strings.TrimSpace(fmt.Sprintf("%s %s: %s", d.Kind, d.Labels.Get("alertname"), d.Reason)))
		},
		Settled: func(fps []alert.Fingerprint) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.settled = append(b.settled, fps...)
		},
	}
	for _, e := range edit {
		e(&b.options)
	}
	b.open()
	t.Cleanup(b.stop)
	return b
}

// open starts a ledger on the store.
func (b *bench) open() {
	b.Helper()
	b.options.State = b.store
	l, err := delivery.New(b.options)
	if err != nil {
		b.Fatal(err)
	}
	b.Ledger = l
	l.Start()
}

func (b *bench) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		b.Errorf("stop: %v", err)
	}
}

// crash kills the ledger and opens another on what is durable.
func (b *bench) crash() {
	b.Helper()
	b.kill()
	b.open()
}

// kill ends the ledger as kill -9 would: nothing more is written.
func (b *bench) kill() {
	old := b.Ledger
	b.store = b.store.Crash()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = old.Stop(ctx) // so that no goroutine is left; it can write nothing any more
}

// reconcile says that alerts should be known, in one group.
func (b *bench) reconcile(members ...alert.Member) {
	b.Helper()
	if len(members) == 0 {
		b.Reconcile(nil, time.Now())
	} else {
		b.Reconcile([]alert.Group{group("fake.r", members...)}, time.Now())
	}
	synctest.Wait()
}

// until lets time pass until d after the start.
func (b *bench) until(d time.Duration) {
	time.Sleep(time.Until(b.start.Add(d)))
	synctest.Wait()
}

// sent checks what the service was sent since this was last called.
func (b *bench) sent(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.service.take()); diff != "" {
		b.Errorf("sent (-want +got):\n%s", diff)
	}
}

// sentInAnyOrder is sent for records whose workers go to the receiver at once.
func (b *bench) sentInAnyOrder(want ...string) {
	b.Helper()
	got := b.service.take()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("sent (-want +got):\n%s", diff)
	}
}

// settledNow returns the names of the alerts settled since it was last called.
func (b *bench) settledNow() []alert.Fingerprint {
	b.mu.Lock()
	defer b.mu.Unlock()
	settled := b.settled
	b.settled = nil
	return settled
}

// journal checks that each line was recorded since it was last called.
func (b *bench) journal(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range want {
		found := false
		for _, d := range b.decisions {
			found = found || strings.Contains(d, w)
		}
		if !found {
			b.Errorf("the journal has no %q, it has:\n%s", w, strings.Join(b.decisions, "\n"))
		}
	}
	b.decisions = nil
}

// durable returns how many records the store holds.
func (b *bench) durable() int {
	n := 0
	if err := b.store.Load("delivery/", func(string, []byte) error { n++; return nil }); err != nil {
		b.Fatal(err)
	}
	return n
}

// group makes a group with timers of 30 s, 5 m and 4 h.
func group(receiver string, members ...alert.Member) alert.Group {
	return alert.Group{
		Receiver: receiver, Key: "{}:{}", Wait: 30 * time.Second, Interval: 5 * time.Minute, Repeat: 4 * time.Hour,
		Members: ordered(members),
	}
}

func ordered(members []alert.Member) []alert.Member {
	for i := range members {
		for j := i; j > 0 && members[j].Alert.Fingerprint < members[j-1].Alert.Fingerprint; j-- {
			members[j], members[j-1] = members[j-1], members[j]
		}
	}
	return members
}

// fire makes an alert that fires from now on; its fingerprint follows its name's order.
func fire(name string, extra ...frame.Label) alert.Member {
	return alert.Member{Alert: &alert.Alert{
		Fingerprint: alert.Fingerprint(name[0]), Rule: name, State: alert.Firing, FiredAt: time.Now(), Revision: 1,
		Labels: frame.NewLabels(append(extra, frame.Label{Name: "alertname", Value: name})...), Annotations: map[string]string{"summary": "it is bad"},
	}}
}

// resolve makes the same alert resolved now.
func resolve(m alert.Member) alert.Member {
	return changed(m, func(a *alert.Alert) {
		a.State, a.ResolvedAt = alert.Resolved, time.Now()
		a.Revision++
	})
}

// changed makes the same alert with a change.
func changed(m alert.Member, change func(*alert.Alert)) alert.Member {
	a := *m.Alert
	change(&a)
	m.Alert = &a
	return m
}

func held(m alert.Member) alert.Member {
	m.Held = alert.Hold{Cause: alert.CauseSilenced, By: "s1"}
	return m
}

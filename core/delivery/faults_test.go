package delivery_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// story runs f in a bubble with a bench.
func story(t *testing.T, f func(b *bench), edit ...func(*delivery.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newBench(t, edit...)) })
}

// outcomes drops the times from lines.
func outcomes(lines []string) []string {
	for i, line := range lines {
		_, lines[i], _ = strings.Cut(line, " ")
	}
	return lines
}

func TestRetryUntilAccepted(t *testing.T) {
	story(t, func(b *bench) {
		var answers []answer
		for range 12 {
			answers = append(answers, busy)
		}
		b.service.answer(answers...)
		b.reconcile(fire("A"))
		b.until(2 * time.Hour)
		lines := b.service.take()
		if len(lines) != 13 || !strings.HasSuffix(lines[12], "#13 first notification: A firing") {
			t.Fatalf("attempts: %q", lines)
		}
		var before time.Duration
		for i, line := range lines {
			at, err := time.ParseDuration(strings.Fields(line)[0])
			if err != nil {
				t.Fatal(err)
			}
			want := min(5*time.Minute, time.Second<<max(i-1, 0))
			if gap := at - before; i > 0 && (gap < want*8/10 || gap > want*12/10) {
				t.Errorf("attempt %d came %s after the one before, want about %s", i+1, gap, want)
			}
			before = at
		}
		ids := map[string]bool{}
		for _, n := range b.service.got {
			ids[n.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("one notification has ids %v", ids)
		}
	})
}

func TestNewestContentIsRetried(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(busy, busy)
		a := fire("A")
		b.reconcile(a)
		b.until(30*time.Second + 100*time.Millisecond)
		b.reconcile(a, fire("B"))
		b.until(time.Hour)
		want := []string{
			"#1 first notification: A firing",
			"#1 first notification: A firing, B firing",
			"#2 first notification: A firing, B firing",
		}
		if diff := cmp.Diff(want, outcomes(b.service.take())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(tooMany(7 * time.Minute))
		b.reconcile(fire("A"))
		b.until(time.Minute)
		// Another group of the same receiver waits as well.
		other := group("fake.r", fire("B"))
		other.Key = "other"
		b.Reconcile([]alert.Group{group("fake.r", fire("A")), other}, time.Now())
		b.until(7*time.Minute + 29*time.Second)
		b.sent("30s #1 first notification: A firing")
		b.until(time.Hour)
		lines := b.service.take()
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "7m30s ") || !strings.HasPrefix(lines[1], "7m30s ") {
			t.Errorf("sent %q", lines)
		}
	})
}

func TestRetryAfterHasALimit(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(tooMany(1000 * time.Hour))
		b.reconcile(fire("A"))
		b.until(2 * time.Hour)
		b.sent("30s #1 first notification: A firing", "1h0m30s #2 first notification: A firing")
	})
}

func TestNoAnswerIsAPossibleRepeat(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(lose, busy)
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.reconcile(resolve(a))
		b.until(time.Hour)
		want := []string{
			"#1 first notification: A firing",
			"#2 first notification: A firing (possible repeat)",
			"#3 first notification: A firing (possible repeat)",
			"#1 all alerts resolved: A resolved",
		}
		if diff := cmp.Diff(want, outcomes(b.service.take())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTimeout(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(hang)
		b.reconcile(fire("A"))
		b.until(59 * time.Second)
		b.sent("30s #1 first notification: A firing")
		b.until(time.Hour)
		if diff := cmp.Diff([]string{"#2 first notification: A firing (possible repeat)"}, outcomes(b.service.take())); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDeliveredLate: an incident that began and ended while the receiver was down is told once.
func TestDeliveredLate(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(busy, busy, busy, busy, busy, busy, busy, busy, busy, busy)
		a := fire("A")
		b.reconcile(a)
		b.until(2 * time.Minute)
		b.service.take()
		b.reconcile(resolve(a))
		b.until(time.Hour)
		lines := outcomes(b.service.take())
		want := "all alerts resolved: A resolved [fired 00:00 UTC, resolved 00:02 UTC (delivered late)]"
		if len(lines) == 0 || !strings.HasSuffix(lines[len(lines)-1], want) {
			t.Fatalf("sent %q", lines)
		}
		for i, line := range lines {
			if i > 0 && line[1] != lines[i-1][1]+1 { // attempts count up; the last was accepted, so there is no other
				t.Errorf("sent %q", lines)
			}
		}
		if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
			t.Errorf("settled %v", got)
		}
		if n := b.durable(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// TestDeliveredLateBetweenAttempts: it came and went while the group waited for its next try.
func TestDeliveredLateBetweenAttempts(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(tooMany(time.Hour))
		a := fire("A")
		b.reconcile(a)
		b.until(5 * time.Minute)
		x, y := fire("B"), fire("C")
		b.reconcile(a, x, y)
		b.until(5*time.Minute + 10*time.Second)
		b.reconcile(a, x, resolve(y)) // too short to be told
		b.until(10 * time.Minute)
		b.reconcile(a, resolve(x), resolve(y))
		b.until(2 * time.Hour)
		b.sent(
			"30s #1 first notification: A firing",
			"1h0m30s #1 first notification: A firing, B resolved [fired 00:05 UTC, resolved 00:10 UTC (delivered late)]",
		)
	})
}

func TestManyLateAlertsAreCounted(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(tooMany(time.Hour))
		var members, over []alert.Member
		for _, name := range []string{"A", "B", "C", "D", "E"} {
			members = append(members, fire(name))
		}
		b.reconcile(members...)
		b.until(time.Minute)
		for _, m := range members {
			over = append(over, resolve(m))
		}
		b.service.take()
		b.reconcile(over...)
		b.until(2 * time.Hour)
		n := b.service.got[1]
		if len(n.Alerts) != 5 || strings.Count(n.Note, "delivered late") != 4 || !strings.HasSuffix(n.Note, "; and 2 more delivered late") {
			t.Errorf("note %q of %d alerts", n.Note, len(n.Alerts))
		}
	})
}

// TestHeldWhileUndelivered: silenced before the receiver came back, so it is not opened any more.
func TestHeldWhileUndelivered(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(tooMany(10 * time.Minute))
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.reconcile(held(a))
		if n := b.durable(); n != 0 {
			t.Errorf("%d records of what may not be told", n)
		}
		b.until(time.Hour)
		b.reconcile(held(resolve(a)))
		b.until(2 * time.Hour)
		b.sent("30s #1 first notification: A firing")
		if n := b.durable(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// TestHeldAfterNoAnswer: it may be open, so it is not opened again, and closed in the end.
func TestHeldAfterNoAnswer(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(lose)
		a := fire("A")
		b.reconcile(a)
		b.until(30*time.Second + 100*time.Millisecond)
		b.reconcile(held(a))
		b.until(time.Hour)
		b.sent("30s #1 first notification: A firing")
		b.reconcile(held(resolve(a)))
		b.until(2 * time.Hour)
		if diff := cmp.Diff(
			[]string{"#1 all alerts resolved: A resolved (possible repeat) [fired 00:00 UTC, resolved 01:00 UTC (delivered late)]"},
			outcomes(b.service.take()),
		); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRejected(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(reject)
		a := fire("A")
		b.reconcile(a)
		b.until(10 * time.Hour)
		b.sent("30s #1 first notification: A firing")
		rec := b.Records()[0]
		if rec.State != delivery.DeadLetter || rec.Error != "400 bad key" {
			t.Errorf("record %+v", rec)
		}
		b.journal("dead letter : rejected: 400 bad key")

		b.reconcile(a, fire("B")) // something else to tell
		b.until(11 * time.Hour)
		b.sent("10h0m0s #1 first notification: A firing, B firing")
		if rec := b.Records()[0]; rec.State != delivery.Idle || rec.Error != "" {
			t.Errorf("record %+v", rec)
		}
	})
}

func TestRejectedAndRetriedByHand(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(reject)
		b.reconcile(fire("A"))
		b.until(time.Hour)
		if err := b.Retry("fake.r", "none"); err == nil {
			t.Error("an unknown group was retried")
		}
		if err := b.Retry("fake.r", "{}:{}"); err != nil {
			t.Error(err)
		}
		b.until(2 * time.Hour)
		b.sent("30s #1 first notification: A firing", "1h0m0s #1 first notification: A firing")
		if err := b.Retry("fake.r", "{}:{}"); err == nil {
			t.Error("there is nothing to retry")
		}
	})
}

// TestRejectedAndOver: the receiver never knew of it and does not want to; nothing is left.
func TestRejectedAndOver(t *testing.T) {
	story(t, func(b *bench) {
		b.service.answer(reject, reject)
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.reconcile(resolve(a))
		b.until(time.Hour)
		b.sent("30s #1 first notification: A firing", "1m0s #1 all alerts resolved: A resolved [fired 00:00 UTC, resolved 00:01 UTC (delivered late)]")
		if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
			t.Errorf("settled %v", got)
		}
		if n := b.durable(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// TestRejectedClose: what the receiver knows to be open is never given up.
func TestRejectedClose(t *testing.T) {
	story(t, func(b *bench) {
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.service.answer(reject)
		b.reconcile(resolve(a))
		b.until(time.Hour)
		b.crash()
		b.reconcile(resolve(a))
		b.until(2 * time.Hour)
		b.sent("30s #1 first notification: A firing", "5m30s #1 all alerts resolved: A resolved")
		if got := b.settledNow(); got != nil {
			t.Errorf("settled %v", got)
		}
		if err := b.Retry("fake.r", "{}:{}"); err != nil {
			t.Error(err)
		}
		b.until(3 * time.Hour)
		b.sent("2h0m0s #1 all alerts resolved: A resolved")
	})
}

// TestAnswerToCloseLost: the receiver may believe that the incident is over; if it fires again it has to hear of it.
func TestAnswerToCloseLost(t *testing.T) {
	story(t, func(b *bench) {
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.service.answer(lose)
		b.reconcile(resolve(a))
		b.until(5*time.Minute + 30*time.Second + 100*time.Millisecond)
		b.reconcile(fire("A"))
		b.until(time.Hour)
		want := []string{
			"#1 first notification: A firing",
			"#1 all alerts resolved: A resolved",
			"#1 new alerts added: A firing (possible repeat)",
		}
		if diff := cmp.Diff(want, outcomes(b.service.take())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHangingReceiverDelaysNobody(t *testing.T) {
	quick := &service{}
	story(t, func(b *bench) {
		quick.start = b.start
		var never []answer
		for range 100 {
			never = append(never, hang)
		}
		b.service.answer(never...)
		var groups []alert.Group
		for _, name := range []string{"A", "B", "C", "D"} {
			for _, receiver := range []string{"fake.r", "quick.q"} {
				g := group(receiver, fire(name))
				g.Key = name
				groups = append(groups, g)
			}
		}
		b.Reconcile(groups, time.Now())
		b.until(30 * time.Second)
		if got := len(quick.take()); got != 4 {
			t.Errorf("the healthy receiver got %d of 4", got)
		}
		b.until(5 * time.Minute)
		b.Reconcile([]alert.Group{groups[0]}, time.Now())
		b.until(5*time.Minute + time.Second)
		if got := len(quick.take()); got != 4 {
			t.Errorf("the healthy receiver got %d of 4 closes", got)
		}
	}, func(o *delivery.Options) {
		o.Receivers[0].Workers = 2
		o.Receivers = append(o.Receivers, delivery.Receiver{Name: "q", Ref: "quick.q", Sender: quick, SendResolved: true})
	})
}

// TestReceiverBack: once a receiver that was down accepts something, the others do not wait for the end of their backoff.
func TestReceiverBack(t *testing.T) {
	story(t, func(b *bench) {
		down := true
		b.options.Receivers[0].Sender = senderFunc(func(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
			b.service.answer(ok)
			if down {
				b.service.answer(busy)
			}
			return b.service.Send(ctx, n)
		})
		b.stop()
		b.open()
		var groups []alert.Group
		for _, name := range []string{"A", "B", "C", "D"} {
			g := group("fake.r", fire(name))
			g.Key = name
			groups = append(groups, g)
		}
		b.Reconcile(groups, time.Now())
		b.until(time.Hour)
		down = false
		b.service.take()
		b.until(2 * time.Hour)
		lines := b.service.take()
		if len(lines) != 4 || strings.Fields(lines[0])[0] != strings.Fields(lines[3])[0] {
			t.Errorf("sent %q", lines)
		}
	})
}

type senderFunc func(ctx context.Context, n notifier.Notification) (notifier.Result, error)

func (f senderFunc) Send(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
	return f(ctx, n)
}

func TestRate(t *testing.T) {
	story(t, func(b *bench) {
		var groups []alert.Group
		var calm []alert.Group
		for _, name := range []string{"A", "B", "C", "D", "E"} {
			m := fire(name)
			g := group("fake.r", m)
			g.Key = name
			groups = append(groups, g)
			over := group("fake.r", resolve(m))
			over.Key = name
			calm = append(calm, over)
		}
		b.Reconcile(groups, time.Now())
		b.until(31 * time.Second)
		if got := len(b.service.take()); got != 2 {
			t.Errorf("%d were sent at once, the burst is 2", got)
		}
		b.Reconcile(calm, time.Now()) // those that wait are told what is newest
		b.until(time.Hour)
		late := 0
		for _, n := range b.service.got {
			if strings.Contains(n.Note, "delivered late") {
				late++
			}
		}
		if late != 3 || len(b.service.got) != 7 {
			t.Errorf("%d notifications, %d late ones: %q", len(b.service.got), late, b.service.take())
		}
	}, func(o *delivery.Options) { o.Receivers[0].Rate, o.Receivers[0].Burst = 0.1, 2 })
}

// The times of retries are chance, spread over records and failures, and the same for the same seed.
func TestSameSeedSameRetries(t *testing.T) {
	attempts := func(seed uint64) (lines []string) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(o *delivery.Options) { o.Seed = seed })
			b.service.answer(busy, busy, busy, busy)
			b.reconcile(fire("A"))
			b.until(time.Hour)
			lines = b.service.take()
		})
		return lines
	}
	first := attempts(1)
	if diff := cmp.Diff(first, attempts(1)); diff != "" || len(first) != 5 {
		t.Errorf("%d attempts, want 5; the second time (-first +second):\n%s", len(first), diff)
	}
	if cmp.Equal(first, attempts(2)) {
		t.Error("another seed, the same times")
	}
}

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

func TestStorageRefuses(t *testing.T) {
	critical := severity("critical")
	story(t, func(b *bench) {
		b.store.Fail(1 << 30)
		a := fire("A", critical)
		other := group("fake.r", fire("B"))
		other.Key = "other"
		b.Reconcile([]alert.Group{group("fake.r", a), other}, time.Now())
		b.until(34 * time.Second)
		b.sent()
		b.until(2 * time.Minute)
		b.sent(
			"35s #1 first notification: A firing [delivery log unavailable, may repeat]",
			"45s #1 first notification: B firing [delivery log unavailable, may repeat]",
		)
		if since, err := b.Degraded(); err == nil || since.Sub(b.start) != 30*time.Second {
			t.Errorf("degraded since %s: %v", since, err)
		}
		// Closes wait for storage, and are not lost.
		b.Reconcile([]alert.Group{group("fake.r", resolve(a)), other}, time.Now())
		b.until(10 * time.Minute)
		b.sent()
		if got := b.settledNow(); got != nil {
			t.Errorf("settled %v", got)
		}
		b.store.Fail(0)
		b.until(11 * time.Minute)
		if diff := cmp.Diff([]string{"#1 all alerts resolved: A resolved"}, outcomes(b.service.take())); diff != "" {
			t.Error(diff)
		}
		if _, err := b.Degraded(); err != nil {
			t.Error(err)
		}
		if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
			t.Errorf("settled %v", got)
		}
	})
}

func TestStorageHangs(t *testing.T) {
	story(t, func(b *bench) {
		release := b.store.Block()
		b.reconcile(fire("A", severity("critical")))
		b.until(2 * time.Minute)
		b.sent("35s #1 first notification: A firing [delivery log unavailable, may repeat]")
		release()
		synctest.Wait()
		if n := b.durable(); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}

// TestSuccessor: a record is settled and another of the same group begins before the first was written.
func TestSuccessor(t *testing.T) {
	for range 20 { // the order in which records are written is random
		story(t, func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			release := b.store.Block()
			b.reconcile(resolve(a))
			b.reconcile()
			again := fire("A")
			again = changed(again, func(a *alert.Alert) { a.FiredAt = b.start.Add(30 * time.Second) })
			b.reconcile(again)
			release()
			synctest.Wait()
			b.crash()
			b.reconcile(again)
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing", "1m0s #1 first notification: A firing")
		}, func(o *delivery.Options) { o.Receivers[0].SendResolved = false })
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slow := func(ctx context.Context, n notifier.Notification) (notifier.Result, error) {
			select {
			case <-time.After(10 * time.Second):
				return ok(ctx, n)
			case <-ctx.Done():
				return notifier.Result{}, ctx.Err()
			}
		}
		b.service.answer(slow)
		a := fire("A")
		b.reconcile(a)
		b.until(31 * time.Second)
		b.stop() // waits for the answer
		if waited := time.Since(b.start); waited != 40*time.Second {
			t.Errorf("stopped after %s", waited)
		}
		b.open()
		b.reconcile(a)
		b.until(5 * time.Minute)
		b.sent("30s #1 first notification: A firing")

		b.service.answer(slow)
		b.reconcile(resolve(a))
		b.until(5*time.Minute + 41*time.Second)
		b.sent("5m40s #1 all alerts resolved: A resolved")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Stop(ctx); err != nil { // cuts it short
			t.Error(err)
		}
		b.open()
		b.reconcile(resolve(a))
		b.until(7 * time.Minute)
		b.sent("5m42s #2 all alerts resolved: A resolved (possible repeat)")
	})
}

func TestCrash(t *testing.T) {
	t.Run("with an open incident: nothing is sent again, and the close comes with the same key", func(t *testing.T) {
		story(t, func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.crash()
			b.reconcile(a)
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing")
			b.reconcile(resolve(a))
			b.sent("1h0m0s #1 all alerts resolved: A resolved")
			if got := b.service.got; got[0].DedupKey != got[1].DedupKey || got[1].Reference != "ref-"+got[0].ID[:4] {
				t.Errorf("%+v\n%+v", got[0], got[1])
			}
		})
	})
	t.Run("timers go on where they were", func(t *testing.T) {
		story(t, func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(20 * time.Second)
			b.crash()
			b.reconcile(a)
			b.until(time.Minute)
			b.crash()
			x := fire("B")
			b.reconcile(a, x)
			b.until(6 * time.Minute)
			b.crash()
			b.reconcile(a, x)
			b.until(5 * time.Hour)
			b.sent(
				"30s #1 first notification: A firing",
				"5m30s #1 new alerts added: A firing, B firing",
				"4h5m30s #1 repeat interval elapsed: A firing, B firing",
			)
		})
	})
	t.Run("in flight: sent again at once with the same id, marked", func(t *testing.T) {
		story(t, func(b *bench) {
			b.service.answer(hang)
			a := fire("A")
			b.reconcile(a)
			b.until(31 * time.Second)
			b.crash()
			b.until(40 * time.Second)
			b.sent("30s #1 first notification: A firing") // nobody knows yet what is wanted
			b.reconcile(a)
			b.sent("40s #2 first notification: A firing (possible repeat)")
			if got := b.service.got; got[0].ID != got[1].ID {
				t.Errorf("ids %s, %s", got[0].ID, got[1].ID)
			}
		})
	})
	t.Run("in flight and over by now: closed", func(t *testing.T) {
		story(t, func(b *bench) {
			b.service.answer(hang)
			a := fire("A")
			b.reconcile(a)
			b.until(31 * time.Second)
			b.crash()
			b.reconcile(resolve(a))
			b.sent(
				"30s #1 first notification: A firing",
				"31s #1 all alerts resolved: A resolved (possible repeat) [fired 00:00 UTC, resolved 00:00 UTC (delivered late)]",
			)
		})
	})
	t.Run("in flight and the rule removed by now: closed", func(t *testing.T) {
		story(t, func(b *bench) {
			b.service.answer(hang)
			b.reconcile(fire("A"))
			b.until(31 * time.Second)
			b.crash()
			b.reconcile()
			b.sent("30s #1 first notification: A firing", "31s #1 all alerts resolved: A resolved (possible repeat) [rule removed]")
			n := b.service.got[1].Alerts[0]
			want := notifier.Alert{
				Fingerprint: "0000000000000041", Status: "resolved", Rule: "A", Labels: map[string]string{"alertname": "A"},
				Annotations: map[string]string{"summary": "it is bad"}, StartsAt: b.start, EndsAt: b.start.Add(31 * time.Second), Change: notifier.Ended,
			}
			if diff := cmp.Diff(want, n); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("waiting for a receiver that is down, and over by now: told late", func(t *testing.T) {
		story(t, func(b *bench) {
			b.service.answer(tooMany(10 * time.Minute))
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.crash()
			b.reconcile(resolve(a))
			b.until(time.Hour)
			b.sent(
				"30s #1 first notification: A firing",
				"10m30s #1 all alerts resolved: A resolved [fired 00:00 UTC, resolved 00:01 UTC (delivered late)]",
			)
		})
	})
	t.Run("after a close that was accepted: nothing", func(t *testing.T) {
		story(t, func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(resolve(a))
			b.until(10 * time.Minute)
			b.service.take()
			b.settledNow()
			b.crash()
			b.reconcile(resolve(a)) // it was not forgotten yet
			b.until(time.Hour)
			b.sent()
			if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
				t.Errorf("settled %v", got)
			}
		})
	})
}

func TestReceiverRemoved(t *testing.T) {
	story(t, func(b *bench) {
		a := fire("A")
		b.reconcile(a)
		b.until(time.Minute)
		b.kill()
		receivers := b.options.Receivers
		b.options.Receivers = nil
		b.open()
		b.reconcile()
		b.until(time.Hour)
		if got := b.Records(); len(got) != 1 || got[0].State != delivery.Orphaned || got[0].Error == "" {
			t.Errorf("records %+v", got)
		}
		b.kill()
		b.options.Receivers = receivers
		b.open()
		b.reconcile()
		b.until(2 * time.Hour)
		b.sent("30s #1 first notification: A firing", "1h0m0s #1 all alerts resolved: A resolved [rule removed]")
	})
}

func TestDamagedRecord(t *testing.T) {
	story(t, func(b *bench) {
		b.kill()
		if err := b.store.Commit(map[string][]byte{
			"delivery/record/" + strings.Repeat("0", 64): []byte(`{"receiver":"fake.r","group":"{}:{}"}`),
			"delivery/record/x":                          []byte(`{"recei`),
		}); err != nil {
			t.Fatal(err)
		}
		b.open()
		b.reconcile(fire("A"))
		b.until(time.Minute)
		b.sent("30s #1 first notification: A firing")
		aside := 0
		if err := b.store.Load("delivery-damaged/", func(string, []byte) error { aside++; return nil }); err != nil || aside != 2 {
			t.Errorf("%d damaged records are kept: %v", aside, err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, receivers := range map[string][]delivery.Receiver{
		"no sender":    {{Name: "r", Ref: "fake.r"}},
		"no reference": {{Name: "r", Sender: &service{}}},
		"twice":        {{Name: "r", Ref: "fake.r", Sender: &service{}}, {Name: "r", Ref: "fake.r", Sender: &service{}}},
	} {
		if _, err := delivery.New(delivery.Options{State: nil, Receivers: receivers}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

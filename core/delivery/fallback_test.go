package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
)

// fallbackBench has a receiver sms that stands in for fake.r after two minutes.
type fallbackBench struct {
	*bench
	sms *service
}

func withFallback(t *testing.T, f func(b *fallbackBench)) {
	t.Helper()
	sms := &service{}
	story(t, func(b *bench) {
		sms.start = b.start
		f(&fallbackBench{b, sms})
	}, func(o *delivery.Options) {
		o.Receivers = append(o.Receivers, delivery.Receiver{Name: "sms", Ref: "fake.sms", Sender: sms, SendResolved: true})
	})
}

// want says what should be known, in one group that has the fallback.
func (b *fallbackBench) want(members ...alert.Member) {
	b.Helper()
	if len(members) == 0 {
		b.Reconcile(nil, time.Now())
	} else {
		g := group("fake.r", members...)
		g.Fallback = &alert.Fallback{After: 2 * time.Minute, To: []string{"fake.sms"}}
		b.Reconcile([]alert.Group{g}, time.Now())
	}
	synctest.Wait()
}

func (b *fallbackBench) sentBySMS(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.sms.take()); diff != "" {
		b.Errorf("the fallback was sent (-want +got):\n%s", diff)
	}
}

func down(n int) []answer {
	all := make([]answer, n)
	for i := range all {
		all[i] = busy
	}
	return all
}

func TestFallback(t *testing.T) {
	t.Run("not while deliveries succeed", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			a := fire("A")
			b.want(a)
			b.until(time.Hour)
			b.want(resolve(a))
			b.until(2 * time.Hour)
			b.sentBySMS()
		})
	})
	t.Run("after that time, and then to the end", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(down(9)...) // about five minutes
			a := fire("A")
			b.want(a)
			b.until(2*time.Minute + 29*time.Second)
			b.sentBySMS()
			b.until(time.Hour)
			b.sentBySMS("2m30s #1 first notification: A firing [fallback: fake.r has not accepted this by 00:02 UTC: 500 busy]")
			b.service.take()
			b.want(resolve(a))
			b.until(2 * time.Hour)
			b.sent("1h0m0s #1 all alerts resolved: A resolved")
			b.sentBySMS("1h0m0s #1 all alerts resolved: A resolved")
			if n := b.durable(); n != 0 {
				b.Errorf("%d records are left", n)
			}
			b.journal("fallback: fake.r has not accepted this by 00:02 UTC: 500 busy")
		})
	})
	t.Run("at once when it is rejected for ever", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(reject)
			b.want(fire("A"))
			b.until(time.Minute)
			b.sentBySMS("30s #1 first notification: A firing [fallback: fake.r rejected this: 400 bad key]")
		})
	})
	t.Run("while an attempt hangs", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(hang, hang, hang, hang, hang, hang, hang, hang, hang, hang)
			b.want(fire("A"))
			b.until(3 * time.Minute)
			if got := outcomes(b.sms.take()); len(got) != 1 {
				b.Errorf("the fallback was sent %q", got)
			}
		})
	})
	t.Run("not what is withheld by then", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(down(20)...)
			a := fire("A")
			b.want(a)
			b.until(time.Minute)
			b.want(held(a))
			b.until(time.Hour)
			b.sentBySMS()
		})
	})
	t.Run("over by then: there is nobody to wake", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(down(20)...)
			a := fire("A")
			b.want(a)
			b.until(time.Minute)
			b.want(resolve(a))
			b.until(time.Hour)
			b.sentBySMS()
		})
	})
	t.Run("through a crash", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(down(100)...)
			a := fire("A")
			b.want(a)
			b.until(3 * time.Minute)
			b.sentBySMS("2m30s #1 first notification: A firing [fallback: fake.r has not accepted this by 00:02 UTC: 500 busy]")
			b.crash()
			b.want(a)
			b.until(10 * time.Minute)
			b.sentBySMS()
			b.crash()
			b.service.answer()
			b.want(resolve(a))
			b.until(20 * time.Minute)
			b.sentBySMS("10m0s #1 all alerts resolved: A resolved")
		})
	})
	t.Run("what is not wanted any more is closed there, too", func(t *testing.T) {
		withFallback(t, func(b *fallbackBench) {
			b.service.answer(reject)
			b.want(fire("A"))
			b.until(time.Minute)
			b.sms.take()
			b.want()
			b.until(2 * time.Minute)
			b.sentBySMS("1m0s #1 all alerts resolved: A resolved [rule removed]")
		})
	})
}

// Two receivers of one route that fail are one reason for the fallback, not two.
func TestFallbackOfTwo(t *testing.T) {
	other := &service{}
	sms := &service{}
	story(t, func(b *bench) {
		other.start, sms.start = b.start, b.start
		b.service.answer(reject)
		other.answer(reject)
		var groups []alert.Group
		for _, receiver := range []string{"fake.r", "fake.other"} {
			g := group(receiver, fire("A"))
			g.Fallback = &alert.Fallback{After: time.Minute, To: []string{"fake.sms", "fake.r"}}
			groups = append(groups, g)
		}
		b.Reconcile(groups, time.Now())
		b.until(time.Hour)
		if got := len(sms.take()); got != 1 {
			b.Errorf("the fallback was told %d times", got)
		}
		b.sentInAnyOrder("30s #1 first notification: A firing", "30s #1 first notification: A firing [fallback: fake.other rejected this: 400 bad key]")
	}, func(o *delivery.Options) {
		o.Receivers = append(o.Receivers,
			delivery.Receiver{Name: "other", Ref: "fake.other", Sender: other, SendResolved: true},
			delivery.Receiver{Name: "sms", Ref: "fake.sms", Sender: sms, SendResolved: true})
	})
}

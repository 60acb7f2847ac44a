package delivery_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func severity(value string) frame.Label { return frame.Label{Name: "severity", Value: value} }

// TestTimers tells stories of one group: what changes when, and what the receiver is sent when.
func TestTimers(t *testing.T) {
	for name, story := range map[string]func(b *bench){
		"opened after group_wait, closed after group_interval, then forgotten": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(29 * time.Second)
			b.sent()
			b.until(30 * time.Second)
			b.sent("30s #1 first notification: A firing")
			b.until(40 * time.Second)
			b.reconcile(resolve(a))
			b.until(time.Hour)
			b.sent("5m30s #1 all alerts resolved: A resolved")
			if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
				b.Errorf("settled %v", got)
			}
			if n := b.durable(); n != 0 {
				b.Errorf("%d records are left", n)
			}
			b.reconcile()
			if got := b.Records(); len(got) != 0 {
				b.Errorf("records: %+v", got)
			}
			b.sent()
			b.journal("grouped A: group_wait until", "intent : first notification, 1 opened", "accepted A: accepted")
		},
		"group_wait counts from the first that fires, all that fire meanwhile come along": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(20 * time.Second)
			b.reconcile(a, fire("B"))
			b.until(time.Minute)
			b.sent("30s #1 first notification: A firing, B firing")
		},
		"a change waits for group_interval since the last send, and no longer": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			x := fire("B")
			b.reconcile(a, x)
			b.until(10 * time.Minute)
			b.reconcile(a, x, fire("C"))
			b.reconcile(a, resolve(x), fire("C"))
			b.until(time.Hour)
			b.sent(
				"30s #1 first notification: A firing",
				"5m30s #1 new alerts added: A firing, B firing",
				"10m30s #1 new alerts added: A firing, C firing, B resolved",
			)
			b.reconcile(resolve(a), fire("C"))
			b.sent("1h0m0s #1 some alerts resolved: C firing, A resolved")
		},
		"repeat_interval counts from the last accepted send, while something fires": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(a, fire("B"))
			b.until(9 * time.Hour)
			b.sent(
				"30s #1 first notification: A firing",
				"5m30s #1 new alerts added: A firing, B firing",
				"4h5m30s #1 repeat interval elapsed: A firing, B firing",
				"8h5m30s #1 repeat interval elapsed: A firing, B firing",
			)
		},
		"what resolves within group_wait is told to nobody": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(10 * time.Second)
			b.reconcile(resolve(a))
			b.until(time.Hour)
			b.sent()
			if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
				b.Errorf("settled %v", got)
			}
			b.journal("grouped A: resolved before group_wait ended")
		},
		"what resolves within group_wait is left out of what others are told": func(b *bench) {
			a := fire("A")
			b.reconcile(a, fire("B"))
			b.until(10 * time.Second)
			b.reconcile(resolve(a), fire("B"))
			b.until(time.Hour)
			b.sent("40s #1 first notification: B firing")
		},
		"an alert that had waited long enough elsewhere is sent at once": func(b *bench) {
			b.until(time.Minute)
			a := fire("A")
			a = changed(a, func(a *alert.Alert) { a.FiredAt = b.start })
			b.reconcile(a)
			b.sent("1m0s #1 first notification: A firing")
		},
		"a rise of severity does not wait, a fall does": func(b *bench) {
			a := fire("A", severity("warning"))
			b.reconcile(a)
			b.until(time.Minute)
			a = changed(a, func(a *alert.Alert) { a.Labels = a.Labels.With(severity("critical")) })
			b.reconcile(a)
			b.sent("30s #1 first notification: A firing", "1m0s #1 alert labels changed: A firing")
			b.until(2 * time.Minute)
			a = changed(a, func(a *alert.Alert) { a.Labels = a.Labels.With(severity("info")) })
			b.reconcile(a)
			b.until(time.Hour)
			b.sent("6m0s #1 alert labels changed: A firing")
		},
		"a new value or text is no reason to send": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.sent("30s #1 first notification: A firing")
			a = changed(a, func(a *alert.Alert) {
				a.Value, a.Revision, a.Annotations = 7, 9, map[string]string{"summary": "worse"}
			})
			b.reconcile(a)
			b.until(time.Hour)
			b.sent()
		},
		"a flap within group_interval is not told": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(resolve(a))
			b.until(2 * time.Minute)
			b.reconcile(fire("A"))
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing")
		},
		"after a close the next open is a new incident with its own group_wait": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(resolve(a))
			b.until(6 * time.Minute)
			b.reconcile(fire("A"))
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing", "5m30s #1 all alerts resolved: A resolved", "6m30s #1 first notification: A firing")
			got := b.service.got
			if got[0].Reference != "" || got[1].Reference == "" || got[2].Reference != "" {
				b.Errorf("references %q, %q, %q", got[0].Reference, got[1].Reference, got[2].Reference)
			}
			if got[0].ID == got[2].ID || got[0].DedupKey != got[2].DedupKey || len(got[0].DedupKey) != 64 {
				b.Errorf("ids %s %s, keys %s %s", got[0].ID, got[2].ID, got[0].DedupKey, got[2].DedupKey)
			}
		},
		"held alerts are not opened; when nothing holds them any more they are, at once": func(b *bench) {
			a := fire("A")
			b.reconcile(held(a))
			b.until(time.Hour)
			b.sent()
			b.reconcile(a)
			b.sent("1h0m0s #1 first notification: A firing [no longer silenced by s1]")
			b.journal("withheld A: silenced by s1", "lifted A: no longer silenced by s1")
		},
		"held after it was opened: no repeat, and the close is sent": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			b.reconcile(held(a))
			b.until(10 * time.Hour)
			b.reconcile(held(resolve(a)))
			b.until(20 * time.Hour)
			b.sent("30s #1 first notification: A firing", "10h0m0s #1 all alerts resolved: A resolved")
			b.journal("withheld A: silenced by s1; what is open stays open, its end will be told")
		},
		"fired and resolved while held: told to nobody": func(b *bench) {
			a := fire("A")
			b.reconcile(held(a))
			b.until(time.Hour)
			b.reconcile(held(resolve(a)))
			b.until(2 * time.Hour)
			b.sent()
			if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
				b.Errorf("settled %v", got)
			}
		},
		"rule removed": func(b *bench) {
			b.reconcile(fire("A"))
			b.until(time.Minute)
			b.reconcile()
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing", "1m0s #1 all alerts resolved: A resolved [rule removed]")
			if n := b.durable(); n != 0 || len(b.Records()) != 0 {
				b.Errorf("%d records are left, %+v", n, b.Records())
			}
		},
		"one of two rules removed": func(b *bench) {
			a := fire("A")
			b.reconcile(a, fire("B"))
			b.until(time.Minute)
			b.reconcile(a)
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing, B firing", "5m30s #1 some alerts resolved: A firing, B resolved [rule removed]")
		},
		"routed elsewhere": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			other := group("fake.r", a)
			other.Key = "{}/{x=\"y\"}:{}"
			b.Reconcile([]alert.Group{other}, time.Now())
			b.until(time.Hour)
			b.sent(
				"30s #1 first notification: A firing",
				"1m0s #1 first notification: A firing",
				"1m0s #1 all alerts resolved: A resolved [no longer routed here]",
			)
		},
		"routed elsewhere, said as a difference": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			other, before := group("fake.r", a), group("fake.r")
			other.Key = "{}/{x=\"y\"}:{}"
			b.Update([]alert.Group{before, other}, time.Now())
			b.until(time.Hour)
			b.sentInAnyOrder(
				"30s #1 first notification: A firing",
				"1m0s #1 first notification: A firing",
				"1m0s #1 all alerts resolved: A resolved [no longer routed here]",
			)
			other.Members = nil
			b.Update([]alert.Group{before, other}, time.Now())
			b.until(2 * time.Hour)
			b.sent("1h0m0s #1 all alerts resolved: A resolved [rule removed]")
			if n := b.durable(); n != 0 || len(b.Records()) != 0 {
				b.Errorf("%d records are left, %+v", n, b.Records())
			}
		},
		"removed before it was due: told to nobody": func(b *bench) {
			b.reconcile(fire("A"))
			b.until(10 * time.Second)
			b.reconcile()
			b.until(time.Hour)
			b.sent()
			if len(b.Records()) != 0 {
				b.Errorf("records: %+v", b.Records())
			}
		},
		"an unknown alert goes on firing": func(b *bench) {
			a := fire("A")
			b.reconcile(a)
			b.until(time.Minute)
			a = changed(a, func(a *alert.Alert) { a.Unknown = true })
			b.reconcile(a)
			b.until(time.Hour)
			b.sent("30s #1 first notification: A firing")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				if name == "routed elsewhere" {
					b.stop()
					b.service.start = b.start
					b.options.Receivers[0].Workers = 1 // so that the order is certain
					b.open()
				}
				story(b)
			})
		})
	}
}

func TestSendResolvedFalse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(o *delivery.Options) { o.Receivers[0].SendResolved = false })
		a, x := fire("A"), fire("B")
		b.reconcile(a, x)
		b.until(time.Minute)
		b.reconcile(resolve(a), x)
		b.until(10 * time.Minute)
		if got := b.settledNow(); !cmp.Equal(got, []alert.Fingerprint{'A'}) {
			t.Errorf("settled %v", got)
		}
		b.reconcile(resolve(x))
		b.until(time.Hour)
		b.sent("30s #1 first notification: A firing, B firing")
		if n := b.durable(); n != 0 {
			t.Errorf("%d records are left", n)
		}
		b.service.answer(busy)
		c := fire("C")
		b.reconcile(c)
		b.until(time.Hour + 30500*time.Millisecond)
		b.sent("1h0m30s #1 first notification: C firing")
		b.reconcile(resolve(c))
		b.until(2 * time.Hour)
		b.sent()
		if n := b.durable(); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

func TestStopBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		l, err := delivery.New(b.options)
		if err != nil {
			t.Fatal(err)
		}
		l.Reconcile([]alert.Group{group("fake.r", fire("A"))}, time.Now())
		if err := l.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

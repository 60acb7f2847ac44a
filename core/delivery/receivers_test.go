package delivery_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/core/alert"
	"github.com/tocsinhq/tocsin/core/delivery"
)

// configure gives the ledger these receivers.
func (b *bench) configure(receivers ...delivery.Receiver) {
	b.Helper()
	if err := b.Configure(receivers, ""); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

// retirees are the receivers that are gone for good.
type retirees struct {
	mu   sync.Mutex
	refs []string
}

func (r *retirees) note(o *delivery.Options) {
	o.Retired = func(ref string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refs = append(r.refs, ref)
	}
}

func (r *retirees) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.refs)
}

func TestUnchangedReceiverGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		a := fire("A")
		b.reconcile(a)
		b.until(20 * time.Second)
		b.configure(b.options.Receivers...) // group_wait is not begun again
		b.until(29 * time.Second)
		b.sent()
		b.until(31 * time.Second)
		b.sent("30s #1 first notification: A firing")
		b.configure(b.options.Receivers...)
		b.reconcile(a)
		b.until(time.Hour)
		b.sent()
	})
}

func TestChangedReceiverIsUsedFromTheNextAttemptOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.service.answer(hang)
		b.reconcile(fire("A"))
		b.until(40 * time.Second) // the first attempt is under way
		next := &service{start: b.start}
		b.configure(delivery.Receiver{Name: "r", Ref: "fake.r", Sender: next, SendResolved: true})
		b.until(2 * time.Minute)
		b.sent("30s #1 first notification: A firing")
		if got := next.take(); len(got) != 1 || got[0][len(got[0])-len("(possible repeat)"):] != "(possible repeat)" {
			t.Errorf("the new sender was given %q, want the second attempt as a possible repeat", got)
		}
	})
}

func TestReceiverThatIsGoneHearsTheEndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone retirees
		b := newBench(t, gone.note)
		a := fire("A")
		b.reconcile(a)
		b.until(31 * time.Second)
		b.sent("30s #1 first notification: A firing")

		b.service.answer(busy)
		other := &service{start: b.start}
		b.configure(delivery.Receiver{Name: "o", Ref: "fake.o", Sender: other, SendResolved: true})
		b.Reconcile([]alert.Group{group("fake.o", a)}, time.Now())
		b.until(31*time.Second + 500*time.Millisecond)
		if len(gone.all()) != 0 {
			t.Errorf("retired %q before the close was accepted", gone.all())
		}
		b.until(time.Minute)
		lines := b.service.take()
		if len(lines) != 2 || lines[0] != "31s #1 all alerts resolved: A resolved [no longer routed here]" {
			t.Errorf("the receiver that is gone was sent %q, want the end, and once more after it was busy", lines)
		}
		if diff := cmp.Diff([]string{"fake.r"}, gone.all()); diff != "" {
			t.Errorf("retired (-want +got):\n%s", diff)
		}
		if got := other.take(); len(got) != 1 {
			t.Errorf("the new receiver was sent %q, want the opening", got)
		}
	})
}

func TestReceiverThatIsGoneWithNothingOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone retirees
		b := newBench(t, gone.note)
		b.reconcile(fire("A")) // waits for group_wait: nobody was told
		b.configure()
		b.reconcile()
		b.until(time.Minute)
		b.sent()
		if diff := cmp.Diff([]string{"fake.r"}, gone.all()); diff != "" {
			t.Errorf("retired (-want +got):\n%s", diff)
		}
	})
}

func TestReceiverThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone retirees
		b := newBench(t, gone.note)
		a := fire("A")
		b.reconcile(a)
		b.until(31 * time.Second)
		b.sent("30s #1 first notification: A firing")
		receivers := b.options.Receivers
		b.stop()
		b.options.Receivers = nil // a start without it: the incident stays open there
		b.open()
		b.reconcile()
		b.until(time.Hour)
		b.sent()
		b.configure(receivers...)
		b.until(2 * time.Hour)
		lines := b.service.take()
		if len(lines) != 1 || lines[0] != "1h0m0s #1 all alerts resolved: A resolved [rule removed]" {
			t.Errorf("sent %q, want the end as soon as the receiver is back", lines)
		}
		if len(gone.all()) != 0 {
			t.Errorf("retired %q", gone.all())
		}
	})
}

func TestConfigureRefusesWhatCannotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.options.Receivers[0]
		for _, receivers := range [][]delivery.Receiver{{r, r}, {{Ref: "fake.x"}}, {{Sender: b.service}}} {
			if err := b.Configure(receivers, ""); err == nil {
				t.Errorf("%+v were accepted", receivers)
			}
		}
		b.reconcile(fire("A"))
		b.until(time.Minute)
		b.sent("30s #1 first notification: A firing")
	})
}

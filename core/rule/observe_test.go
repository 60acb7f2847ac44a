package rule

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/core/alert"
)

// Every evaluation is told once, and with it the times before it that the rule was due in vain.
func TestEvaluationsAreObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := alert.OpenStore(newDisk())
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var got []Observation
		b := &bench{t: t, store: store, Manager: New(Options{Alerts: store, Workers: 1, OnEvaluate: func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, o)
		}})}
		broken := errors.New("broken")
		p := says(Evaluation{Complete: true, Empty: true, Fuel: 7})
		if err := b.Start([]Definition{define("HighErrors", p)}); err != nil {
			t.Fatal(err)
		}
		defer b.stop()
		b.rounds(1, interval, "http.gateway")
		if s := b.Status()[0]; s.Matched || s.Interval != interval {
			t.Errorf("status %+v, want that nothing matched, every %s", s, interval)
		}
		p.fail(broken)
		b.rounds(3, 300*time.Millisecond, "http.gateway") // after the third it rests for a second
		p.say(complete())
		b.rounds(5, 300*time.Millisecond, "http.gateway")
		if s := b.Status()[0]; !s.Matched {
			t.Errorf("status %+v, want that everything matched once", s)
		}

		mu.Lock()
		defer mu.Unlock()
		want := []Observation{
			{Rule: "HighErrors", Fuel: 7},
			{Rule: "HighErrors", Err: broken},
			{Rule: "HighErrors", Err: broken},
			{Rule: "HighErrors", Err: broken},
			{Rule: "HighErrors", Skipped: 3},
			{Rule: "HighErrors"},
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("observations (-want +got):\n%s", diff)
		}
	})
}

package delivery

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tocsinhq/tocsin/sdk/frame"
)

var ignoreUnexported = cmpopts.IgnoreUnexported(record{}, Instance{})

// sample is a record in which every field that is stored has a value, some of them awkward.
func sample() *record {
	at := time.Date(2026, 11, 2, 10, 0, 0, 123456789, time.UTC)
	return &record{
		Receiver: "pagerduty.oncall", Group: "{}/{a=\"b\"}:{c=\"\\d\n\u2028\"}", Labels: frame.NewLabels(frame.Label{Name: "c", Value: "\\d\n\u2028"}),
		Instances: []Instance{
			{Fingerprint: 1, Status: Due, Lifted: "silenced by s1"},
			{
				Fingerprint: math.MaxUint64, Status: Open, Revision: 7, ToldAt: at, Rule: "R", Labels: frame.NewLabels(frame.Label{Name: "päy", Value: `"<&>`}),
				Annotations: map[string]string{"": "empty", "summary": "\x00\t", "b": ""}, StartsAt: at, Value: -1e300, Gone: "rule removed", GoneAt: at,
			},
		},
		AcceptedAt: at, Accepted: 3, Reference: "ts", Attempt: &Attempt{ID: "id", Hash: "h", Number: 2, Since: at, Answered: true},
		Unknown: true, Failures: 4, NextAt: at, Error: "500", Dead: "hash",
	}
}

func TestEncode(t *testing.T) {
	want := sample()
	got, err := decodeRecord(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, ignoreUnexported); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeOddNumbers(t *testing.T) {
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		rec := sample()
		rec.Instances[1].Value = value
		got, err := decodeRecord(rec.encode())
		if err != nil || got.Instances[1].Value != 0 {
			t.Errorf("%v: %+v, %v", value, got, err)
		}
	}
}

func TestSettledIsNotStored(t *testing.T) {
	rec := sample()
	rec.Instances = []Instance{{Fingerprint: 1, Status: Closed}}
	if got := rec.encode(); got != nil {
		t.Errorf("stored %s", got)
	}
}

// fourDigits compares times as they are stored: of years with more digits nothing is kept.
var fourDigits = cmp.Comparer(func(a, b time.Time) bool {
	return a.Equal(b) || b.IsZero() && (a.UTC().Year() > 9999 || a.UTC().Year() < 0)
})

func FuzzDecodeRecord(f *testing.F) {
	f.Add(sample().encode())
	f.Add([]byte(`{"receiver":"r","group":"g","instances":[{"fingerprint":2,"status":"open"},{"fingerprint":1,"status":"open"}]}`))
	f.Add([]byte(`{"receiver":"r","group":"g","instances":[{"fingerprint":1,"status":"?"}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec, err := decodeRecord(value)
		if err != nil || !rec.unsettled() {
			return
		}
		again, err := decodeRecord(rec.encode())
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if diff := cmp.Diff(rec, again, ignoreUnexported, cmpopts.EquateEmpty(), fourDigits); diff != "" {
			t.Fatal(diff)
		}
	})
}

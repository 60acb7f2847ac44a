package jsonobject_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tocsinhq/tocsin/core/jsonobject"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

// all is an object with a member of every kind.
type all struct {
	S string
	U uint64
	I int64
	F float64
	B bool
	T time.Time
	L frame.Labels
	M map[string]string
}

func (a *all) write() []byte {
	o := jsonobject.Begin(nil)
	o.String("S", a.S)
	o.Uint("U", a.U)
	o.Int("I", a.I)
	o.Float("F", a.F)
	o.Bool("B", a.B)
	o.Time("T", a.T)
	o.Labels("L", a.L)
	o.Map("M", a.M)
	return o.End()
}

// TestReadsAsWritten: encoding/json reads back what was written.
func TestReadsAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "plain", "\"\\\x00\n\t<&>\u2028é"}))
		want := all{
			S: text.Draw(t, "S"), U: rapid.Uint64().Draw(t, "U"), I: rapid.Int64().Draw(t, "I"), F: rapid.Float64().Draw(t, "F"),
			B: rapid.Bool().Draw(t, "B"), T: time.Unix(rapid.Int64Range(-1<<35, 1<<37).Draw(t, "T"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")),
			L: frame.FromMap(rapid.MapOf(text, text).Draw(t, "L")), M: rapid.MapOf(text, text).Draw(t, "M"),
		}
		var got all
		if err := json.Unmarshal(want.write(), &got); err != nil {
			t.Fatalf("%v: %s", err, want.write())
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: %s", want.write(), diff)
		}
	})
}

func TestWhatIsLeftOut(t *testing.T) {
	for name, a := range map[string]all{
		"nothing":                   {},
		"not a number":              {F: math.NaN()},
		"infinite":                  {F: math.Inf(-1)},
		"no year of four digits":    {T: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"before the beginning":      {T: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
		"that only in another zone": {T: time.Date(9999, 12, 31, 23, 30, 0, 0, time.FixedZone("", -3600))},
	} {
		if got := string(a.write()); got != "{}" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOrder(t *testing.T) {
	a := all{S: "x", B: true, L: frame.FromMap(map[string]string{"b": "2", "a": "1"}), M: map[string]string{"d": "", "c": "<3"}}
	if got, want := string(a.write()), `{"S":"x","B":true,"L":{"a":"1","b":"2"},"M":{"c":"<3","d":""}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Package ruletest runs a rule natively over series that a test writes down in Prometheus' notation:
//
//	test := ruletest.New(t, new(Hot), ruletest.Options{
//		Params: map[string]any{"above": 80},
//		Inputs: map[string]ruletest.Input{"sensors": {Series: `
//			temperature{room="a"}  70+5x10
//			temperature{room="b"}  20 20 _ 21 stale
//		`}},
//	})
//	got := test.At(2 * time.Minute) // []string{`active {room="a"} 110`, …}
//
// Parameters, series, windows and results pass through the same blocks as between the engine and a guest.
package ruletest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Options is what a rule is tested with.
type Options struct {
	Params   map[string]any // as in a params block; durations are strings
	Interval time.Duration  // between two samples: 15 seconds
	Inputs   map[string]Input
}

// Input is what one input of the rule reads.
type Input struct {
	Series string        // one a line: name{label="value"} and samples, the first at time 0
	Window time.Duration // as the manifest says, else 5 minutes
	Reduce string        // as the manifest says
	Down   rule.Matcher  // the targets of these series never answer
}

// Start is time 0 of the series.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Test is a rule with its series.
type Test struct {
	t       testing.TB
	rule    reflect.Type // the struct
	params  []byte
	session *rule.Session
	decoder *abi.ResultDecoder
	windows *Windows
}

// New configures the rule. Whatever is wrong with the rule, its parameters or the notation fails the test.
func New(t testing.TB, r rule.Rule, o Options) *Test {
	t.Helper()
	manifest, err := rule.Manifest(r)
	if err != nil {
		t.Fatal(err)
	}
	params, err := encode(manifest, o.Params)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := NewWindows(manifest, o)
	if err != nil {
		t.Fatal(err)
	}
	x := &Test{t: t, rule: reflect.TypeOf(r).Elem(), params: params, decoder: abi.NewResultDecoder(abi.ResultLimits{}), windows: windows}
	x.start(r, nil)
	return x
}

// start configures the rule, restores it if there is a state, and names the series.
func (x *Test) start(r rule.Rule, state []byte) {
	x.t.Helper()
	var err error
	if x.session, err = rule.NewSession(r, x.params); err != nil {
		x.t.Fatal(err)
	}
	if len(state) > 0 {
		if err := x.session.Restore(state); err != nil {
			x.t.Fatalf("restore: %v", err)
		}
	}
	x.windows.restart(len(state) == 0)
	block, err := abi.EncodeDictionary(x.windows.Dictionary(), nil)
	if err == nil {
		err = x.session.Series(block)
	}
	if err != nil {
		x.t.Fatal(err)
	}
}

// Restart does what a planned restart of the engine does: the rule goes on in a new struct, with what its snapshot keeps.
// A rule that is not [rule.Stateful] starts afresh.
func (x *Test) Restart() {
	x.t.Helper()
	state, err := x.session.Snapshot()
	if err != nil {
		x.t.Fatalf("snapshot: %v", err)
	}
	state = bytes.Clone(state)
	if again, err := x.session.Snapshot(); err != nil || !bytes.Equal(again, state) {
		x.t.Fatalf("two snapshots of the same state differ (error %v): the engine would write each of them", err)
	}
	x.start(reflect.New(x.rule).Interface().(rule.Rule), state)
}

// Forget makes the rule start afresh, as after a failure before there was a snapshot.
func (x *Test) Forget() {
	x.t.Helper()
	x.start(reflect.New(x.rule).Interface().(rule.Rule), nil)
}

// ConfigError returns the error that configuring the rule with these parameters yields, nil for none.
func ConfigError(r rule.Rule, params map[string]any) error {
	manifest, err := rule.Manifest(r)
	if err != nil {
		return err
	}
	block, err := encode(manifest, params)
	if err != nil {
		return err
	}
	_, err = rule.NewSession(r, block)
	return err
}

func encode(manifest abi.Manifest, params map[string]any) ([]byte, error) {
	values, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	return abi.EncodeParams(manifest.Params, values)
}

// At evaluates the rule so long after [Start] and returns its verdicts, one a line, in the order of the rule:
//
//	active {endpoint="/api"} 0.25
//
// A rule that gives no verdict yields the one line "no verdict".
func (x *Test) At(offset time.Duration) []string {
	x.t.Helper()
	verdicts, ok := x.Verdicts(offset)
	if !ok {
		return []string{"no verdict"}
	}
	return Lines(verdicts)
}

// Verdicts evaluates the rule so long after [Start]; it is false when the rule gives no verdict.
func (x *Test) Verdicts(offset time.Duration) ([]abi.Verdict, bool) {
	x.t.Helper()
	w, err := x.windows.At(offset)
	if err != nil {
		x.t.Fatal(err)
	}
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	status, err := x.session.Eval(block)
	if err != nil {
		x.t.Fatalf("evaluate at %v: %s: %v", offset, status, err)
	}
	if status == abi.NoVerdict {
		return nil, false
	}
	verdicts, err := x.decoder.Decode(x.session.Result(), x.windows.Dictionary(), nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return verdicts, true
}

// Allocs is how often an evaluation of the window at that time allocates memory, once it was evaluated before: 0 for a
// rule that keeps what it needs.
func (x *Test) Allocs(offset time.Duration) float64 {
	x.t.Helper()
	w, err := x.windows.At(offset)
	if err != nil {
		x.t.Fatal(err)
	}
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	return testing.AllocsPerRun(20, func() {
		if _, err := x.session.Eval(block); err != nil {
			x.t.Fatal(err)
		}
		x.session.Result()
	})
}

// Session is the rule as a guest runs it, for tests that hand it blocks of their own.
func (x *Test) Session() *rule.Session { return x.session }

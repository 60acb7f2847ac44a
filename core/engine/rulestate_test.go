package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tocsinhq/tocsin/core/state"
	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// sticky is a rule that is active from above 90 until 80 is reached.
func sticky(name string) string {
	return fmt.Sprintf(`
rule %q {
  module = "threshold"
  input "series" {
    select = "x"
    window = "1m"
  }
  params {
    value = 90
    clear = 80
  }
}
`, name)
}

// alive writes the alerts that are not over down: name, state, and whether the rule could not tell.
func (b *bubble) alive() []string {
	got := []string{}
	for _, a := range b.engine.Alerts() {
		line := a.Labels.Get("alertname") + " " + a.Labels.Get("id") + " " + a.State.String()
		if a.Unknown {
			line += " unknown"
		}
		got = append(got, line)
	}
	return got
}

func (b *bubble) wantAlive(when string, want ...string) {
	b.Helper()
	if diff := cmp.Diff(append([]string{}, want...), b.alive()); diff != "" {
		b.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// crash ends the engine as if the process were killed now, and starts another on what was durable.
func (b *bubble) crash(configuration string) {
	b.Helper()
	b.state = b.state.Crash()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = b.engine.Stop(ctx) // it cannot write any more
	b.run(configuration)
}

func (b *bubble) rulesKept() []string {
	var kept []string
	err := b.state.Load(ruleStatePrefix, func(key string, _ []byte) error {
		kept = append(kept, strings.TrimPrefix(key, ruleStatePrefix))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return kept
}

// Hysteresis in a real guest: what it knows outlives engines, however they end.
func TestHysteresisOutlivesTheEngine(t *testing.T) {
	for name, again := range map[string]func(*bubble, string){"a restart": (*bubble).restart, "a crash": (*bubble).crash} {
		t.Run(name, func(t *testing.T) {
			configuration := preamble + plain + sticky("Hot")
			inBubble(t, configuration, func(b *bubble) {
				b.page("b:80")
				b.page("a:80", `x{id="1"}`, 85, `x{id="2"}`, 10)
				b.until(20 * time.Second)
				b.page("a:80", `x{id="1"}`, 95, `x{id="2"}`, 85)
				b.until(40 * time.Second)
				b.wantAlive("above the limit", "Hot 1 firing")
				again(b, configuration)
				b.page("a:80", `x{id="1"}`, 85, `x{id="2"}`, 85)
				b.until(80 * time.Second)
				b.wantAlive("between the limits, as before", "Hot 1 firing")
				again(b, configuration)
				b.until(2 * time.Minute)
				b.wantAlive("between the limits, after another one", "Hot 1 firing")
				b.page("a:80", `x{id="1"}`, 79, `x{id="2"}`, 85)
				b.until(150 * time.Second)
				if diff := cmp.Diff([]string{"Hot"}, b.rulesKept()); diff != "" {
					t.Error(diff)
				}
				b.page("a:80", `x{id="1"}`, 85, `x{id="2"}`, 85)
				again(b, configuration)
				b.until(190 * time.Second)
				b.wantAlive("cleared, and between the limits again")
			})
		})
	}
}

// Damage of what a rule remembered costs it its memory, never an alert.
func TestDamagedRuleState(t *testing.T) {
	configuration := preamble + plain + sticky("Hot")
	inBubble(t, configuration, func(b *bubble) {
		b.page("b:80")
		b.page("a:80", `x{id="1"}`, 95)
		b.until(20 * time.Second)
		b.page("a:80", `x{id="1"}`, 85)
		b.until(40 * time.Second)
		b.wantAlive("between the limits", "Hot 1 firing")
		b.stop()
		b.state = b.state.Crash()
		if err := b.state.Commit(map[string][]byte{ruleStatePrefix + "Hot": []byte("not a state")}); err != nil {
			t.Fatal(err)
		}
		b.run(configuration)
		b.until(80 * time.Second)
		b.wantAlive("between the limits, memory lost", "Hot 1 firing unknown")
		b.page("a:80", `x{id="1"}`, 70)
		b.until(100 * time.Second)
		b.wantAlive("cleared")
	})
}

func TestRuleStateGoesWithTheRule(t *testing.T) {
	both, one := preamble+plain+sticky("Hot")+sticky("Warm"), preamble+plain+sticky("Warm")+above("Hot", "")
	inBubble(t, both, func(b *bubble) {
		b.page("b:80")
		b.page("a:80", "x", 95)
		b.until(20 * time.Second)
		b.restart(both)
		if diff := cmp.Diff([]string{"Hot", "Warm"}, b.rulesKept()); diff != "" {
			t.Error(diff)
		}
		b.restart(one) // the parameters of the other one have changed: nothing is remembered any more
		b.until(40 * time.Second)
		b.restart(one)
		if diff := cmp.Diff([]string{"Warm"}, b.rulesKept()); diff != "" {
			t.Error(diff)
		}
		b.restart(preamble + plain)
		if diff := cmp.Diff([]string(nil), b.rulesKept()); diff != "" {
			t.Error(diff)
		}
	})
}

// remembering is a rule that says what it is told to.
type remembering struct {
	state []byte
	err   error
	asked int
}

func (r *remembering) Snapshot(context.Context) ([]byte, error) {
	r.asked++
	return bytes.Clone(r.state), r.err
}

func verdict(status abi.Status, id string) abi.Verdict {
	return abi.Verdict{Labels: frame.FromMap(map[string]string{"id": id}), Status: status}
}

// A snapshot is asked for when what is active changes, else every minute; it is written when it differs, at once in the
// first case, else with those of other rules.
func TestWhenStateIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := state.Memory()
		states, err := openRuleStates(store, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		a, b := &remembering{}, &remembering{state: []byte("b")}
		ma, mb := &memory{name: "a", rule: a, states: states}, &memory{name: "b", rule: b, states: states}
		evaluate := func(m *memory, verdicts ...abi.Verdict) {
			m.evaluated(t.Context(), time.Now(), verdicts)
		}
		check := func(what string, asked, commits int) {
			t.Helper()
			if got := []int{a.asked + b.asked, store.Commits()}; !cmp.Equal(got, []int{asked, commits}) {
				t.Errorf("%s: got %d snapshots, %d commits, want %d, %d", what, got[0], got[1], asked, commits)
			}
		}
		a.state = []byte("1")
		evaluate(ma, verdict(abi.Healthy, "x"))
		check("the first", 1, 1)
		evaluate(mb)
		check("of another one, which waits", 2, 1)
		time.Sleep(15 * time.Second)
		a.state = []byte("2")
		evaluate(ma, verdict(abi.Unknown, "x"))
		check("soon after", 2, 1)
		evaluate(ma, verdict(abi.Active, "x"), verdict(abi.Active, "y"))
		check("something is active now: it takes the waiting one along", 3, 2)
		evaluate(ma, verdict(abi.Active, "y"), verdict(abi.Active, "x"))
		check("the same", 3, 2)
		evaluate(ma, verdict(abi.Active, "y"))
		check("less is active, the state is the same", 4, 2)
		time.Sleep(time.Minute)
		evaluate(ma, verdict(abi.Active, "y"))
		check("a minute later, the state is the same", 5, 2)
		time.Sleep(time.Minute)
		a.state = nil
		evaluate(ma, verdict(abi.Active, "y"))
		check("there is none any more", 6, 3)
		b.state = []byte("last")
		mb.snapshot(t.Context(), false)
		check("the planned stop", 7, 3)
		if err := states.flush(); err != nil {
			t.Error(err)
		}
		check("the planned stop, in the end", 7, 4)
		if got := openAgain(t, store); !cmp.Equal(got, map[string][]byte{"b": []byte("last")}) {
			t.Errorf("got %q", got)
		}
	})
}

func openAgain(t *testing.T, store *state.MemoryStore) map[string][]byte {
	t.Helper()
	states, err := openRuleStates(store, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return maps.Clone(states.newest)
}

func TestStorageRefusesRuleState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := state.Memory()
		states, err := openRuleStates(store, zerolog.New(&log))
		if err != nil {
			t.Fatal(err)
		}
		store.Fail(2)
		states.put("a", []byte("1"), true)
		states.put("b", []byte("1"), true)
		states.put("a", []byte("2"), false)
		if n := strings.Count(log.String(), `"level":"error"`); n != 1 {
			t.Errorf("said %d times: %s", n, &log)
		}
		if err := states.flush(); err != nil || !strings.Contains(log.String(), "accepts") {
			t.Errorf("%v, logged %s", err, &log)
		}
		if got := openAgain(t, store); !cmp.Equal(got, map[string][]byte{"a": []byte("2"), "b": []byte("1")}) {
			t.Errorf("got %q", got)
		}
		store.Fail(1)
		states.put("a", []byte("3"), false)
		if err := states.flush(); !errors.Is(err, state.ErrInjected) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSnapshotFailureIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	r := &remembering{err: errors.New("it has too much to say")}
	m := &memory{name: "Hot", rule: r, logger: zerolog.New(&log)}
	for k := range 3 {
		m.evaluated(t.Context(), time.Unix(int64(k)*3600, 0), nil)
	}
	if n := strings.Count(log.String(), `"rule":"Hot"`); n != 1 || r.asked != 3 {
		t.Errorf("asked %d times, said %d times: %s", r.asked, n, &log)
	}
}

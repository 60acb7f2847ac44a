package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/rule"
	"github.com/tocsinhq/tocsin/sdk/rule/ruletest"
)

// census says who is there (healthy), silent (unknown) and gone (active), and how often each was there.
type census struct {
	In      rule.Input `input:"in" reduce:"last"`
	Targets rule.Input `input:"targets" reduce:"last" optional:"true"`

	roster rule.Roster[int]
}

func (c *census) State() rule.StateInfo { return rule.StateInfo{Version: 1} }

func (c *census) Snapshot(w *rule.StateWriter) {
	c.roster.Save(w, func(w *rule.StateWriter, n *int) { w.Int(int64(*n)) })
}

func (c *census) Restore(r *rule.StateReader) error {
	return c.roster.Load(r, func(r *rule.StateReader, n *int) { *n = int(r.Int()) })
}

func (c *census) Eval(w rule.Window, out *rule.Verdicts) error {
	c.roster.Begin(w, &c.In, &c.Targets)
	for s := range c.In.All() {
		switch {
		case s.Missing():
			c.roster.Silent(w, s.Instance())
			out.Unknown(s.Instance())
		case !s.Ended():
			if n, found := c.roster.Here(w, s.Instance()); n != nil {
				if !found {
					*n = 0
				}
				*n++
				out.Healthy(s.Instance(), float64(*n))
			}
		default:
			c.roster.Left(w, s.Instance())
		}
	}
	for _, m := range c.roster.Gone(w) {
		if m.Silent {
			out.Unknown(m.Instance).Text("gone")
		} else {
			out.Active(m.Instance, float64(*m.Value)).Text(w.Time().Sub(m.Since).String())
		}
	}
	return nil
}

func TestRoster(t *testing.T) {
	test := ruletest.New(t, new(census), ruletest.Options{Interval: time.Minute, Inputs: map[string]ruletest.Input{"in": {Window: 2 * time.Minute, Series: `
		m{instance="1",d="x"} 1x20
		m{instance="1",d="y"} 1 1 stale _x20
		m{instance="2",d="x"} 1 1 removedx20
		m{instance="3",d="x"} 1 1 1 downx20
	`}}})
	for minute, want := range [][]string{
		{`healthy {d="x",instance="1"} 1`, `healthy {d="y",instance="1"} 1`, `healthy {d="x",instance="2"} 1`, `healthy {d="x",instance="3"} 1`},
		{`healthy {d="x",instance="1"} 2`, `healthy {d="y",instance="1"} 2`, `healthy {d="x",instance="2"} 2`, `healthy {d="x",instance="3"} 2`},
		{`healthy {d="x",instance="1"} 3`, `healthy {d="x",instance="3"} 3`, `active {d="y",instance="1"} 2: 1m0s`},
		{`healthy {d="x",instance="1"} 4`, `unknown {d="x",instance="3"}`, `active {d="y",instance="1"} 2: 2m0s`},
		{`healthy {d="x",instance="1"} 5`, `unknown {d="x",instance="3"}`, `active {d="y",instance="1"} 2: 3m0s`},
	} {
		if minute == 4 {
			test.Restart()
		}
		if diff := cmp.Diff(want, test.At(time.Duration(minute)*time.Minute)); diff != "" {
			t.Errorf("minute %d: %s", minute, diff)
		}
	}
}

func TestRosterIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range rule.MaxMembers + 10 {
		b.WriteString("m{i=\"" + time.Duration(i).String() + "\"} 1 1 stale\n")
	}
	test := ruletest.New(t, new(census), ruletest.Options{Interval: time.Minute, Inputs: map[string]ruletest.Input{"in": {Series: b.String()}}})
	test.At(0)
	test.At(time.Minute)
	test.Restart() // the state has room for them
	if got := len(test.At(2 * time.Minute)); got != rule.MaxMembers {
		t.Errorf("%d instances are missed, want %d", got, rule.MaxMembers)
	}
}

func TestRosterRefusesNonsense(t *testing.T) {
	for name, state := range map[string]string{"nothing": "", "short": "\x01\x01\x00\x00\x00", "many": "\x01\xff\xff\xff\xff"} {
		if err := new(census).Restore(rule.NewStateReader([]byte(state))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/tocsinhq/tocsin/core/why"
)

// ask runs a client command against a running tocsin and returns what it printed, and its exit code.
func (p *process) ask(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "tocsin", args...)
	c.Env = append(c.Environ(), "TOCSIN_ADDR="+p.address(t))
	text, err := c.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("tocsin %s: %v", strings.Join(args, " "), err)
	}
	return string(text), 0
}

// The journal explains an incident across kill -9: who was told and what the receiver answered, and nothing is left
// without a reason.
func TestWhy(t *testing.T) {
	t.Parallel()
	g, p := newGateway(t), newPager(t)
	dir := writeConfig(t, pipeline(g, p, ""))
	engine := start(t, dir)
	eventually(t, "the target is scraped", func() bool { return g.scrapes.Load() > 2 })
	out, code := engine.ask(t, "why", "HighAPIErrorRate")
	if code != exitNothing || !strings.Contains(out, "rule HighAPIErrorRate: 0 firing, 0 pending") || !strings.Contains(out, "No alert matches") {
		t.Errorf("before anything fired: exit %d\n%s", code, out)
	}
	p.failing.Store(true)
	g.fail(0.3)
	eventually(t, "the journal knows that the trigger was refused", func() bool {
		out, _ := engine.ask(t, "why", "HighAPIErrorRate")
		return strings.Contains(out, "retry: not accepted")
	})
	engine.kill(t)
	p.failing.Store(false)
	engine = start(t, dir)
	eventually(t, "PagerDuty gets the trigger", func() bool { return p.actions() == "trigger" })
	g.fail(0)
	eventually(t, "PagerDuty gets the resolve", func() bool { return p.actions() == "trigger resolve" })

	var answer why.Answer
	eventually(t, "the end is in the journal", func() bool {
		out, code = engine.ask(t, "why", "-json", `HighAPIErrorRate{endpoint="/critical/api"}`)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		answer = why.Answer{}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatal(err)
		}
		in := answer.Instances[0].Incidents
		return len(in) == 1 && len(in[0].Outcomes) == 1 && !in[0].Outcomes[0].Closed.IsZero()
	})
	if o := answer.Instances[0].Incidents[0].Outcomes[0]; o.Verdict != why.Told || o.Cause != "accepted" || o.Receiver != "pagerduty.oncall" {
		t.Errorf("outcome %+v, want told by PagerDuty's acceptance", o)
	}
	fingerprint := answer.Instances[0].Fingerprint.String()
	text, code := engine.ask(t, "why", fingerprint)
	for _, want := range []string{
		"inactive → pending (condition holds)", "pending → firing (held for long enough)", "engine started", "pagerduty.oncall: told at ",
		"retry: not accepted, again in", "Event processed", ", and of the end at ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("exit %d: the story does not say %q:\n%s", code, want, text)
		}
	}
	if all, code := engine.ask(t, "why", "-all"); code != 0 || !strings.Contains(all, `reasons "unknown": 0`) {
		t.Errorf("why -all: exit %d\n%s", code, all)
	}
	if out, code := engine.ask(t, "why", "HighApiErorRate"); code != exitNothing || !strings.Contains(out, "Did you mean HighAPIErrorRate?") {
		t.Errorf("a misspelt name: exit %d\n%s", code, out)
	}
	if out, code := engine.ask(t, "why", `HighAPIErrorRate{endpoint="/other"}`); code != exitNothing || !strings.Contains(out, `Did you mean HighAPIErrorRate{endpoint="/critical/api",severity="critical"}?`) {
		t.Errorf("labels that no alert has: exit %d\n%s", code, out)
	}
	if out, code := engine.ask(t, "why", `HighAPIErrorRate{endpoint}`); code != 1 || !strings.Contains(out, "read alert") {
		t.Errorf("a broken question: exit %d\n%s", code, out)
	}
	engine.stop(t)
}

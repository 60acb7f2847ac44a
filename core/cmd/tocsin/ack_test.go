package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// What somebody took is theirs after kill -9, nobody is told more of it, and its end is told.
func TestAck(t *testing.T) {
	t.Parallel()
	pager := newPager(t)
	dir := writeConfig(t, pipeline(newGateway(t), pager, ""))
	p := start(t, dir)
	later := time.Now().Add(time.Hour)
	call(t, http.MethodPost, p.address(t)+"/api/v2/alerts", posting("/a", later))
	eventually(t, "PagerDuty gets the trigger", func() bool { return pager.actions() == "trigger" })
	out, code := p.ask(t, "ack", "-owner", "ada", "-reason", "rolling back", `HighLatency{endpoint="/a"}`)
	if code != 0 || !strings.Contains(out, `HighLatency{endpoint="/a",severity="critical"}  ada  since `) || !strings.Contains(out, "rolling back") {
		t.Errorf("ack: exit %d\n%s", code, out)
	}
	fingerprint, _, _ := strings.Cut(out, " ")
	p.kill(t)
	p = start(t, dir)
	if out, code := p.ask(t, "ack"); code != 0 || !strings.HasPrefix(out, fingerprint) {
		t.Errorf("after kill -9: exit %d\n%s", code, out)
	}
	if out, code := p.ask(t, "why", fingerprint); code != 0 || !strings.Contains(out, "acknowledged by ada") {
		t.Errorf("why: exit %d\n%s", code, out)
	}
	for _, wrong := range [][]string{
		{"ack", "NoSuchAlert"},
		{"ack", "-withdraw", "HighLatency"},
		{"ack", "-withdraw", "0000000000000001"},
		{"ack", "a", "b"},
		{"ack", "-for", "-1h", "HighLatency"},
	} {
		if out, code := p.ask(t, wrong...); code != 1 || !strings.HasPrefix(out, "tocsin: ") {
			t.Errorf("%v: exit %d\n%s", wrong, code, out)
		}
	}
	call(t, http.MethodPost, p.address(t)+"/api/v2/alerts", posting("/a", time.Now().Add(-time.Second)))
	eventually(t, "PagerDuty gets the resolve", func() bool { return pager.actions() == "trigger resolve" })
	eventually(t, "the acknowledgement ends", func() bool {
		out, _ := p.ask(t, "ack")
		return out == ""
	})
	p.stop(t)
}

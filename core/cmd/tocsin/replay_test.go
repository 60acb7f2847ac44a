package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsinhq/tocsin/core/replay"
)

// replayed runs "tocsin replay" and returns what it printed, and how it ended.
func replayed(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tocsin", append([]string{"replay"}, args...)...)
	cmd.Env = append(os.Environ(), "ROUTING_KEY=0123456789abcdef0123456789abcdef")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code, err = exit.ExitCode(), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), code
}

// decoded is what -json prints.
func decoded[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// What was captured while an incident happened, over a crash, is replayed to the same incident; another configuration
// is compared with it.
func TestCaptureIsReplayed(t *testing.T) {
	g, pagerduty := newGateway(t), newPager(t)
	dir := writeConfig(t, pipeline(g, pagerduty, ""))
	capture := filepath.Join(t.TempDir(), "x.capture")

	first := start(t, dir, "-capture", capture)
	eventually(t, "a first run collects", func() bool { return g.scrapes.Load() >= 2 })
	eventually(t, "the capture is written", func() bool {
		info, err := os.Stat(capture)
		return err == nil && info.Size() > 100
	})
	first.kill(t)
	tear(t, capture)

	p := start(t, dir, "-capture", capture)
	before := g.scrapes.Load()
	eventually(t, "a second run collects", func() bool { return g.scrapes.Load() >= before+8 })
	if !strings.Contains(p.log.String(), "the end of the capture was torn") {
		t.Errorf("nobody said that the capture was torn; log:\n%s", p.log)
	}
	g.fail(0.5)
	eventually(t, "PagerDuty is told", func() bool { return pagerduty.actions() == "trigger" })
	told := time.Now()
	g.fail(0)
	eventually(t, "PagerDuty is told of the end", func() bool { return pagerduty.actions() == "trigger resolve" })
	p.stop(t)

	stdout, stderr, code := replayed(t, capture, dir)
	if code != 0 || stderr != "" {
		t.Fatalf("ended with %d, complained %q:\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"note: nobody collected: ", "pagerduty.oncall: 1 incidents, 1 ends", "firing   {alertname=\"HighAPIErrorRate\",endpoint=\"/critical/api\"}", "resolved", "1  HighAPIErrorRate"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}

	stdout, _, _ = replayed(t, "-json", capture, dir)
	timeline := decoded[replay.Timeline](t, stdout)
	if len(timeline.Pages) != 2 || timeline.Pages[0].Time.Sub(told).Abs() > 3*time.Second {
		t.Errorf("want a page at %s and its end, got %+v", told, timeline.Pages)
	}

	strict := strings.ReplaceAll(pipeline(g, pagerduty, ""), "= 0.05", "= 0.9")
	other := writeConfig(t, strict)
	if stdout, _, code := replayed(t, capture, dir, dir); code != 0 || !strings.Contains(stdout, "0 gone, 0 new, 0 changed, 2 the same") {
		t.Errorf("the same configuration twice: ended with %d:\n%s", code, stdout)
	}
	if stdout, _, code := replayed(t, capture, dir, other); code != 1 || !strings.Contains(stdout, "2 gone, 0 new, 0 changed, 0 the same") || !strings.Contains(stdout, "\n- ") {
		t.Errorf("a rule that asks for more: ended with %d:\n%s", code, stdout)
	}
	slower := writeConfig(t, strings.ReplaceAll(pipeline(g, pagerduty, ""), `group_wait     = "1s"`, `group_wait     = "2s"`))
	stdout, _, code = replayed(t, "-json", capture, dir, slower)
	if d := decoded[replay.Difference](t, stdout); code != 1 || len(d.Changed) == 0 || !d.Changed[0].Moved || d.Changed[0].New.Time.Sub(d.Changed[0].Old.Time) != time.Second {
		t.Errorf("a second of group_wait more: ended with %d:\n%s", code, stdout)
	}
}

// tear leaves the beginning of a block at the end of a file, as a crash does.
func tear(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(content, content[8:60]...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayComplains(t *testing.T) {
	g, pagerduty := newGateway(t), newPager(t)
	dir := writeConfig(t, pipeline(g, pagerduty, ""))
	notes := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(notes, []byte("my notes of last night"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{}, "which capture and configuration?"},
		{[]string{notes, dir}, "it is not a capture"},
		{[]string{notes + "x", dir}, "no such file"},
		{[]string{notes, notes + "x"}, "no such file"},
		{[]string{"-from", "yesterday", notes, dir}, "-from: want a time such as"},
	} {
		if stdout, stderr, code := replayed(t, tt.args...); code != 2 || !strings.Contains(stderr, tt.want) || stdout != "" {
			t.Errorf("%q: ended with %d, said %q, printed %q; want 2 and %q", tt.args, code, stderr, stdout, tt.want)
		}
	}
}

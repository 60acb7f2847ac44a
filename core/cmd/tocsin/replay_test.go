package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/tocsinhq/tocsin/core/history/historytest"
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
	for _, want := range []string{"pagerduty.oncall: 1 incident, 1 end", "firing   {alertname=\"HighAPIErrorRate\",endpoint=\"/critical/api\"}", "resolved", "1  HighAPIErrorRate"} {
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

// Without a capture the history of a Prometheus does, which can be kept as one.
func TestReplayOfAPrometheus(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	prometheus := &historytest.Prometheus{}
	for _, code := range []string{"200", "503"} {
		s := historytest.Series{Labels: labels.FromStrings("__name__", "http_requests_total", "job", "gateway", "instance", "10.0.0.1:9113", "endpoint", "/pay", "code", code)}
		sum := 0.0
		for since := time.Duration(0); since < 10*time.Minute; since += time.Second {
			if failing := since > 4*time.Minute && since < 6*time.Minute; code == "200" || failing {
				sum += 100
			}
			s.Samples = append(s.Samples, model.SamplePair{Timestamp: model.TimeFromUnixNano(noon.Add(since).UnixNano()), Value: model.SampleValue(sum)})
		}
		prometheus.Series = append(prometheus.Series, s)
	}
	server := httptest.NewServer(prometheus)
	defer server.Close()
	g, pagerduty := newGateway(t), newPager(t)
	dir := writeConfig(t, strings.Replace(pipeline(g, pagerduty, ""), g.address(), "10.0.0.1:9113", 1))
	kept := filepath.Join(t.TempDir(), "kept.capture")

	stdout, stderr, code := replayed(t, "-prometheus", server.URL, "-from", "2026-03-01T12:00:00Z", "-to", "2026-03-01T12:10:00Z", "-save", kept, dir)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "pagerduty.oncall: 1 incident, 1 end\n  2026-03-01 12:04:0") {
		t.Errorf("ended with %d, complained %q:\n%s", code, stderr, stdout)
	}
	if again, _, code := replayed(t, kept, dir); code != 0 || again != stdout {
		t.Errorf("what was kept: ended with %d:\n%s", code, again)
	}
	if _, stderr, code := replayed(t, "-prometheus", server.URL, "-from", "2026-03-01T12:00:00Z", "-save", kept, dir); code != 2 || !strings.Contains(stderr, "file exists") {
		t.Errorf("a file that is there: ended with %d, complained %q", code, stderr)
	}
	if _, stderr, code := replayed(t, "-prometheus", server.URL, "-from", "2025-03-01T12:00:00Z", "-to", "2025-03-01T13:00:00Z", dir); code != 2 || !strings.Contains(stderr, "has no samples of the configuration's targets") {
		t.Errorf("another year: ended with %d, complained %q", code, stderr)
	}
	if got := pagerduty.actions(); got != "" {
		t.Errorf("PagerDuty was told %q by a replay", got)
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
		{[]string{"-prometheus", "http://127.0.0.1:1"}, "which configuration?"},
		{[]string{"-prometheus", "http://127.0.0.1:1", dir}, "from when on?"},
		{[]string{"-prometheus", "http://127.0.0.1:1", "-from", "2026-03-01T12:00:00Z", "-step", "1ms", dir}, "-step: want a second or more"},
		{[]string{"-prometheus", "http://127.0.0.1:1", "-from", "2026-03-01T12:00:00Z", "-to", "2026-03-01T12:10:00Z", dir}, "connection refused"},
		{[]string{"-from", "yesterday", notes, dir}, "-from: want a time such as"},
	} {
		if stdout, stderr, code := replayed(t, tt.args...); code != 2 || !strings.Contains(stderr, tt.want) || stdout != "" {
			t.Errorf("%q: ended with %d, said %q, printed %q; want 2 and %q", tt.args, code, stderr, stdout, tt.want)
		}
	}
}

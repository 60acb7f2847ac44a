package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/tocsinhq/tocsin/config"
	"github.com/tocsinhq/tocsin/core/capture"
	"github.com/tocsinhq/tocsin/core/engine"
	"github.com/tocsinhq/tocsin/core/history/historytest"
	"github.com/tocsinhq/tocsin/core/rehearsal"
	"github.com/tocsinhq/tocsin/core/replay"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var modules = sync.OnceValues(func() (*wasm.Host, error) { return wasm.New(context.Background(), wasm.Options{Keep: true}) })

func put(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// high is a configuration whose rule fires above a value after it lasted.
func high(t *testing.T, changes ...string) *config.Config {
	t.Helper()
	text := strings.NewReplacer(changes...).Replace(`
source "http" "web" {
  targets  = ["a:80", "b:80"]
  interval = "15s"
}
rule "High" {
  module = "threshold"
  input "series" { select = "load" }
  params { value = 5 }
  for    = "1m"
}
notifier "webhook" "hook" { url = "http://hooks.example.org/x" }
route {
  to             = [notifier.webhook.hook]
  group_by       = ["alertname"]
  group_wait     = "30s"
  group_interval = "1m"
}
`)
	path := filepath.Join(t.TempDir(), "tocsin.hcl")
	put(t, os.WriteFile(path, []byte(text), 0o600))
	cfg, diags := config.Load([]string{path}, config.Options{Catalog: engine.Catalog})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return cfg
}

func load(v float64) frame.Frame { return frame.Frame{Layout: loadLayout, Values: []float64{v}} }

var loadLayout = &frame.Layout{Series: []frame.Series{{Labels: frame.NewLabels(frame.Label{Name: frame.MetricName, Value: "load"}), Kind: frame.Gauge}}}

// hot is whether a is above its limit: from 10 to 20 minutes, and from 40 to 42.
func hot(since time.Duration) bool {
	return since >= 10*time.Minute && since < 20*time.Minute || since >= 40*time.Minute && since < 42*time.Minute
}

// hour is a capture of an hour of two targets. edit changes or leaves out (false) an answer.
func hour(t *testing.T, edit func(since time.Duration, a *capture.Answer) bool) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hour.capture")
	w, err := capture.New(path)
	put(t, err)
	for since := time.Duration(0); since < time.Hour; since += 15 * time.Second {
		for i, address := range []string{"a:80", "b:80"} {
			a := capture.Answer{Target: capture.Target{Source: "http.web", Address: address, Interval: 15 * time.Second}, Frame: load(1)}
			if i == 0 && hot(since) {
				a.Frame = load(9)
			}
			if edit == nil || edit(since, &a) {
				put(t, w.Answer(noon.Add(since+time.Duration(i)*4*time.Second), a))
			}
		}
	}
	put(t, w.End(noon.Add(time.Hour)))
	put(t, w.Close())
	return path
}

func run(t *testing.T, path string, cfg *config.Config, o replay.Options) replay.Timeline {
	t.Helper()
	host, err := modules()
	put(t, err)
	o.Capture = path
	o.Director = rehearsal.New(rehearsal.Options{
		Bubble: func(run func()) { synctest.Test(t, func(*testing.T) { run() }) }, Modules: host,
	})
	timeline, err := replay.Run(o, cfg)
	put(t, err)
	return timeline
}

func report(t *testing.T, timeline replay.Timeline) string {
	t.Helper()
	var b bytes.Buffer
	put(t, timeline.WriteText(&b))
	return b.String()
}

func TestTimeline(t *testing.T) {
	path := hour(t, nil)
	want := `2026-03-01 11:59:59Z to 2026-03-01 13:00:00Z (1h0m0s)

webhook.hook: 2 incidents, 2 ends
  2026-03-01 12:11:37Z  firing   {alertname="High"}
      High{instance="a:80",job="web"} = 9 since 2026-03-01 12:11:07Z
  2026-03-01 12:20:07Z  resolved {alertname="High"}
      High{instance="a:80",job="web"} = 1 since 2026-03-01 12:11:07Z
  2026-03-01 12:41:37Z  firing   {alertname="High"}
      High{instance="a:80",job="web"} = 9 since 2026-03-01 12:41:07Z
  2026-03-01 12:42:37Z  resolved {alertname="High"}
      High{instance="a:80",job="web"} = 1 since 2026-03-01 12:41:07Z
  incidents by hour of the day (UTC): 12h 2

by rule, how often an alert fired of which somebody was told:
       2  High
`
	first := report(t, run(t, path, high(t), replay.Options{}))
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if again := report(t, run(t, path, high(t), replay.Options{})); again != first {
		t.Errorf("another time it is another:\n%s", again)
	}
	part := run(t, path, high(t), replay.Options{From: noon.Add(30 * time.Minute), To: noon.Add(42 * time.Minute)})
	if len(part.Pages) != 1 || !part.Pages[0].Time.Equal(noon.Add(41*time.Minute+37*time.Second+part.Pages[0].Time.Sub(part.Pages[0].Time.Truncate(time.Second)))) {
		t.Errorf("from 30m to 42m: %+v, want the second page", part.Pages)
	}
}

// What is not known is said, and counts as what the engine takes a target for that does not answer.
func TestWhatACaptureDoesNotKnow(t *testing.T) {
	downs := func(changes ...string) *config.Config {
		return high(t, append([]string{`"load" }`, `"up" }`, "{ value = 5 }", "{\n value = 1\n op = \"<\"\n }", `for    = "1m"`, ""}, changes...)...)
	}
	for _, tt := range []struct {
		name  string
		edit  func(since time.Duration, a *capture.Answer) bool
		cfg   *config.Config
		pages int
		notes []string // how they begin
	}{
		{"all is there", nil, downs(), 0, nil},
		{"answers that were late", func(_ time.Duration, a *capture.Answer) bool { a.Took = 3 * time.Second; return true }, downs(), 0, nil},
		{"one lost answer", func(since time.Duration, a *capture.Answer) bool {
			return since != 10*time.Minute || a.Target.Address != "a:80"
		}, downs(), 0, nil},
		{"many lost answers", func(since time.Duration, a *capture.Answer) bool {
			return since < 10*time.Minute || since > 15*time.Minute || a.Target.Address != "a:80"
		}, downs(), 2, []string{"targets of which it does not know every answer, so that they count as down for a while: http.web/a:80 (2"}},
		{"failures", func(since time.Duration, a *capture.Answer) bool {
			if since >= 20*time.Minute && since < 30*time.Minute {
				a.Failure = "refused"
			}
			return true
		}, downs(), 2, nil},
		{"answers that are too late now", func(since time.Duration, a *capture.Answer) bool {
			if since >= 20*time.Minute && since < 30*time.Minute {
				a.Took = 8 * time.Second
			}
			return true
		}, downs(`interval = "15s"`, "interval = \"15s\"\n timeout = \"5s\""), 2, nil},
		{"a target that is not there", nil, downs(`"b:80"`, `"c:80"`), 1, []string{
			"targets of the configuration of which the capture has nothing, so that they count as down: http.web/c:80",
			"targets of the capture that the configuration does not collect from: http.web/b:80",
		}},
		{"asked more often", nil, downs(`"15s"`, `"5s"`), 0, []string{
			"targets of which it does not know every answer, so that they count as down for a while: http.web/b:80 (1 of 720)", // the first
		}},
		{"asked less often", nil, downs(`"15s"`, `"1m"`), 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := run(t, hour(t, tt.edit), tt.cfg, replay.Options{})
			if len(got.Pages) != tt.pages {
				t.Errorf("%d pages, want %d:\n%s", len(got.Pages), tt.pages, report(t, got))
			}
			if len(got.Notes) != len(tt.notes) {
				t.Fatalf("notes %q, want %q", got.Notes, tt.notes)
			}
			for i, want := range tt.notes {
				if !strings.HasPrefix(got.Notes[i], want) {
					t.Errorf("note %q, want %q", got.Notes[i], want)
				}
			}
		})
	}
}

func TestGapsAreSaid(t *testing.T) {
	path := hour(t, nil)
	w, _, err := capture.Create(path)
	put(t, err)
	at := noon.Add(2 * time.Hour)
	for range 20 {
		put(t, w.Answer(at, capture.Answer{Target: capture.Target{Source: "http.web", Address: "a:80", Interval: 15 * time.Second}, Frame: load(1)}))
		at = at.Add(15 * time.Second)
	}
	put(t, w.Lost(at, 17))
	put(t, w.Close())
	content, err := os.ReadFile(path)
	put(t, err)
	put(t, os.WriteFile(path, append(content, 1, 2, 3), 0o600))
	got := run(t, path, high(t), replay.Options{})
	for i, want := range []string{
		"answers that were not written, because the disk did not keep up: 2026-03-01 14:04:45Z to 2026-03-01 14:05:00Z (17)",
		"nobody collected: 2026-03-01 13:00:00Z to 2026-03-01 14:00:00Z",
		"the capture ends at byte",
	} {
		if i >= len(got.Notes) || !strings.HasPrefix(got.Notes[i], want) {
			t.Errorf("notes %q, want number %d to be %q", got.Notes, i, want)
		}
	}
}

func TestCompare(t *testing.T) {
	path := hour(t, nil)
	old := run(t, path, high(t), replay.Options{})
	for _, tt := range []struct {
		name    string
		changes []string
		want    string // the last line
	}{
		{"nothing", nil, "0 gone, 0 new, 0 changed, 4 the same"},
		{"it has to last longer", []string{`for    = "1m"`, `for    = "3m"`}, "2 gone, 0 new, 1 changed, 1 the same"},
		{"the limit is never reached", []string{"value = 5", "value = 50"}, "4 gone, 0 new, 0 changed, 0 the same"},
		{"the other target counts too", []string{"value = 5", "value = 0.5"}, "3 gone, 0 new, 1 changed, 0 the same"},
		{"a receiver of another name", []string{`"webhook" "hook"`, `"webhook" "other"`, "webhook.hook", "webhook.other"}, "4 gone, 4 new, 0 changed, 0 the same"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := replay.Compare(old, run(t, path, high(t, tt.changes...), replay.Options{}))
			var b bytes.Buffer
			put(t, d.WriteText(&b))
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			if last := lines[len(lines)-1]; last != tt.want || d.Empty() != (tt.changes == nil) {
				t.Errorf("%s, want %s:\n%s", last, tt.want, &b)
			}
		})
	}
}

func TestDifferenceForPeople(t *testing.T) {
	page := func(at time.Duration, receiver string, status string, alerts ...string) replay.Page {
		p := replay.Page{Time: noon.Add(at), Receiver: receiver, Status: "firing", Reason: "first notification", Group: frame.FromMap(map[string]string{"alertname": "High"})}
		if status == "resolved" {
			p.Status, p.Reason = "resolved", "all alerts resolved"
		}
		for _, instance := range alerts {
			p.Alerts = append(p.Alerts, replay.Alert{Rule: "High", Status: p.Status, Labels: frame.FromMap(map[string]string{"instance": instance}), Value: 9, Since: noon})
		}
		return p
	}
	old := replay.Timeline{From: noon, To: noon.Add(3 * time.Hour), Notes: []string{"x"}, Pages: []replay.Page{
		page(time.Minute, "pagerduty.oncall", "firing", "a"),
		page(2*time.Minute, "pagerduty.oncall", "resolved", "a"),
		page(3*time.Minute, "pagerduty.oncall", "firing", "a"),
		page(90*time.Minute, "slack.ops", "firing", "a"),
	}}
	now := replay.Timeline{From: noon, To: noon.Add(3 * time.Hour), Pages: []replay.Page{
		page(time.Minute, "pagerduty.oncall", "firing", "a", "b"),
		page(5*time.Minute, "pagerduty.oncall", "resolved", "a"),
		page(6*time.Minute, "slack.ops", "firing", "a"),
	}}
	want := `2026-03-01 12:00:00Z to 2026-03-01 15:00:00Z (3h0m0s)
note: old: x

~ 2026-03-01 12:01:00Z  pagerduty.oncall  firing   {alertname="High"}
    - High{instance="a"} = 9 since 2026-03-01 12:00:00Z
    + High{instance="a"} = 9 since 2026-03-01 12:00:00Z
    + High{instance="b"} = 9 since 2026-03-01 12:00:00Z
~ 2026-03-01 12:02:00Z  pagerduty.oncall  resolved {alertname="High"}, now 3m0s later
      High{instance="a"} = 9 since 2026-03-01 12:00:00Z
- 2026-03-01 12:03:00Z  pagerduty.oncall  firing   {alertname="High"}
      High{instance="a"} = 9 since 2026-03-01 12:00:00Z
+ 2026-03-01 12:06:00Z  slack.ops  firing   {alertname="High"}
      High{instance="a"} = 9 since 2026-03-01 12:00:00Z
- 2026-03-01 13:30:00Z  slack.ops  firing   {alertname="High"}
      High{instance="a"} = 9 since 2026-03-01 12:00:00Z

2 gone, 1 new, 2 changed, 0 the same
`
	d := replay.Compare(old, now)
	var b bytes.Buffer
	put(t, d.WriteText(&b))
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
}

func TestNumbersInJSON(t *testing.T) {
	for v, want := range map[float64]string{1.5: "1.5", 1e21: "1e+21", math.Inf(-1): `"-Inf"`} {
		if got, err := json.Marshal(replay.Number(v)); string(got) != want || err != nil {
			t.Errorf("%g is %s (%v), want %s", v, got, err, want)
		}
	}
}

// The history of a Prometheus is replayed as if its targets had answered.
func TestHistoryOfAPrometheus(t *testing.T) {
	p := &historytest.Prometheus{}
	for _, instance := range []string{"a:80", "b:80"} {
		up := historytest.Series{Labels: labels.FromStrings("__name__", "up", "job", "web", "instance", instance)}
		loads := historytest.Series{Labels: labels.FromStrings("__name__", "load", "job", "web", "instance", instance)}
		for since := 3 * time.Second; since < time.Hour; since += 15 * time.Second {
			at, v := model.TimeFromUnixNano(noon.Add(since).UnixNano()), 1.0
			if instance == "a:80" && hot(since) {
				v = 9
			}
			up.Samples = append(up.Samples, model.SamplePair{Timestamp: at, Value: 1})
			loads.Samples = append(loads.Samples, model.SamplePair{Timestamp: at, Value: model.SampleValue(v)})
		}
		p.Series = append(p.Series, up, loads)
	}
	server := httptest.NewServer(p)
	defer server.Close()
	for _, tt := range []struct {
		name string
		step time.Duration
		cfg  *config.Config
	}{
		{"stored", 0, high(t)},
		{"steps", 30 * time.Second, high(t)},
		{"found targets", 0, high(t, `targets  = ["a:80", "b:80"]`, "dns_sd {\n names = [\"web.example.org\"]\n }")},
		{"labels that only Tocsin knows", 0, high(t, `interval = "15s"`, "interval = \"15s\"\n labels = { zone = \"x\" }", `"load"`, `"load{zone='x'}"`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.capture")
			notes, err := replay.Fetch(t.Context(), replay.FetchOptions{
				URL: server.URL, Transport: server.Client().Transport, From: noon, To: noon.Add(time.Hour), Step: tt.step,
				Configs: []*config.Config{tt.cfg}, Capture: path,
			})
			put(t, err)
			got := run(t, path, tt.cfg, replay.Options{Notes: notes})
			if len(got.Pages) != 4 || got.Pages[0].Time.Sub(noon.Add(11*time.Minute+30*time.Second)).Abs() > time.Minute {
				t.Errorf("want 4 pages, the first at about 11m30s:\n%s", report(t, got))
			}
			if (len(got.Notes) > 0) != (tt.step > 0) {
				t.Errorf("notes %q", got.Notes)
			}
		})
	}
}

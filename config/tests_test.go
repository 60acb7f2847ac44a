package config

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

func diagnosticsText(t *testing.T, diags Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := diags.Write(&b, false, 100); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMistakesInTests(t *testing.T) {
	t.Chdir("testdata/tests")
	const golden = "mistakes.txt"
	tests, diags := LoadTests([]string{"mistakes.test.hcl"})
	if tests != nil || !diags.HasErrors() {
		t.Errorf("%d tests in spite of errors", len(tests))
	}
	got := diagnosticsText(t, diags)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("diagnostics differ (-want +got):\n%s", diff)
	}
}

func TestLoadTests(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tocsin.hcl", `rule "no test" {}`)
	write(".git/hidden.test.hcl", `broken`)
	write("deep/er/b.test.hcl", `test "b" {}`)
	write("body.json", `{"a": 1}`)
	write("a.test.hcl", `
locals { load = "load{a='1'}" }
test "a" {
  config        = ["x", "y.hcl"]
  vars          = { interval = "5s", n = 3 }
  start         = "2026-02-03T04:05:06Z"
  duration      = "1h"
  tolerance     = "0s"
  seed          = 9
  self_alerts   = true
  notifications = { "slack.ops" = 12 }
  series "http.web" {
    target   = "t"
    interval = "1s"
    samples  = { (local.load) = "1+1x2 _ 7" }
  }
  fault "receiver" {
    notifier    = "slack.ops"
    from        = "1m"
    status      = 429
    retry_after = "30s"
  }
  at "5m" {
    alert "R" {
      labels  = { a = "1" }
      unknown = false
      value   = 0.5
    }
  }
  transitions "R" { states = { "10m" = "firing", "9m" = "pending" } }
  notification "slack.ops" {
    at       = "11m"
    payload  = file("body.json")
    contains = ["x"]
  }
  notification "slack.ops" { payload = { b = [1, "2", null, true] } }
}
`)
	tests, diags := LoadTests([]string{dir})
	if len(diags) > 0 {
		t.Fatal(diagnosticsText(t, diags))
	}
	zero, no, half, eleven := time.Duration(0), false, 0.5, 11*time.Minute
	want := []Test{{
		Name: "a", Dir: dir, Configs: []string{"x", "y.hcl"}, Vars: map[string]string{"interval": "5s", "n": "3"},
		Start: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Duration: time.Hour, Tolerance: &zero, Seed: 9, SelfAlerts: true,
		Counts: []TestCount{{Notifier: "slack.ops", Count: 12}},
		Series: []TestSeries{{
			Source: "http.web", Target: "t", Interval: time.Second,
			Samples: []TestSamples{{
				Labels: labels.FromStrings("__name__", "load", "a", "1"), Text: "load{a='1'}",
				Values: []float64{1, 2, 3, math.Float64frombits(value.StaleNaN), 7},
			}},
		}},
		Faults: []TestFault{{
			What: FaultReceiver, From: time.Minute, Notifier: "slack.ops", Kind: KindStatus, Status: 429, RetryAfter: 30 * time.Second,
		}},
		Moments: []TestMoment{{
			At: 5 * time.Minute, Alerts: []TestAlert{{Rule: "R", Labels: map[string]string{"a": "1"}, Unknown: &no, Value: &half}},
		}},
		Transitions: []TestTransitions{{
			Rule: "R", States: []TestState{{At: 9 * time.Minute, State: "pending"}, {At: 10 * time.Minute, State: "firing"}},
		}},
		Notifications: []TestNotification{
			{Notifier: "slack.ops", At: &eleven, Payload: []byte(`{"a": 1}`), Contains: []string{"x"}},
			{Notifier: "slack.ops", Payload: []byte(`{"b":[1,"2",null,true]}`)},
		},
	}, {Name: "b", Dir: filepath.Join(dir, "deep/er"), Configs: []string{"."}, Start: testStart, Seed: 1}}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Range" }, cmp.Ignore())
	if diff := cmp.Diff(want, tests, ignore, cmpopts.IgnoreUnexported(Test{}), cmpopts.EquateNaNs(), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("tests differ (-want +got):\n%s", diff)
	}
}

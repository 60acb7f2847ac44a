package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"
)

// compareOptions let matchers be compared as they are written.
var compareOptions = cmp.Options{
	cmp.Comparer(func(a, b *labels.Matcher) bool { return a.String() == b.String() }),
	cmp.Transformer("JSON", func(m json.RawMessage) string { return string(m) }),
	cmp.Transformer("Location", func(l *time.Location) string { return l.String() }),
}

var ignoreRanges = cmpopts.IgnoreTypes(Range{})

func matchers(all ...string) (result []*labels.Matcher) {
	operators := map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp}
	for i := 0; i < len(all); i += 3 {
		result = append(result, labels.MustNewMatcher(operators[all[i+1]], all[i], all[i+2]))
	}
	return result
}

func TestEveryBlockIsTyped(t *testing.T) {
	cfg, got := loadTest(t, "testdata/good", nil, "full.hcl")
	if cfg == nil {
		t.Fatal(got)
	}
	const key = "0123456789abcdef0123456789abcdef"
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	slack := "https://hooks.slack.example/T000/B000/XXXXXXXXXXXX"
	root := &Route{
		To: []string{"pagerduty.oncall"}, GroupBy: []string{"alertname", "endpoint"},
		GroupWait: 10 * time.Second, GroupInterval: time.Minute, RepeatInterval: 24 * time.Hour,
	}
	critical := *root
	critical.To, critical.Continue = []string{"pagerduty.oncall", "slack.ops"}, true
	critical.Matchers = matchers("severity", "=", "critical", "team", "=~", "a|b", "job", "!=", "")
	inner := critical
	inner.Continue, inner.GroupBy, inner.Matchers = false, []string{"..."}, matchers("endpoint", "!=", "/health")
	info := *root
	info.GroupBy, info.GroupWait, info.Matchers = []string{}, 0, matchers("severity", "=", "info")
	critical.Routes = []*Route{&inner}
	root.Routes = []*Route{&critical, &info}

	want := &Config{
		Engine: Engine{
			Listen: "unix:/run/tocsin.sock", DataDir: "state", PluginDirs: []string{"plugins", "/usr/lib/tocsin"},
			ModuleDirs: []string{"rules"}, ExternalURL: "https://tocsin.example.org", Debug: true, WindowSync: time.Second, Lookback: 5 * time.Minute, UnknownAfter: 5 * time.Minute, SelfAlerts: true,
			ResolveTimeout: 5 * time.Minute, ExternalExpiry: "resolve",
		},
		Sources: []Source{{
			Kind: "http", Name: "gateway", Targets: []string{"10.0.0.11:9113", "https://gw2:9113/metrics"},
			Interval: 30 * time.Second, Timeout: 5 * time.Second, Labels: map[string]string{"tier": "edge"},
			Settings: json.RawMessage(`{"basic_auth":{"password":"` + key + `","username":"prometheus"},"grace":"1m0s",` +
				`"headers":{"Authorization":"Bearer ` + key + `"},"max_bytes":1048576,"param":[{"name":"collect[]","values":["nginx"]},{"name":"debug"}],"path":"/metrics"}`),
			Secrets: []string{key, "Bearer " + key},
		}},
		Rules: []Rule{
			{
				Name: "HighAPIErrorRate", Module: "error_rate",
				Inputs: []Input{{
					Name: "requests", Select: "http_requests_total{job='gateway', endpoint=~'/critical/.*'}", Window: 5 * time.Minute,
					Matchers: matchers("job", "=", "gateway", "endpoint", "=~", "/critical/.*", "__name__", "=", "http_requests_total"),
				}},
				Params: json.RawMessage(`{"by":["endpoint"],"errors":"code=~'5..|5xx'","min_requests":20,"threshold":0.05}`),
				For:    5 * time.Minute, KeepFiringFor: 90 * time.Second, Every: time.Minute, OnMissing: OnMissingUnknown,
				Labels: map[string]string{"severity": "critical"},
				Annotations: map[string]string{
					"summary": "{{ $labels.endpoint }}: {{ $value | humanizePercentage }} of requests fail",
					"runbook": "https://runbooks.example.org/high-api-error-rate",
				},
			},
			{
				Name: "Seasonal", Module: "seasonal", OnMissing: OnMissingUnknown, Params: json.RawMessage(`{"above":1000}`),
				Inputs: []Input{{Name: "value", Select: "up", Matchers: matchers("__name__", "=", "up"), Window: time.Minute}},
			},
		},
		Notifiers: []Notifier{
			{Kind: "pagerduty", Name: "oncall", PageBudget: &PageBudget{Pages: 20, Per: 10 * time.Minute}, Settings: json.RawMessage(`{"details":{"team":"core"},"routing_key":"` + key + `"}`), Secrets: []string{key}},
			{Kind: "slack", Name: "ops", SendResolved: true, Settings: json.RawMessage(`{"api_url":"` + slack + `","channel":"#ops"}`), Secrets: []string{slack}},
		},
		Route:   root,
		Modules: []Module{{Name: "seasonal", Path: "rules/seasonal.wasm", SHA256: sum, Memory: 32 << 20, Fuel: 50_000_000}},
		Plugins: []Plugin{{What: "notifier", Name: "sms", SHA256: sum, Env: []string{"HTTPS_PROXY"}}},
		Secrets: []string{key, "Bearer " + key, slack},
	}
	if diff := cmp.Diff(want, cfg, compareOptions, ignoreRanges, cmpopts.IgnoreFields(Config{}, "Hash")); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
	if got := cfg.Sources[0].Range; got != (Range{File: "full.hcl", Line: 29, Column: 1, EndLine: 29, EndColumn: 24}) {
		t.Errorf("range of the source: %#v", got)
	}
	if got := cfg.Rules[0].Inputs[0].Range.String(); got != "full.hcl:53:3" {
		t.Errorf("range of the input: %s", got)
	}
}

func TestJSONIsTheSame(t *testing.T) {
	native, got := loadTest(t, "testdata/good", nil, "full.hcl")
	if native == nil {
		t.Fatal(got)
	}
	other, diags := Load([]string{"full.hcl.json"}, Options{Env: testEnv, Catalog: newTestCatalog})
	if other == nil {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(native, other, compareOptions, ignoreRanges); diff != "" {
		t.Errorf("JSON gives another configuration (-native +JSON):\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	cfg, got := loadTest(t, "testdata/good", nil, "defaults.hcl")
	if cfg == nil {
		t.Fatal(got)
	}
	want := &Config{
		Engine: Engine{Listen: "127.0.0.1:9095", DataDir: "data", WindowSync: time.Second, Lookback: 5 * time.Minute, UnknownAfter: 5 * time.Minute, SelfAlerts: true, ResolveTimeout: 5 * time.Minute, ExternalExpiry: "resolve"},
		Sources: []Source{{
			Kind: "http", Name: "gateway", Targets: []string{"10.0.0.11:9113"}, Interval: 15 * time.Second, Timeout: 10 * time.Second, Settings: json.RawMessage(`{}`),
		}},
		Rules: []Rule{{
			Name: "Down", Module: "threshold", OnMissing: OnMissingUnknown, Params: json.RawMessage(`{"above":0}`),
			Inputs: []Input{{Name: "value", Select: "up", Matchers: matchers("__name__", "=", "up"), Window: time.Minute}},
		}, {
			Name: "Falls", Module: "threshold", OnMissing: OnMissingUnknown, Params: json.RawMessage(`{"above":0}`),
			Inputs: []Input{
				{Name: "value", Select: "up", Matchers: matchers("__name__", "=", "up"), Window: time.Minute, Reduce: "rate"},
				{Name: "baseline", Select: "up", Matchers: matchers("__name__", "=", "up"), Window: time.Hour},
			},
		}},
		Notifiers: []Notifier{{Kind: "webhook", Name: "ops", SendResolved: true, Settings: json.RawMessage(`{"url":"https://ops.example.org/alerts"}`)}},
		Route:     &Route{To: []string{"webhook.ops"}, GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, RepeatInterval: 4 * time.Hour},
	}
	if diff := cmp.Diff(want, cfg, compareOptions, ignoreRanges, cmpopts.IgnoreFields(Config{}, "Hash")); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	cfg, got := loadTest(t, "testdata/good", map[string]string{"from_both": "of -var"}, "values")
	if cfg == nil {
		t.Fatal(got)
	}
	want := map[string]string{
		"env": "of the environment", "file": "of the second file", "both": "of -var", "list": "x+y", "default": "of env", "open": "s3c",
		"if": "many", "for": "0X,1Y", "try": "tried", "lookup": "looked up", "text": "{{ range $i, $v := args 1 2 }}{{ $v }}{{ end }}\n",
	}
	if diff := cmp.Diff(want, cfg.Rules[0].Annotations); diff != "" {
		t.Errorf("annotations differ (-want +got):\n%s", diff)
	}
	if got := string(cfg.Rules[0].Params); got != `{"above":3}` {
		t.Errorf("parameters are %s", got)
	}
	if !slices.Contains(cfg.Route.To, "webhook.ops") {
		t.Errorf("route goes to %s", cfg.Route.To)
	}
}

func TestRoutingBlocks(t *testing.T) {
	cfg, complaints := loadTest(t, "testdata/good", nil, "routing.hcl")
	if cfg == nil {
		t.Fatal(complaints)
	}
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Silences: []Silence{{
			Name: "disk", Matchers: matchers("alertname", "=", "DiskFull"), Until: time.Date(2026, 12, 24, 6, 0, 0, 0, time.UTC),
			UntilResolved: true, Reason: "disk is on order", Owner: "dba",
		}, {
			Name: "migration", Matchers: append(matchers("job", "=", "odoo"), matchers("team", "!=", "dba")...),
			From: time.Date(2026, 11, 30, 21, 0, 0, 0, time.UTC), Until: time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC), Reason: "db migration", Owner: "dba",
		}},
		Inhibits: []Inhibit{
			{Source: matchers("severity", "=", "critical"), Target: matchers("severity", "=~", "warning|info"), Equal: []string{"endpoint", "cluster"}},
			{Source: matchers("severity", "=", "warning"), Target: matchers("severity", "=", "info", "alertname", "!=", "InfoInhibitor")},
			{Source: matchers("alertname", "=", "InfoInhibitor"), Target: matchers("severity", "=", "info"), Equal: []string{"namespace"}},
		},
		Overrides: []Override{
			{Rule: "Down", Matchers: matchers("endpoint", "=", "/critical/pay"), Params: json.RawMessage(`{"above":0.01}`)},
			{Rule: "Down", Matchers: matchers("endpoint", "=~", "/critical/.*"), Params: json.RawMessage(`{"above":0.02}`)},
		},
		Schedules: []Schedule{
			{Name: "nightly_backup", Weekdays: []WeekdayRange{{time.Monday, time.Friday}}, Times: []TimeRange{{120, 210}}, Location: rome},
			{Name: "weekend", Weekdays: []WeekdayRange{{time.Saturday, time.Saturday}, {time.Sunday, time.Sunday}}, Location: time.UTC},
		},
		Heartbeats: []Heartbeat{{Name: "watchdog", Every: time.Minute, To: []string{"webhook.ops"}}},
	}
	got := &Config{
		Silences: cfg.Silences, Inhibits: cfg.Inhibits, Schedules: cfg.Schedules, Heartbeats: cfg.Heartbeats, Overrides: cfg.Overrides,
	}
	if diff := cmp.Diff(want, got, compareOptions, ignoreRanges); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
	if r := cfg.Rules[1]; r.Mode != ModeShadow || r.Limit != 5 || r.OnMissing != OnMissingFire {
		t.Errorf("rule %+v", r)
	}
	inner := cfg.Route.Routes[0]
	if diff := cmp.Diff([]string{"nightly_backup", "weekend"}, inner.Mute); diff != "" {
		t.Errorf("mute (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Fallback{After: 2 * time.Minute, To: []string{"webhook.ops"}}, inner.Fallback, ignoreRanges); diff != "" {
		t.Errorf("fallback (-want +got):\n%s", diff)
	}
}

func TestWithoutCatalogBodiesAreNotChecked(t *testing.T) {
	t.Chdir("testdata/good")
	cfg, diags := Load([]string{"full.hcl"}, Options{Env: testEnv})
	if cfg == nil || len(diags) > 0 {
		t.Fatal(diags)
	}
	if got := string(cfg.Notifiers[0].Settings); got != "{}" {
		t.Errorf("settings are %s", got)
	}
	if len(cfg.Rules[0].Inputs) != 1 || cfg.Rules[0].Inputs[0].Window != 5*time.Minute {
		t.Errorf("inputs are %+v", cfg.Rules[0].Inputs)
	}
}

func TestExpressionsAreRead(t *testing.T) {
	cfg, got := loadTest(t, "testdata/good", nil, "promql.hcl")
	if cfg == nil {
		t.Fatal(got)
	}
	if cfg.Engine.Lookback != 12*time.Minute {
		t.Errorf("lookback %s", cfg.Engine.Lookback)
	}
	r := cfg.Rules[0]
	if want := `endpoint=~'/critical/.*',code=~"5.."}[5m]`; !strings.Contains(r.PromQL, want) || r.Module != "" || r.For != 5*time.Minute {
		t.Errorf("rule %+v, want %s in its expression", r, want)
	}
	for rule, want := range map[int]int{0: 2, 1: 2, 4: 0} {
		if got := cfg.Rules[rule].Selectors(); len(got) != want {
			t.Errorf("rule %q reads %v, want %d selectors", cfg.Rules[rule].Name, got, want)
		}
	}
}

func TestKeepAll(t *testing.T) {
	for source, want := range map[string][2]any{
		`engine {}`:               {"", time.Duration(0)},
		`engine { keep = "all" }`: {KeepAll, 5 * time.Minute},
		"engine {\n keep = \"all\"\n keep_for = \"1h\"\n}": {KeepAll, time.Hour},
	} {
		path := filepath.Join(t.TempDir(), "keep.hcl")
		source += "\nnotifier \"webhook\" \"a\" { url = \"http://a/\" }\nroute { to = [notifier.webhook.a] }\n"
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := Load([]string{path}, Options{})
		if cfg == nil {
			t.Fatal(diags)
		}
		if got := [2]any{cfg.Engine.Keep, cfg.Engine.KeepFor}; got != want {
			t.Errorf("%s: %v, want %v", source, got, want)
		}
	}
}

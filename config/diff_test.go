package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diffed replaces texts in diff.hcl and returns the lines of what changed.
func diffed(t *testing.T, oldnew ...string) []string {
	t.Helper()
	src, err := os.ReadFile("testdata/diff.hcl")
	if err != nil {
		t.Fatal(err)
	}
	load := func(text string) *Config {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tocsin.hcl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := Load([]string{path}, Options{Env: testEnv, Catalog: newTestCatalog})
		if cfg == nil {
			t.Fatal(diags)
		}
		cfg.Engine.DataDir = "" // depends on the directory
		return cfg
	}
	changed := string(src)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(changed, oldnew[i]) {
			t.Fatalf("there is no %q", oldnew[i])
		}
		changed = strings.Replace(changed, oldnew[i], oldnew[i+1], 1)
	}
	var lines []string
	for _, c := range Diff(load(string(src)), load(changed)) {
		lines = append(lines, c.String())
	}
	return lines
}

func TestDiff(t *testing.T) {
	const dba, page = `  route {
    match = ["team='dba'"]
    to    = [notifier.slack.ops]
  }
`, `  route {
    match    = ["severity='critical'"]
    to       = [notifier.pagerduty.oncall]
    continue = true
  }
`
	for _, tt := range []struct {
		name   string
		change []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"other words for the same", []string{`for = "5m"`, "# soon\n  for = \"300s\"", `["a:80", "b:80"]`, `["a:80", 
			"b:80"]`}, nil},
		{"a rule", []string{`for = "5m"`, `for = "6m"`, `threshold = 0.05`, `threshold = 0.06`}, []string{"changed rule HighErrors: for, params.threshold"}},
		{"a rule by another name", []string{`rule "HighErrors"`, `rule "ManyErrors"`, `override "HighErrors"`, `override "ManyErrors"`}, []string{
			"added rule ManyErrors", "removed rule HighErrors",
			`added override ManyErrors {endpoint="/pay"}`, `removed override HighErrors {endpoint="/pay"}`,
		}},
		{"a source", []string{`["a:80", "b:80"]`, `["a:80"]`, `path      = "/metrics"`, `path      = "/other"`}, []string{"changed source http.gateway: path, targets"}},
		{"a secret, of which nothing is shown", []string{"0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"}, []string{"changed notifier pagerduty.oncall: routing_key"}},
		{"timers of the root, which others inherit", []string{`group_wait = "10s"`, `group_wait = "20s"`}, []string{
			"changed route: group_wait", `changed route {team="dba"}: group_wait`, `changed route {severity="critical"}: group_wait`,
		}},
		{"another match is another route", []string{`["team='dba'"]`, `["team='web'"]`}, []string{`added route {team="web"}`, `removed route {team="dba"}`}},
		{"routes in another order", []string{dba, "", page, page + dba}, []string{"changed route: order"}},
		{"an inhibition", []string{`equal  = ["endpoint"]`, `equal  = ["job"]`}, []string{
			`added inhibit {severity="critical"} over {severity="warning"} where equal job`,
			`removed inhibit {severity="critical"} over {severity="warning"} where equal endpoint`,
		}},
		{"the place of a schedule", []string{"Europe/Rome", "Europe/Athens"}, []string{"changed schedule night: location"}},
		{"a silence", []string{`until = "2026-12-01T06:00:00Z"`, `until = "2026-12-02T06:00:00Z"`}, []string{"changed silence migration: until"}},
		{"the engine", []string{`external_url = "https://tocsin.example.org"`, `external_url = "https://alerts.example.org"`}, []string{"changed engine: external_url"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, diffed(t, tt.change...)); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a configuration has, Diff compares it.
func TestDiffIsComplete(t *testing.T) {
	whole := reflect.TypeFor[Config]()
	for i := range whole.NumField() {
		name := whole.Field(i).Name
		if name == "Hash" || name == "Secrets" {
			continue
		}
		before, after := Config{Route: &Route{}}, Config{Route: &Route{}}
		field := reflect.ValueOf(&after).Elem().Field(i)
		switch field.Kind() {
		case reflect.Slice:
			one := reflect.New(field.Type().Elem()).Elem()
			if s, ok := reflect.TypeAssert[*Schedule](one.Addr()); ok {
				s.Location = time.UTC
			}
			field.Set(reflect.Append(field, one))
		case reflect.Pointer:
			after.Route.Continue = true
		case reflect.Struct:
			for _, part := range field.Fields() {
				if part.Kind() == reflect.Slice {
					part.Set(reflect.MakeSlice(part.Type(), 1, 1))
				}
			}
		default:
			t.Fatalf("%s is a %s", name, field.Kind())
		}
		if len(Diff(&before, &after)) == 0 {
			t.Errorf("a change of %s is none to Diff", name)
		}
	}
}

func TestVersion(t *testing.T) {
	a, b := Rule{Name: "A", For: 1, Range: Range{Line: 1}}, Rule{Name: "A", For: 1, Range: Range{Line: 2}}
	if Version(a) != Version(b) {
		t.Error("the version of a block depends on where it stands")
	}
	b.For = 2
	if Version(a) == Version(b) {
		t.Error("a changed block has the same version")
	}
	if Version("ab", "c") == Version("a", "bc") {
		t.Error("two lists of parts have one version")
	}
}

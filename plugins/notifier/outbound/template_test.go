package outbound

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

type templated struct {
	Title  string `config:"title"`
	Text   string `config:"text"`
	Secret string `config:"secret" sensitive:"true"`
	Fields []struct {
		Title string `config:"title" required:"true"`
		Value string `config:"value"`
	} `config:"fields"`
	HTTP HTTP `config:"http_config"`
}

func templatesOf(t *testing.T, config string) (*Templates, schema.Diagnostics) {
	t.Helper()
	return NewTemplates([]byte(config), schema.MustOf(templated{}))
}

func TestTemplates(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"{{ .Status | toUpper }} {{ .Alerts.Firing | len }}/{{ len .Alerts }}", "FIRING 2/2"},
		{"{{ .CommonLabels.alertname }} {{ .GroupLabels.SortedPairs.Values | join \",\" }}", "Sample Sample"},
		{"{{ range .Alerts }}{{ .Labels.endpoint }}={{ .Value }} {{ end }}", "/critical/api=2 /critical/pay=2 "},
		{"{{ (index .Alerts 0).Course }}", "2 (1 when it fired, peak 3) ▁█▄"},
		{"{{ .CommonLabels.no_such_label }}|{{ .Note }}|{{ .NotificationReason }}", "||first notification"},
		{`{{ template "slack.default.title" . }}`, "[FIRING:2] Sample (critical)"},
		{`{{ template "__alertmanagerURL" . }}`, "http://localhost:9095/#/alerts?receiver=sample"},
	} {
		templates, diags := templatesOf(t, `{"title":`+quote(c.template)+`}`)
		if len(diags) > 0 {
			t.Errorf("%s: %v", c.template, diags)
			continue
		}
		got, failed := Render(templates, templated{}, samples()[0])
		if got.Title != c.want || failed != "" {
			t.Errorf("%s: got %q (%s), want %q", c.template, got.Title, failed, c.want)
		}
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

// A mistake is found when the notifier is configured, with the place that it has in the block.
func TestTemplatesThatDoNotWork(t *testing.T) {
	_, diags := templatesOf(t, `{"title":"{{ .Stat }}","text":"{{ if }}","secret":"{{ no }}","fields":[{"title":"a","value":"b"},{"title":"a","value":"{{ .Alerts.Foo }}"}],"http_config":{"headers":{"a":"{{"}}}`)
	var got []string
	for _, d := range diags {
		got = append(got, strings.Join(d.Path, ".")+": "+d.Detail)
	}
	want := []string{
		`fields.1.value: :1:10: executing "" at <.Alerts.Foo>: can't evaluate field Foo in type outbound.templateAlerts`,
		`text: :1: missing value for if`,
		`title: :1:3: executing "" at <.Stat>: can't evaluate field Stat in type outbound.templateData`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if templates, diags := templatesOf(t, `{"title":"plain","secret":"{{ no }}"}`); templates != nil || diags != nil {
		t.Errorf("without templates: %v, %v", templates, diags)
	}
}

// What fails with an alert that nobody thought of costs that attribute, not the message.
func TestTemplateFailsLater(t *testing.T) {
	templates, diags := templatesOf(t, `{"title":"{{ .Receiver }}","text":"{{ (index .Alerts 1).Labels.endpoint }}","fields":[{"title":"t","value":"{{ .Status }}"}]}`)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	n := samples()[0]
	n.Alerts = n.Alerts[:1]
	got, failed := Render(templates, templated{Text: "unused"}, n)
	if got.Title != "sample" || got.Text != "" || got.Fields[0].Value != "firing" || !strings.HasPrefix(failed, "template failed: text: :1:4: executing") {
		t.Errorf("got %+v, %q", got, failed)
	}
}

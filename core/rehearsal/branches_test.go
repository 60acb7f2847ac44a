package rehearsal

import (
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
)

func TestBranches(t *testing.T) {
	const text = `{{if gt .A 1.0}}big{{else if gt .A 0.0}}small{{end}}` +
		`{{with .B}}b={{.}}{{if eq . "x"}}!{{end}}{{else}}no b{{end}}{{range .C}}{{.}},{{end}}`
	made := func() *template.Template { return template.Must(template.New("annotation summary").Parse(text)) }
	for _, tt := range []struct {
		name string
		data map[string]any
		want []string // branches that were never rendered
	}{
		{"all the first ways", map[string]any{"A": 2.0, "B": "x", "C": []int{1}}, []string{
			"R, annotation summary: else of {{if eq . \"x\"}}",
			"R, annotation summary: else of {{if gt .A 0.0}}",
			"R, annotation summary: else of {{if gt .A 1.0}}",
			"R, annotation summary: else of {{range .C}}",
			"R, annotation summary: else of {{with .B}}",
			"R, annotation summary: {{if gt .A 0.0}}",
		}},
		{"all the others", map[string]any{"A": -2.0}, []string{
			"R, annotation summary: else of {{if eq . \"x\"}}",
			"R, annotation summary: {{if eq . \"x\"}}",
			"R, annotation summary: {{if gt .A 0.0}}",
			"R, annotation summary: {{if gt .A 1.0}}",
			"R, annotation summary: {{range .C}}",
			"R, annotation summary: {{with .B}}",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b branches
			marked := made()
			b.watch("R", marked)
			var got, want strings.Builder
			if err := marked.Execute(&got, tt.data); err != nil {
				t.Fatal(err)
			}
			if err := made().Execute(&want, tt.data); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("rendered %q, without marks %q", &got, &want)
			}
			var missing []string
			for _, place := range b.part().Missing() {
				missing = append(missing, place.Name)
			}
			if diff := cmp.Diff(tt.want, missing); diff != "" {
				t.Errorf("never rendered (-want +got):\n%s", diff)
			}
		})
	}
}

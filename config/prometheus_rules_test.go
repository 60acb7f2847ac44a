package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"
)

// prometheusRule is a rule as Prometheus writes it, and as much of ours as it can say.
type prometheusRule struct {
	Alert         string            `yaml:"alert"`
	Expr          string            `yaml:"expr"`
	For           model.Duration    `yaml:"for"`
	KeepFiringFor model.Duration    `yaml:"keep_firing_for"`
	Labels        map[string]string `yaml:"labels"`
	Annotations   map[string]string `yaml:"annotations"`
}

// The two forms of the rules in examples/prometheus-rules say the same. What the rules then do is tested there.
func TestPrometheusRulesSayTheSame(t *testing.T) {
	text, err := os.ReadFile("../examples/prometheus-rules/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name     string           `yaml:"name"`
			Interval model.Duration   `yaml:"interval"`
			Rules    []prometheusRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	var want, got []prometheusRule
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			r.Expr = canonical(t, r.Expr)
			want = append(want, r)
		}
	}

	cfg, said := loadTest(t, "..", nil, "examples/prometheus-rules")
	if said != "" || cfg == nil {
		t.Fatal(said)
	}
	for _, r := range cfg.Rules {
		got = append(got, prometheusRule{
			Alert: r.Name, Expr: canonical(t, r.PromQL), For: model.Duration(r.For), KeepFiringFor: model.Duration(r.KeepFiringFor),
			Labels: r.Labels, Annotations: r.Annotations,
		})
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("%d rules; tocsin.hcl differs from rules.yml (-yml +hcl):\n%s", len(want), diff)
	}
}

// canonical is one text for all that mean the same by their syntax.
func canonical(t *testing.T, expr string) string {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.String()
}

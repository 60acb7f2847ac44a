package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForEach(t *testing.T) {
	cfg, got := loadTest(t, "testdata/good", nil, "for_each.hcl")
	if cfg == nil {
		t.Fatal(got)
	}
	var rules []string
	for _, r := range cfg.Rules {
		rules = append(rules, r.Name+" is "+r.Alertname()+", "+r.PromQL+string(r.Params)+" "+r.Labels["each"]+r.Labels["severity"])
		for _, in := range r.Inputs {
			rules = append(rules, in.Select)
		}
	}
	if diff := cmp.Diff([]string{
		`cpu["db"] is cpu, {"above":2} dbpage`, "cpu{team='db'}", `cpu["web"] is cpu, {"above":3} webpage`, "cpu{team='web'}",
		`odd["a \"b\""] is odd, up == 0{} a "b"`, `odd["{{ x"] is odd, up == 0{} {{"{{ x"}}`,
	}, rules); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	var sources []string
	for _, s := range cfg.Sources {
		sources = append(sources, s.Kind+"."+s.Name+" of job "+s.Job()+": "+strings.Join(s.Targets, ","))
	}
	if diff := cmp.Diff([]string{`http.node["db"] of job node: 10.0.1.1:9100`, `http.node["web"] of job node: 10.0.2.1:9100`}, sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	var notifiers []string
	for _, n := range cfg.Notifiers {
		notifiers = append(notifiers, n.Ref()+" "+string(n.Settings))
	}
	if diff := cmp.Diff([]string{
		`pagerduty.region["eu"] {"routing_key":"0123456789abcdef0123456789abcdef"}`, `pagerduty.region["us"] {"routing_key":"fedcba9876543210fedcba9876543210"}`,
		`webhook.ops {"url":"https://ops.example.org/alerts"}`,
	}, notifiers); diff != "" {
		t.Errorf("notifiers (-want +got):\n%s", diff)
	}
	routes := [][]string{cfg.Route.To, cfg.Route.Routes[0].To, cfg.Route.Routes[1].To}
	if diff := cmp.Diff([][]string{{`pagerduty.region["eu"]`, `pagerduty.region["us"]`, "webhook.ops"}, {`pagerduty.region["eu"]`}, {`pagerduty.region["us"]`}}, routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if cfg.Overrides[0].Rule != "cpu" || cfg.Overrides[1].Rule != `cpu["db"]` || string(cfg.Overrides[1].Params) != `{"above":8}` {
		t.Errorf("overrides %+v", cfg.Overrides)
	}
	if strings.Contains(got, "fedcba") {
		t.Error("a secret is shown")
	}
}

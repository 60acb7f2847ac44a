package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSourceWithDiscoveryAndRelabelling(t *testing.T) {
	path := write(t, "a.hcl", `
source "http" "nodes" {
  honor_labels = true
  sample_limit = 100
  limit_action = "fail"
  file_sd {
    files    = ["nodes/*.json"]
    password = "topsecret"
  }
  relabel {
    source_labels = ["__meta_filepath", "zone"]
    regex         = ".*/(.*)[.]json;(.*)"
    target_label  = "rack"
    replacement   = "$1-$2"
  }
  metric_relabel {
    action        = "drop"
    source_labels = ["__name__"]
    regex         = "go_.*"
  }
}
rule "Down" {
  module = "threshold"
  params { above = 0 }
}
notifier "webhook" "ops" { url = "https://ops.example.org/alerts" }
route { to = [notifier.webhook.ops] }
`)
	cfg, diags := Load([]string{path}, Options{Env: testEnv, Catalog: newTestCatalog})
	if cfg == nil {
		t.Fatal(diags)
	}
	s := cfg.Sources[0]
	if len(s.Discoveries) != 1 || s.Discoveries[0].Kind != "file" || string(s.Discoveries[0].Settings) != `{"files":["nodes/*.json"],"password":"topsecret"}` {
		t.Errorf("discoveries: %+v", s.Discoveries)
	}
	if diff := cmp.Diff([]string{"topsecret"}, s.Secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	if !s.HonorLabels || s.Limits != (Limits{Samples: 100, Fail: true}) {
		t.Errorf("source: %+v", s)
	}
	if len(s.Relabel) != 1 || s.Relabel[0].Replacement != "$1-$2" || s.Relabel[0].Separator != ";" || s.Relabel[0].Action != "replace" {
		t.Errorf("relabel: %+v", s.Relabel)
	}
	if len(s.MetricRelabel) != 1 || s.MetricRelabel[0].Action != "drop" || !s.MetricRelabel[0].Regex.MatchString("go_goroutines") {
		t.Errorf("metric_relabel: %+v", s.MetricRelabel)
	}
	if s.FixedLabels() {
		t.Error("the labels of series count as known although relabelling may change them")
	}
}

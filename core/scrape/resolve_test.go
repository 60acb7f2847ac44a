package scrape

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/tocsinhq/tocsin/sdk/frame"
	"github.com/tocsinhq/tocsin/sdk/source"
)

// rule is a relabelling rule with Prometheus' defaults.
func rule(action relabel.Action, change func(*relabel.Config)) *relabel.Config {
	c := relabel.DefaultRelabelConfig
	c.Action, c.NameValidationScheme = action, model.UTF8Validation
	change(&c)
	return &c
}

func TestResolve(t *testing.T) {
	type found struct{ Address, Labels, Dropped string }
	// The blackbox exporter's usual rules: what was found becomes a parameter, and the exporter is asked.
	probe := []*relabel.Config{
		rule(relabel.Replace, func(c *relabel.Config) {
			c.SourceLabels, c.TargetLabel = model.LabelNames{"__address__"}, "__param_target"
		}),
		rule(relabel.Replace, func(c *relabel.Config) {
			c.SourceLabels, c.TargetLabel = model.LabelNames{"__param_target"}, "instance"
		}),
		rule(relabel.Replace, func(c *relabel.Config) { c.TargetLabel, c.Replacement = "__address__", "blackbox:9115" }),
	}
	for _, tt := range []struct {
		name   string
		source Source
		groups []source.Group
		want   []found
	}{
		{
			"addresses stay as they are configured",
			Source{Labels: map[string]string{"tier": "edge"}},
			[]source.Group{{Targets: at("a:1", "https://b/metrics?x=1", "unix:/run/c.sock")}},
			[]found{
				{Address: "a:1", Labels: `{instance="a:1",job="gw",tier="edge"}`},
				{Address: "https://b/metrics?x=1", Labels: `{instance="b:443",job="gw",tier="edge"}`},
				{Address: "unix:/run/c.sock", Labels: `{instance="unix:/run/c.sock",job="gw",tier="edge"}`},
			},
		},
		{
			"a group's labels win, those for relabelling only do not reach series",
			Source{Labels: map[string]string{"tier": "edge"}},
			[]source.Group{{Targets: at("a:1"), Labels: map[string]string{"tier": "core", "__meta_filepath": "x.json", "__metrics_path__": "/probe", "__scheme__": "https"}}},
			[]found{{Address: "https://a:1/probe", Labels: `{instance="a:1",job="gw",tier="core"}`}},
		},
		{
			"without a scheme the source chooses it",
			Source{},
			[]source.Group{{Targets: at("a:1"), Labels: map[string]string{"__param_module": "http 2xx"}}},
			[]found{{Address: "//a:1?module=http+2xx", Labels: `{instance="a:1",job="gw"}`}},
		},
		{
			"probing through an exporter",
			Source{Relabel: probe},
			[]source.Group{{Targets: at("www.example.org", "shop.example.org"), Labels: map[string]string{"__metrics_path__": "/probe"}}},
			[]found{
				{Address: "//blackbox:9115/probe?target=www.example.org", Labels: `{instance="www.example.org",job="gw"}`},
				{Address: "//blackbox:9115/probe?target=shop.example.org", Labels: `{instance="shop.example.org",job="gw"}`},
			},
		},
		{
			"what rules do not touch is asked for as it was configured",
			Source{Relabel: []*relabel.Config{rule(relabel.Replace, func(c *relabel.Config) { c.TargetLabel, c.Replacement = "zone", "a" })}},
			[]source.Group{{Targets: at("https://b:9113/metrics?b=2&a=1")}},
			[]found{{Address: "https://b:9113/metrics?b=2&a=1", Labels: `{instance="b:9113",job="gw",zone="a"}`}},
		},
		{
			"dropped, emptied, doubled and over the limit",
			Source{Limits: Limits{Targets: 2}, Relabel: []*relabel.Config{
				rule(relabel.Drop, func(c *relabel.Config) {
					c.SourceLabels, c.Regex = model.LabelNames{"__address__"}, relabel.MustNewRegexp("drop.*")
				}),
				rule(relabel.Replace, func(c *relabel.Config) {
					c.SourceLabels, c.Regex = model.LabelNames{"__address__"}, relabel.MustNewRegexp("empty.*")
					c.TargetLabel, c.Replacement = "__address__", ""
				}),
				rule(relabel.Replace, func(c *relabel.Config) {
					c.SourceLabels, c.Regex = model.LabelNames{"__address__"}, relabel.MustNewRegexp("alias:1")
					c.TargetLabel, c.Replacement = "__address__", "a:1"
				}),
			}},
			[]source.Group{{Targets: at("a:1", "drop:1", "empty:1", "alias:1", "b:1", "c:1")}},
			[]found{
				{Address: "a:1", Labels: `{instance="a:1",job="gw"}`},
				{Address: "b:1", Labels: `{instance="b:1",job="gw"}`},
				{Address: "drop:1", Dropped: "dropped by relabelling"},
				{Address: "empty:1", Dropped: "relabelling left no __address__"},
				{Address: "alias:1", Dropped: "the same as another target"},
				{Address: "c:1", Dropped: "over target_limit"},
			},
		},
		{
			"one address under two label sets is two targets",
			Source{},
			[]source.Group{{Targets: at("a:1"), Labels: map[string]string{"shard": "0"}}, {Targets: at("a:1"), Labels: map[string]string{"shard": "1"}}},
			[]found{
				{Address: "a:1", Labels: `{instance="a:1",job="gw",shard="0"}`},
				{Address: "a:1", Labels: `{instance="a:1",job="gw",shard="1"}`},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.source.Name, tt.source.Job = "http.gw", "gw"
			targets, dropped := tt.source.resolve(tt.groups)
			var got []found
			ids := map[string]bool{}
			for _, r := range targets {
				got = append(got, found{Address: r.address, Labels: r.labels.String()})
				if ids[r.id] {
					t.Errorf("two targets have the identity %s", r.id)
				}
				ids[r.id] = true
			}
			for _, d := range dropped {
				got = append(got, found{Address: d.Labels.Get("__address__"), Dropped: d.Reason})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
		})
	}
}

func TestColumnsRelabelled(t *testing.T) {
	c := columns{
		target: frame.FromMap(map[string]string{"job": "gw", "zone": "a"}), honor: true, limits: Limits{Series: 2},
		relabel: newRelabeller([]*relabel.Config{
			rule(relabel.Drop, func(c *relabel.Config) {
				c.SourceLabels, c.Regex = model.LabelNames{"__name__"}, relabel.MustNewRegexp("go_.*")
			}),
			rule(relabel.Replace, func(c *relabel.Config) {
				c.SourceLabels, c.Regex = model.LabelNames{"__name__"}, relabel.MustNewRegexp("old_(.*)")
				c.TargetLabel, c.Replacement = "__name__", "new_$1"
			}),
			rule(relabel.LabelDrop, func(c *relabel.Config) { c.Regex = relabel.MustNewRegexp("pod") }),
			rule(relabel.Replace, func(c *relabel.Config) {
				c.SourceLabels, c.Regex = model.LabelNames{"__name__"}, relabel.MustNewRegexp("nameless")
				c.TargetLabel, c.Replacement = "__name__", ""
			}),
		}),
	}
	page := &frame.Layout{Series: []frame.Series{
		named("go_a"), named("go_b"), named("old_x", frame.Label{Name: "pod", Value: "p1"}), named("nameless"),
		named("y", frame.Label{Name: "job", Value: "theirs"}), named("z"),
	}}
	got, _ := c.row(frame.Frame{Layout: page, Values: []float64{1, 2, 3, 4, 5, 6}})
	var series []string
	for _, s := range got.Layout.Series {
		series = append(series, s.Labels.String())
	}
	if diff := cmp.Diff([]string{`new_x{job="gw",zone="a"}`, `y{job="theirs",zone="a"}`}, series); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{3, 5}, got.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	// What a rule drops is not missed; what goes over a limit or makes no sense is.
	if want := "1 series left out: relabelling left no metric name; 1 series left out: more than 2 series"; c.left != want {
		t.Errorf("left out: %q, want %q", c.left, want)
	}
}

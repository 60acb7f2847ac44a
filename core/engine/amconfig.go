package engine

import (
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v2"

	"github.com/tocsinhq/tocsin/config"
)

// amRoute is a route in Alertmanager's YAML.
type amRoute struct {
	Receiver       string    `yaml:"receiver,omitempty"`
	Matchers       []string  `yaml:"matchers,omitempty"`
	GroupBy        []string  `yaml:"group_by,omitempty"`
	Continue       bool      `yaml:"continue,omitempty"`
	GroupWait      string    `yaml:"group_wait,omitempty"`
	GroupInterval  string    `yaml:"group_interval,omitempty"`
	RepeatInterval string    `yaml:"repeat_interval,omitempty"`
	Routes         []amRoute `yaml:"routes,omitempty"`
}

type amReceiver struct {
	Name string `yaml:"name"`
}

// alertmanagerConfig writes the routes as Alertmanager's YAML, for "amtool config routes". Nothing else of the
// configuration is in it, so no secret is.
func alertmanagerConfig(cfg *config.Config) string {
	var out struct {
		Route     amRoute      `yaml:"route"`
		Receivers []amReceiver `yaml:"receivers"`
	}
	out.Route = amRouteOf(cfg.Route)
	for _, n := range cfg.Notifiers {
		out.Receivers = append(out.Receivers, amReceiver{n.Ref()})
	}
	text, err := yaml.Marshal(out)
	if err != nil { // nothing in it fails to encode
		panic("engine: write the routes as YAML: " + err.Error())
	}
	return string(text)
}

// amRouteOf writes a route. Alertmanager's have one receiver: of several, each gets a route of its own that takes
// whatever no other inner route took.
func amRouteOf(r *config.Route) amRoute {
	out := amRoute{
		Receiver: r.To[0], GroupBy: r.GroupBy, Continue: r.Continue, GroupWait: model.Duration(r.GroupWait).String(),
		GroupInterval: model.Duration(r.GroupInterval).String(), RepeatInterval: model.Duration(r.RepeatInterval).String(),
	}
	for _, m := range r.Matchers {
		out.Matchers = append(out.Matchers, m.String())
	}
	for _, inner := range r.Routes {
		out.Routes = append(out.Routes, amRouteOf(inner))
	}
	for i, ref := range r.To {
		if len(r.To) > 1 {
			out.Routes = append(out.Routes, amRoute{Receiver: ref, Continue: i < len(r.To)-1})
		}
	}
	return out
}

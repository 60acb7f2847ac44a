package pagerduty

import (
	"time"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Config is the notifier block. Names are Alertmanager's; what is not set gets a built-in text from the alerts.
type Config struct {
	RoutingKey     string            `config:"routing_key" sensitive:"true" doc:"Integration key of an Events API v2 integration."`
	RoutingKeyFile string            `config:"routing_key_file" doc:"File to read the routing key from at each notification."`
	URL            string            `config:"url" format:"url" default:"https://events.pagerduty.com/v2/enqueue" doc:"Where events go to. In the EU service region: https://events.eu.pagerduty.com/v2/enqueue"`
	Client         string            `config:"client" default:"Tocsin" doc:"Name of the monitoring tool in the incident."`
	ClientURL      string            `config:"client_url" format:"url" doc:"Link of the client's name. Default: engine.external_url."`
	Description    string            `config:"description" doc:"Summary of the incident. Default: the summary annotation of the alert, or number and labels of the alerts."`
	Severity       string            `config:"severity" enum:"critical,error,warning,info" doc:"Default: the worst severity label of the alerts; error where that is not one of PagerDuty's."`
	Source         string            `config:"source" doc:"Default: the instance, job, service or endpoint of the alerts."`
	Component      string            `config:"component" doc:"Default: the component, service or job label that the alerts share."`
	Group          string            `config:"group" doc:"Default: the cluster, namespace or environment label that the alerts share."`
	Class          string            `config:"class" doc:"Default: the alertname that the alerts share."`
	Details        map[string]string `config:"details" doc:"More entries for the custom details; an entry with a built-in name replaces that."`
	Images         []Image           `config:"images"`
	Links          []Link            `config:"links"`
	Timeout        time.Duration     `config:"timeout" default:"30s" min:"0s" doc:"How long to wait for the answer; 0: as long as the engine does."`
	HTTP           outbound.HTTP     `config:"http_config"`
}

// Image is shown in the incident.
type Image struct {
	Src  string `config:"src" required:"true" format:"url" doc:"Where the image is, https."`
	Href string `config:"href" doc:"What it links to."`
	Alt  string `config:"alt"`
}

// Link is shown in the incident.
type Link struct {
	Href string `config:"href" required:"true" format:"url"`
	Text string `config:"text"`
}

func (c *Config) key() outbound.Secret {
	return outbound.Secret{Name: "routing_key", Value: c.RoutingKey, File: c.RoutingKeyFile}
}

func (c *Config) check() schema.Diagnostics {
	diags := c.key().Check()
	if !c.key().IsSet() {
		diags = append(diags, outbound.Blame("needs routing_key or routing_key_file", "routing_key"))
	}
	if !outbound.IsWebURL(c.URL) {
		diags = append(diags, outbound.Blame("must be an absolute http or https URL", "url"))
	}
	return diags
}

package webhook

import (
	"time"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Config is the notifier block. Names are Alertmanager's.
type Config struct {
	URL       string        `config:"url" format:"url" sensitive:"true" doc:"Where to POST to."`
	URLFile   string        `config:"url_file" doc:"File to read the URL from at each notification."`
	MaxAlerts int           `config:"max_alerts" min:"0" doc:"Alerts in one message, the rest is only counted in truncatedAlerts; 0: all."`
	Timeout   time.Duration `config:"timeout" default:"30s" min:"0s" doc:"How long to wait for the answer; 0: as long as the engine does."`
	HTTP      outbound.HTTP `config:"http_config"`
}

func (c *Config) address() outbound.Secret {
	return outbound.Secret{Name: "url", Value: c.URL, File: c.URLFile}
}

func (c *Config) check() schema.Diagnostics {
	diags := c.address().Check()
	if !c.address().IsSet() {
		diags = append(diags, outbound.Blame("needs url or url_file", "url"))
	}
	if c.URL != "" && !outbound.IsWebURL(c.URL) {
		diags = append(diags, outbound.Blame("must be an absolute http or https URL", "url"))
	}
	return diags
}

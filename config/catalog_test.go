package config

import (
	"fmt"
	"time"

	"github.com/tocsinhq/tocsin/sdk/schema"
)

// catalog of plugins and modules like the real ones.
type testCatalog struct{ modules []Module }

func newTestCatalog(_ Engine, _ []Plugin, modules []Module) (Catalog, error) {
	return testCatalog{modules: modules}, nil
}

func (c testCatalog) Kinds(what string) []string {
	switch what {
	case "source":
		return []string{"http"}
	case "notifier":
		return []string{"pagerduty", "slack", "webhook"}
	}
	return []string{"error_rate", "threshold"}
}

func (testCatalog) Source(kind string) (schema.Block, error) {
	if kind != "http" {
		return schema.Block{}, fmt.Errorf("source plugin %q: %w", kind, ErrUnknown)
	}
	return schema.Of(struct {
		Path     string            `config:"path" default:"/metrics" pattern:"^/"`
		Scheme   string            `config:"scheme" default:"http" enum:"http,https"`
		Headers  map[string]string `config:"headers" sensitive:"true"`
		MaxBytes int               `config:"max_bytes" min:"1024" max:"1073741824"`
		Tracking bool              `config:"honor_timestamps" deprecated:"timestamps are always honoured"`
		Grace    time.Duration     `config:"grace" min:"1s" max:"1m"`
		Auth     *struct {
			Username string `config:"username" required:"true" doc:"who asks"`
			Password string `config:"password" required:"true" sensitive:"true" doc:"the password of that user"`
		} `config:"basic_auth"`
		Params []struct {
			Name   string   `config:"name" required:"true"`
			Values []string `config:"values"`
		} `config:"param"`
	}{})
}

func (testCatalog) Discoveries() map[string]schema.Block {
	files, err := schema.Of(struct {
		Files    []string `config:"files" required:"true" doc:"where targets stand"`
		Password string   `config:"password" sensitive:"true"`
	}{})
	if err != nil {
		panic(err)
	}
	return map[string]schema.Block{"file": files}
}

func (testCatalog) Notifier(kind string) (schema.Block, error) {
	switch kind {
	case "pagerduty":
		return schema.Of(struct {
			RoutingKey string            `config:"routing_key" required:"true" sensitive:"true" pattern:"^[0-9a-zA-Z]{32}$" doc:"integration key of the service"`
			URL        string            `config:"url" default:"https://events.pagerduty.com/v2/enqueue" format:"url"`
			Details    map[string]string `config:"details"`
			Title      string            `config:"title" format:"template"`
		}{})
	case "slack":
		return schema.Of(struct {
			APIURL  string `config:"api_url" required:"true" sensitive:"true" format:"url"`
			Channel string `config:"channel"`
			Pin     string `config:"pin" sensitive:"true" enum:"1234,9876"`
			Retries int    `config:"retries" sensitive:"true" max:"5"`
		}{})
	case "webhook":
		return schema.Of(struct {
			URL string `config:"url" required:"true" format:"url"`
		}{})
	case "broken":
		return schema.Block{}, fmt.Errorf("tocsin-notifier-broken did not answer within 10s")
	}
	return schema.Block{}, fmt.Errorf("notifier plugin %q: %w", kind, ErrUnknown)
}

func (c testCatalog) Module(name string) (ModuleSchema, error) {
	for _, m := range c.modules {
		if m.Name == name {
			return c.Module("threshold")
		}
	}
	switch name {
	case "error_rate":
		params, err := schema.OfTag(struct {
			Threshold   float64  `param:"threshold" default:"0.05" min:"0" max:"1"`
			Errors      string   `param:"errors" default:"code=~'5..'" format:"matcher"`
			By          []string `param:"by"`
			MinRequests int      `param:"min_requests" default:"0" min:"0"`
		}{}, "param")
		return ModuleSchema{Params: params, Inputs: []ModuleInput{{Name: "requests", Description: "request counters"}}}, err
	case "threshold":
		params, err := schema.OfTag(struct {
			Above float64 `param:"above" required:"true" doc:"the bound"`
		}{}, "param")
		return ModuleSchema{Params: params, Inputs: []ModuleInput{
			{Name: "value", DefaultSelect: "up", DefaultWindow: time.Minute, Reduce: []string{"avg", "rate"}},
			{Name: "baseline", Optional: true, Like: "value", DefaultWindow: time.Hour},
		}}, err
	}
	return ModuleSchema{}, fmt.Errorf("rule module %q: %w", name, ErrUnknown)
}

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/tocsinhq/tocsin/sdk/pluginpb"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Client calls the Plugin service of a plugin. Errors are those of [FromStatus].
type Client struct{ rpc pluginpb.PluginClient }

// NewClient makes a client over a connection.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: pluginpb.NewPluginClient(conn)}
}

// Info asks the plugin who it is.
func (c *Client) Info(ctx context.Context) (Info, Role, error) {
	r, err := c.rpc.GetInfo(ctx, &pluginpb.GetInfoRequest{})
	if err != nil {
		return Info{}, "", FromStatus(err)
	}
	return Info{Name: clip(r.GetName()), Version: clip(r.GetVersion())}, Role(clip(r.GetRole())), nil
}

// Schema asks the plugin which configuration it takes.
func (c *Client) Schema(ctx context.Context) (schema.Block, error) {
	r, err := c.rpc.GetSchema(ctx, &pluginpb.GetSchemaRequest{})
	if err != nil {
		return schema.Block{}, FromStatus(err)
	}
	var block schema.Block
	if err := json.Unmarshal(r.GetSchemaJson(), &block); err != nil {
		return schema.Block{}, fmt.Errorf("the plugin's schema is no JSON of a block: %w", err)
	}
	if err := schema.Check(block); err != nil {
		return schema.Block{}, fmt.Errorf("the plugin's %w", err)
	}
	return block, nil
}

// Validate asks what [Client.Configure] would say.
func (c *Client) Validate(ctx context.Context, config json.RawMessage) (schema.Diagnostics, error) {
	r, err := c.rpc.Validate(ctx, &pluginpb.ValidateRequest{ConfigJson: config})
	return diagnostics(r.GetDiagnostics()), FromStatus(err)
}

// Configure makes or replaces an instance. It did not happen if one of the diagnostics is no warning.
func (c *Client) Configure(ctx context.Context, id, name string, config json.RawMessage) (schema.Diagnostics, error) {
	r, err := c.rpc.Configure(ctx, &pluginpb.ConfigureRequest{InstanceId: id, Name: name, ConfigJson: config})
	return diagnostics(r.GetDiagnostics()), FromStatus(err)
}

// Remove forgets an instance.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := c.rpc.Remove(ctx, &pluginpb.RemoveRequest{InstanceId: id})
	return FromStatus(err)
}

// Health returns nil if the plugin answers.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.rpc.Health(ctx, &pluginpb.HealthRequest{})
	return FromStatus(err)
}

// Stop asks the process to end when its calls in flight have, or after the grace.
func (c *Client) Stop(ctx context.Context, grace time.Duration) error {
	_, err := c.rpc.Stop(ctx, &pluginpb.StopRequest{GraceMs: uint32(grace.Milliseconds())})
	return FromStatus(err)
}

const maxDiagnostics = 100 // of one block: what comes after is no help

func diagnostics(messages []*pluginpb.Diagnostic) schema.Diagnostics {
	var diags schema.Diagnostics
	for _, m := range messages[:min(len(messages), maxDiagnostics)] {
		diags = append(diags, schema.Diagnostic{Path: m.GetPath(), Summary: clip(m.GetSummary()), Detail: clip(m.GetDetail()), Warning: m.GetWarning()})
	}
	return diags
}
